"""What a model of the user's own has to keep, tried on windows that are drawn: shapes, seeds, modes, gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

import baselines
from baselines import Source
from baselines.base import ClosedForm
from benchmark.analysis.independence import dependence
from benchmark.config.recipe import Training
from benchmark.data.windows import Batch
from benchmark.errors import counted
from benchmark.problems.base import Once
from benchmark.training.replicas import Stack, why_not_stacked
from benchmark.training.step import Program, Stepper
from benchmark.training.streams import own_generators, seed_default

FEW = 4
"""Windows of a check; a model's batch may be large."""
ALIKE = 1e-3
"""Of a loss or a gradient: what the order of sums makes of it."""
SEEDS = (0, 1)
"""Of trainings that are tried as one program."""


@dataclass(frozen=True)
class Case:
    """A model as a cell has it.

    source, arguments: which one. lookback, horizon, channels: its sizes. training: how it is trained; None: it is not.
    device: ``cpu`` or ``cuda``.
    """

    source: Source
    arguments: Mapping[str, Any]
    lookback: int
    horizon: int
    channels: int
    training: Training | None
    device: str

    def build(self, seed: int = 0) -> Any:
        """The model, freshly initialised; in closed form, fitted. Raises what its files raise."""
        seed_default(seed, "initialisation")
        sizes = {"lookback": self.lookback, "horizon": self.horizon, "channels": self.channels}
        model: Any = baselines.build(self.source, **sizes, **self.arguments).to(self.device)
        if isinstance(model, ClosedForm):
            windows = [(each.x, each.y) for each in (self.batch(4 * FEW, 0), self.batch(4 * FEW, 1))]
            model.fit(Once(windows), Once(windows))
        return model

    def batch(self, windows: int, seed: int = 0) -> Batch:
        """Windows x [B, L, C] and targets y [B, H, C], of mean 0 and deviation 1, without time features."""
        draw = torch.Generator().manual_seed(seed)
        x = torch.randn(windows, self.lookback, self.channels, generator=draw)
        y = torch.randn(windows, self.horizon, self.channels, generator=draw)
        return Batch(x.to(self.device), y.to(self.device), None)


@dataclass(frozen=True)
class Drawn:
    """A problem of windows that are drawn: as much of `benchmark.problems.base.Problem` as a step needs."""

    case: Case

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return torch.device(self.case.device)

    def micro_batches(self, order: torch.Generator, size: int) -> Sequence[Tensor]:
        """The numbers [n] of a few windows, as one part."""
        return [torch.arange(FEW)]

    def batch(self, part: Tensor) -> Batch:
        """As many windows as the part [n] has."""
        return self.case.batch(len(part))

    def size(self, batch: Batch) -> int:
        """Its windows."""
        return len(batch.y)

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """The model's own training loss []."""
        loss: Tensor = model.training_loss(*batch)
        return loss

    def gradients(self, model: Any, batch: Batch) -> Any:
        """That loss [] and its gradients, where the model has them by itself."""
        return model.gradients(*batch)


def shapes(case: Case) -> str | None:
    """That the forecasts [B, H, C] of several windows and of one alone are not what they are to be, if so."""
    model = case.build().eval()
    for windows in (FEW, 1):
        x = case.batch(windows).x
        with torch.no_grad():
            found = model(x)
        expected = (windows, case.horizon, case.channels)
        if not isinstance(found, Tensor) or found.shape != expected:
            what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            return f"of {counted(windows, 'window')} the forecast is expected to be {expected}, found {what}"
        if found.dtype != x.dtype or found.device != x.device:
            return f"the forecast is {found.dtype} on {found.device}, the windows {x.dtype} on {x.device}"
    return None


def finite(case: Case) -> str | None:
    """That weights, forecast, loss or gradient are no finite numbers at the first step, if so."""
    model = case.build()
    wild = [name for name, weight in model.named_parameters() if not bool(weight.isfinite().all())]
    if wild:
        return f"weights are not finite as they are initialised: {_some(wild)}"
    with torch.no_grad():
        if not bool(model.eval()(case.batch(FEW).x).isfinite().all()):
            return "the forecast of an untrained model is NaN or infinite at once"
    if case.training is None:
        return None
    loss = model.train().training_loss(*case.batch(FEW))
    if loss.dim() != 0 or not bool(loss.isfinite()):
        return f"the training loss is expected to be one finite number, found {loss.detach().tolist()!s:.60}"
    if not loss.requires_grad:
        return (
            "the training loss depends on no parameter that is trained: a model in closed form derives from "
            "baselines.base.ClosedForm and has fit(train, validation)"
        )
    loss.backward()
    wild = [n for n, p in model.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())]
    return f"the gradient is NaN or infinite at once: {_some(wild)}" if wild else None


def own_window(case: Case) -> str | None:
    """As `dependence` says."""
    found = dependence(case.build(), case.batch(2 * FEW).x)
    return found.removeprefix("broken: ") if found else None


def seeds(case: Case) -> str | None:
    """That a seed does not decide what is drawn, if so."""
    once, state = _weights(case.build(1)), torch.get_rng_state()
    again = _weights(case.build(1))
    if any(not torch.equal(once[name], again[name]) for name in once):
        return "the same seed gives other weights the second time: draw from torch's default generator alone"
    other = _weights(case.build(2))
    if torch.equal(torch.get_rng_state(), state):
        return "it ignores its seed: after two seeds torch's generator is in the same state; leave torch.manual_seed out"
    if once and all(torch.equal(once[name], other[name]) for name in once if once[name].numel() > 1):
        constant = all(bool((once[name] == once[name].flatten()[0]).all()) for name in once)
        if not constant:
            return "it ignores its seed: two seeds give the same weights"
    if case.training is not None:
        losses = [_loss(case, seed) for seed in (1, 1)]
        if losses[0] != losses[1]:
            return "the same seed gives another training loss the second time: draw from torch's default generator alone"
    return None


def _loss(case: Case, seed: int) -> float:
    model = case.build(seed).train()
    seed_default(seed, "training")
    return float(model.training_loss(*case.batch(FEW)).detach())


def modes(case: Case) -> str | None:
    """That train and eval mode are not what they are to be, if so."""
    model, batch = case.build(), case.batch(FEW)
    with torch.no_grad():
        first = model.eval()(batch.x)
        if case.training is not None:
            model.train().training_loss(*batch)
            model.load_state_dict(case.build().state_dict())  # running statistics may have moved
        torch.manual_seed(1)
        second = model.eval()(batch.x)
    if not torch.allclose(first, second, rtol=1e-5, atol=1e-6):
        return "in eval mode the forecast of the same windows differs from one call to the next, or after a training step"
    return None


def gradients(case: Case) -> str | None:
    """The parameters that no gradient reaches in some steps, if there are any."""
    if case.training is None:
        return None
    model = case.build().train()
    dead = {name for name, p in model.named_parameters() if p.requires_grad}
    if not dead:
        return "it has no parameter that is trained"
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for seed in range(3):  # a layer that begins at 0 lets nothing through in the first
        optimizer.zero_grad()
        model.training_loss(*case.batch(4 * FEW, seed)).backward()
        dead -= {n for n, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
        optimizer.step()
    return f"no gradient reaches {_some(sorted(dead))}: take such parameters out, or use them" if dead else None


def bfloat16(case: Case) -> str | None:
    """Why it cannot compute in bfloat16, as a recipe with `precision: bfloat16_on_cuda` asks for, if it cannot."""
    model, batch = case.build(), case.batch(FEW)
    with torch.autocast(torch.device(case.device).type, torch.bfloat16):
        loss = model.training_loss(*batch) if case.training is not None else model(batch.x).sum()
    return None if bool(loss.isfinite()) else "its loss is no number in bfloat16"


def fit(case: Case) -> str | None:
    """That it is trained though it has `fit`, if so."""
    if case.training is None or not callable(getattr(getattr(case.build(), "model", None), "fit", None)):
        return None
    return "it has one, which nobody calls: it is trained; a model in closed form derives from baselines.base.ClosedForm"


def replicas(case: Case) -> str | None:
    """Why two trainings of it cannot be one program, if they cannot: they are then trained one by one."""
    if case.training is None:
        return "it is not trained"
    training = one_batch(case.training)
    problem: Any = Drawn(case)
    if why := why_not_stacked(case.build(), training, problem):
        return why
    alone = []
    for seed in SEEDS:
        single = stepper(case, training, seed)
        seed_default(seed, "training")
        steps = Program([single]).step([[case.batch(FEW, seed)]])
        alone.append((steps[0].loss, single.weights.grad))
    both = [stepper(case, training, seed, own_generators(torch.device(case.device), seed, "training")) for seed in SEEDS]
    steps = Stack(both).step([[case.batch(FEW, seed)] for seed in SEEDS])
    for (loss, gradient), step, each in zip(alone, steps, both, strict=True):
        for one, other in ((loss, step.loss), (gradient, each.weights.grad)):
            assert one is not None and other is not None
            if not float((one - other).norm()) <= ALIKE * (float(one.norm()) + 1e-6):
                return "as one program they give other losses or gradients than one by one"
    return None


def one_batch(training: Training) -> Training:
    """The training with one micro-batch a step."""
    return training.model_copy(update={"accumulation": 1, "void_accumulation": False})


def stepper(case: Case, training: Training, seed: int, draws: Sequence[torch.Generator] | None = None) -> Stepper:
    """What moves a new model of that seed. draws: what dropout draws from; None: torch's default generators."""
    problem: Any = Drawn(case)
    made = Stepper(case.build(seed).train(), training, problem, draws)
    made.set_pace(training.learning_rate, training.betas[0], 0)
    return made


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def _some(names: Sequence[str]) -> str:
    shown = [name.removeprefix("model.") for name in names[:3]]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


T = TypeVar("T")
Check = Callable[[Case], str | None]
CHECKS: Mapping[str, Check] = {
    "shapes": shapes, "finite": finite, "own window alone": own_window, "seed": seeds, "train and eval mode": modes,
    "gradients": gradients,
}  # fmt: skip
"""By what is checked; each has a sentence for what is broken, or None. The first has to hold for the others to be tried."""
NOTED: Mapping[str, Check] = {"bfloat16": bfloat16, "several as one program": replicas, "fit": fit}
"""The same of what a model may leave."""


def told(check: Callable[[Case], T], case: Case) -> T | str:
    """What a check says, or finds; what it raises counts as broken, in one line."""
    try:
        return check(case)
    except (Exception, SystemExit) as error:
        return said(error)


def said(error: BaseException) -> str:
    """An error of the user's code in one line, with the place in their file, if that is known."""
    words, where, room = " ".join(str(error).split())[:300], "", ""
    trace = error.__traceback__
    while trace is not None:
        room = str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
        if room not in ("benchmark", "baselines", "torch"):
            where = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{words}{where}" if room == "baselines" else f"{type(error).__name__}: {words}{where}"
