"""What a CUDA device records and replays, with a tape on the CPU: the same step, and recording moves nothing."""

from __future__ import annotations

import gc
import traceback
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import pytest
import test_replicas
import torch
from frozen.test_weights import SMALL
from tape import Tape, as_on_a_device
from test_replicas import replica, spoilt, state, trained, windows
from test_step import problem, training
from torch import Tensor, nn

from baselines.classifier import Classifier
from benchmark.problems.images import Images, Pictures
from benchmark.training import device, step
from benchmark.training.loop import Ran, Replica, fit
from benchmark.training.recorded import graphs, matrix
from benchmark.training.recorded.graphs import Recorded
from benchmark.training.recorded.matrix import Matrix
from benchmark.training.streams import seed_default


class StandIn:
    """Replays by doing it again. fails: what recording raises. stale: from which replay on nothing is done."""

    def __init__(self, fails: Exception | None = None, stale: int | None = None) -> None:
        self.fails, self.stale, self.records, self.replays = fails, stale, 0, 0

    def record(self, computation: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        self.records += 1
        if self.fails is not None:
            computation()
            raise self.fails

        def replay() -> None:
            self.replays += 1
            if self.stale is None or self.replays < self.stale:
                computation()

        return replay


class Walk:
    """A total [S] to which inputs [S] and random numbers are added."""

    def __init__(self, recorder: StandIn) -> None:
        self.total, self.draws, self.said = torch.zeros(2), torch.Generator().manual_seed(1), list[str]()
        self.recorded = Recorded("the walk", self.take, [self.total], [self.draws], recorder, self.said.append)

    def take(self, inputs: Sequence[Tensor]) -> None:
        self.total += inputs[0].sum(dim=1) + torch.randn(2, generator=self.draws)


def at_the_end(why: str) -> RuntimeError:
    """What ending a recording raises after something went wrong in it."""
    error = RuntimeError("operation failed due to a previous error during capture")
    error.__context__ = ValueError(why)
    return error


def walked(recorder: StandIn) -> Walk:
    walk = Walk(recorder)
    for width in (3, 3, 2, 3, 2):
        walk.recorded([torch.full((2, width), float(width))])
    return walk


def plainly() -> Tensor:
    walk = Walk(StandIn())
    for width in (3, 3, 2, 3, 2):
        walk.take([torch.full((2, width), float(width))])
    return walk.total


def test_a_recording_a_form_and_warming_up_moves_nothing() -> None:
    recorder = StandIn()
    walk = walked(recorder)
    assert torch.equal(walk.total, plainly()) and walk.recorded.replays and not walk.said
    assert (recorder.records, recorder.replays) == (2, 5)


def test_what_is_no_tensor_belongs_to_the_form() -> None:
    """Cut in another way, the same tensor is another computation."""
    total, recorder = torch.zeros(1), Tape()

    def take(inputs: Sequence[Any]) -> None:
        first, _ = inputs[0].split(inputs[1], dim=1)
        total.add_(first.sum())

    recorded = Recorded("the first", take, [total], [], recorder, lambda line: None)
    for sizes in ((1, 2), (2, 1), (1, 2)):
        recorded([torch.ones(1, 3), sizes])
    assert float(total) == 1 + 2 + 1 and (recorder.records, recorder.replays) == (2, 3)


@pytest.mark.parametrize(
    ("recorder", "said"),
    [
        (
            StandIn(RuntimeError("not permitted\nwhen capturing")),
            "it cannot be recorded (not permitted)",
        ),
        (StandIn(at_the_end("of a look at a number")), "it cannot be recorded (of a look at a number)"),
        (StandIn(stale=1), "its first replay is off by"),
    ],
)
def test_what_cannot_be_recorded_or_replays_otherwise_is_called_and_said_once(recorder: StandIn, said: str) -> None:
    walk = walked(recorder)
    assert torch.equal(walk.total, plainly()) and recorder.records == 1 and not walk.recorded.replays
    assert len(walk.said) == 1 and walk.said[0].startswith(f"no CUDA graph of the walk: {said}")
    assert walk.said[0].endswith("; it runs kernel by kernel")


class Sum:
    """A total [2] to which inputs [2, n] are added, and its recorder: a replay adds what recording it added."""

    def __init__(self) -> None:
        self.total, self.said, self.fails = torch.zeros(2), list[str](), False
        self.recorded = Recorded("the sum", self.take, [self.total], [], self, self.said.append)

    def take(self, inputs: Sequence[Tensor]) -> None:
        if self.fails:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.total += inputs[0].sum(dim=1)

    def record(self, computation: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        before = self.total.clone()
        computation()
        added = self.total - before

        def replay() -> None:
            self.total += added

        return replay


def test_a_replay_with_other_inputs_is_held_against_a_run_too() -> None:
    """The first cannot tell what a recording has for good."""
    its = Sum()
    for value in (1.0, 2.0, 3.0):
        its.recorded([torch.full((2, 3), value)])
    assert its.total.tolist() == [18.0, 18.0] and not its.recorded.replays
    assert len(its.said) == 1 and "its second replay is off by" in its.said[0]


@pytest.mark.parametrize("where", ["copying", "running", "comparing"])
def test_where_a_run_beside_it_finds_no_memory_it_is_replayed(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*given: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    its = Sum()
    its.recorded([torch.ones(2, 3)])
    its.fails = where == "running"
    if where == "copying":
        monkeypatch.setattr(its.recorded, "_kept", none_left)
    elif where == "comparing":
        monkeypatch.setattr(graphs, "_most_off", none_left)
    its.recorded([torch.ones(2, 3)])
    assert its.total.tolist() == [6.0, 6.0] and its.recorded.replays and not its.said


def test_a_recording_that_goes_wrong_later_ends_what_was_trained_with_it() -> None:
    """The eighth replay is held against a run, and finds what the fifth began."""
    walk = Walk(StandIn(stale=5))
    for _ in range(7):
        walk.recorded([torch.ones(2, 3)])
    with pytest.raises(RuntimeError, match=r"replay 8 of the walk is off by .* since replay 4: .* by --replicas 1"):
        walk.recorded([torch.ones(2, 3)])


def test_memory_that_runs_out_is_no_reason_to_do_without() -> None:
    walk = Walk(StandIn(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        walk.recorded([torch.ones(2, 3)])
    assert torch.equal(walk.total, torch.zeros(2)) and not walk.said


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Tape:
    """Steps are recorded, as on a CUDA device."""
    as_on_a_device(monkeypatch.setattr, tape := Tape())
    return tape


def not_recorded(replicas: Sequence[Replica], dtype: torch.dtype = torch.float64) -> Sequence[Replica]:
    """The same trainings as one program, as on a CUDA device, but for the recording."""
    with pytest.MonkeyPatch.context() as patch:
        as_on_a_device(patch.setattr, None)
        return trained(replicas, stacked=True, dtype=dtype)


@pytest.mark.parametrize("name", SMALL)
def test_every_models_step_is_the_same_when_it_is_replayed(name: str, recorder: Tape) -> None:
    make = [partial(replica, name, seed, rho=0.05, batch_size=8, accumulation=2) for seed in range(2)]  # 8 + 8, and 5
    together = trained([one() for one in make], stacked=True)
    for one, other in zip(together, not_recorded([one() for one in make]), strict=True):
        torch.testing.assert_close(state(one), state(other), rtol=1e-9, atol=1e-9)
        assert one.ran == Ran(2, graphs=True) and other.ran == Ran(2, graphs=False)
        for found, expected in zip(one.progress.epochs, other.progress.epochs, strict=True):
            assert found["val_mse"] == pytest.approx(expected["val_mse"], rel=1e-9)
            assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-6)
    assert (recorder.records, recorder.replays) == (3, 2 * (2 + 1)), "two steps an epoch, of two forms, and validation"


@pytest.mark.parametrize("name", ["samovar", "cats"])
def test_a_step_in_bfloat16_is_recorded_too(name: str, recorder: Tape) -> None:
    """And is another than in float32."""

    def weights(**values: Any) -> Tensor:
        there = [replica(name, seed, torch.float32, rho=0.05, batch_size=8, accumulation=2, **values) for seed in range(2)]
        setting = there[0].training
        fit(there, problem(*(windows(n, torch.float32) for n in (21, 14)), setting=setting), stacked=True, say=said.append)
        assert all(one.ran is not None and one.ran.replicas == 2 for one in there), said
        return torch.stack([state(one) for one in there])

    said = list[str]()
    recorded = weights(precision="bfloat16_on_cuda")
    assert recorder.replays and not said
    with pytest.MonkeyPatch.context() as patch:
        as_on_a_device(patch.setattr, None)
        torch.testing.assert_close(recorded, weights(precision="bfloat16_on_cuda"), rtol=1e-3, atol=1e-4)
        assert float((recorded - weights()).abs().max()) > 1e-3


STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "SAM, clipped, restarts": ("samformer", {"schedule": "cosine_restarts", "restart_period": 2}),
    "running statistics": ("tsmixer", {}),
    "dropout, Keras' Adam": ("patchtst", {"optimizer": "keras_adam", "weight_decay": 0.0, "clip_norm": None}),
    "Adam's decay, one cycle": ("samovar", {"optimizer": "adam", "schedule": "one_cycle", "cycled_beta1": (0.95, 0.85)}),
    "void accumulation": ("patchtst", {"void_accumulation": True, "batch_size": 2, "clip_norm": None}),
    "clipped a micro-batch at a time": ("dlinear", {"clip_before_unscale": True, "clip_norm": 0.05}),
    "the second pass's loss": ("patchtst", {"second_pass_loss": True}),
    "no SAM": ("itransformer", {"rho": None}),
}


@pytest.mark.parametrize("case", STEPS)
def test_what_recipes_do_otherwise_is_recorded(case: str, recorder: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "LOSS_SCALE_STEPS", 1)
    name, values = STEPS[case]
    more = {"epochs": 3, "patience": None}
    make = [partial(replica, name, seed, **({"rho": 0.05 * (seed + 1)} | more | values)) for seed in range(2)]
    together = trained([one() for one in make], stacked=True)
    for one, other in zip(together, not_recorded([one() for one in make]), strict=True):
        torch.testing.assert_close(state(one), state(other), rtol=1e-9, atol=1e-9)
        assert one.ran == Ran(2, graphs=True) and other.ran == Ran(2, graphs=False)
        found, expected = one.progress.epochs[-1], other.progress.epochs[-1]
        assert found["val_mse"] == pytest.approx(expected["val_mse"], rel=1e-9) and found["lr"] == expected["lr"]
        assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-5)
        assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-6)
    forms = 3 if "void" in case else 2  # of steps: whole ones, those with an incomplete last batch
    assert recorder.records == forms + 1, "and validation"


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_torchs_optimizer_takes_the_steps_where_it_can(
    optimizer: str, recorder: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, which its learning rate is: the same steps, decay and schedule too."""
    kernel, rates = getattr(torch, f"_fused_{optimizer}_"), list[Any]()
    monkeypatch.setattr(torch, f"_fused_{optimizer}_", lambda *a, lr, **k: rates.append(lr) or kernel(*a, lr=lr, **k))
    single = {
        "dtype": torch.float32,
        "optimizer": optimizer,
        "schedule": "halved_every_epoch",
        "learning_rate": 1e-3,
        "epochs": 3,
    }
    make = [partial(replica, "itransformer", seed, rho=0.05, **single) for seed in range(3)]
    together = trained([one() for one in make], stacked=True, dtype=torch.float32)
    assert rates and all(isinstance(each, Tensor) for each in rates)
    for one, alone in zip(together, trained([one() for one in make], stacked=False, dtype=torch.float32), strict=True):
        torch.testing.assert_close(state(one), state(alone), rtol=1e-4, atol=1e-6)


def test_what_the_steps_of_an_epoch_take_goes_over_at_once(recorder: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tensors for all whole steps, two for the incomplete last one: a copy a step costs as much as a kernel."""
    sent, shapes = matrix._sent, list[tuple[int, ...]]()
    monkeypatch.setattr(matrix, "_sent", lambda t, device: shapes.append(tuple(t.shape)) or sent(t, device))
    there = [replica("samformer", seed, batch_size=4, accumulation=2, epochs=1, rho=0.05) for seed in range(3)]
    trained(there, stacked=True)  # 21 windows: two steps of 4 + 4, and one of 4 + 1
    assert shapes == [(2, 11 + 4 * 3), (2 * 3 * 8,), (1, 11 + 4 * 3), (3 * 5,)]


def test_what_has_ended_stays_as_a_row_until_half_have(recorder: Tape) -> None:
    """And no training is moved by that, to the last bit."""
    make = partial(replica, "patchtst", dtype=torch.float32, rho=0.05, batch_size=8, epochs=4, patience=None)
    alone = state(trained([make(0)], stacked=True, dtype=torch.float32)[0])
    recorder.records = 0
    together = [make(0), make(1), spoilt("stopped", make(2)), spoilt("diverging", make(3))]
    kept = {}
    for one in together:
        one.on_end = lambda ended: kept.update({ended.seed: state(ended)})
    trained(together, stacked=True, dtype=torch.float32)
    assert torch.equal(state(together[0]), alone)
    assert recorder.records == 2 * 2, "step and validation, once of four, and once of the two that are left"
    assert all(torch.equal(kept[one.seed], state(one)) for one in together[:3]), "what has ended moves no more"


def test_targets_that_are_missing(recorder: Tape) -> None:
    train = windows(21, torch.float64)
    series = train.series[-1:].clone()
    series[:, 50:53] = torch.nan
    given = problem(replace(train, targets=series), windows(14, torch.float64))
    make = [partial(replica, "itransformer", seed, rho=0.05) for seed in range(2)]
    together, singly = [one() for one in make], [one() for one in make]
    fit(together, given, stacked=True)
    fit(singly, given)
    for one, other in zip(together, singly, strict=True):
        torch.testing.assert_close(state(one), state(other), rtol=1e-9, atol=1e-9)
        assert one.ran == Ran(2, graphs=True)


class Pixels(Classifier):
    """A linear map of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3 * 32 * 32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x.flatten(1))


def test_a_single_image_that_joined_the_batch_before_it(recorder: Tape) -> None:
    """Batches of 4 and 5 images, where the recipe has 4."""
    random = torch.Generator().manual_seed(2)
    pixels = torch.randint(0, 255, (9, 40, 40, 3), dtype=torch.uint8, generator=random)
    pictures = Pictures(pixels, torch.arange(9), torch.full((3,), 0.5), torch.full((3,), 0.25))
    given = Images(pictures, pictures, training(), augmented=True)

    def weights(stacked: bool) -> Tensor:
        there = list[Replica]()
        for seed in range(2):
            seed_default(seed, "initialisation")
            values = {"batch_size": 4, "accumulation": 2, "epochs": 3, "learning_rate": 1e-4}
            there.append(Replica(Pixels(), training(**values), seed))
        fit(there, given, stacked=stacked)
        assert all(one.failed is None for one in there)
        return torch.stack([state(one) for one in there])

    torch.testing.assert_close(weights(True), weights(False), rtol=1e-4, atol=1e-6)
    assert recorder.replays == 3 + 3


@pytest.fixture
def programs(recorder: Tape, monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Matrix]]:
    """Those that are made, each when those before it are gone."""
    made, begin = list[weakref.ref[Matrix]](), Matrix.__init__

    def noted(self: Matrix, *given: Any) -> None:
        assert all(each() is None for each in made)
        made.append(weakref.ref(self))
        begin(self, *given)

    monkeypatch.setattr(Matrix, "__init__", noted)
    return made


def test_a_program_goes_before_the_next_is_made(programs: list[weakref.ref[Matrix]]) -> None:
    """Though trainings that failed in it stay, and what is recorded refers to itself: its memory is a device's."""
    make = partial(replica, "dlinear", epochs=3, patience=None)
    together = trained([make(0), spoilt("stopped", make(1)), spoilt("diverging", make(2))], stacked=True)
    assert len(programs) >= 2 and [one.failed is None for one in together] == [True, False, False]
    gc.collect()
    assert all(each() is None for each in programs)


def test_a_program_without_memory_goes(programs: list[weakref.ref[Matrix]], monkeypatch: pytest.MonkeyPatch) -> None:
    """While its training, which failed for that, is kept with what went wrong, and where."""

    def short_of_memory(*given: Any) -> None:
        try:
            raise RuntimeError("something before")
        except RuntimeError:
            raise torch.OutOfMemoryError("CUDA out of memory") from None

    monkeypatch.setattr(Tape, "record", short_of_memory)
    (one,) = trained([replica("dlinear", 0)], stacked=True)
    gc.collect()
    assert programs[0]() is None and isinstance(one.failed, torch.OutOfMemoryError)
    assert any(each.name == "short_of_memory" for each in traceback.extract_tb(one.failed.__traceback__))


def test_what_cannot_be_recorded_is_said_once_for_all_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    as_on_a_device(monkeypatch.setattr, StandIn(RuntimeError("not permitted")))
    make, said = partial(replica, "dlinear", epochs=3, patience=None), list[str]()
    there = [make(0), spoilt("stopped", make(1))]
    fit(there, problem(windows(21, torch.float64), windows(14, torch.float64)), stacked=True, say=said.append)
    assert len(said) == len(set(said)) == 2 and all("no CUDA graph of" in line for line in said)


class Fake:
    """Of CUDA what a recording touches: a generator that has a state, a graph, a stream."""

    def __init__(self) -> None:
        self.state, self.put = "begin", list[object]()

    def clone_state(self) -> str:
        return self.state

    def graphsafe_set_state(self, state: str) -> None:
        self.put.append(state)

    def register_generator_state(self, generator: Fake) -> None:
        generator.state = "recording"

    def replay(self) -> None:
        pass


def faked(monkeypatch: pytest.MonkeyPatch, stream: object, default: object, **more: object) -> list[object]:
    """A CUDA device whose current stream and default generator are these; on which stream something was recorded, with
    which pool, and which pools were given back."""
    recorded = list[object]()

    def graph(of: object, *, pool: int, stream: object, capture_error_mode: str) -> AbstractContextManager[None]:
        recorded.append((stream, pool))
        return nullcontext()

    pools = count()
    there = {"graph_pool_handle": lambda: next(pools), "CUDAGraph": Fake, "current_stream": lambda: stream, "graph": graph,
             "default_generators": [default], "synchronize": lambda: None, "current_device": lambda: 0,
             "set_stream": lambda stream: None}  # fmt: skip
    for name, value in (there | more).items():
        monkeypatch.setattr(torch.cuda, name, value)
    # A torch without CUDA has no such functions, one with CUDA knows no such pools.
    for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
        noted = partial(lambda name, device, pool: recorded.append((name, pool)), name)
        monkeypatch.setattr(torch._C, name, noted, raising=False)
    return recorded


def test_a_graph_is_recorded_where_it_is_replayed_and_stays_as_long_as_its_recorder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else two lanes' graphs would have one cuBLAS workspace, and a graph that goes would take it from the others."""
    recorded, made = faked(monkeypatch, "lane 1", Fake()), list[weakref.ref[Fake]]()

    def graph() -> Fake:
        made.append(weakref.ref(there := Fake()))
        return there

    def fails() -> None:
        raise RuntimeError("not permitted")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    recording = graphs.CudaRecorder()
    recording.record(lambda: None, [])
    with pytest.raises(RuntimeError):
        recording.record(fails, [])
    recording.record(lambda: None, [])
    gc.collect()
    pools = [("lane 1", 0), ("lane 1", 0), ("_cuda_endAllocateToPool", 0), ("_cuda_releasePool", 0), ("lane 1", 1)]
    assert recorded == pools, "torch lets nothing be recorded with the pool of what failed"
    assert all(each() is not None for each in made) and len(made) == 3
    del recording
    gc.collect()
    assert all(each() is None for each in made)


@pytest.mark.parametrize("fails", [True, False])
def test_a_recording_that_fails_leaves_streams_and_generators(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    own, default, graph, stream = Fake(), Fake(), Fake(), Fake()
    faked(monkeypatch, stream, default, CUDAGraph=lambda: graph, set_stream=stream.put.append)

    def computation() -> None:
        if fails:
            raise RuntimeError("not permitted")

    recording = graphs.CudaRecorder()
    if fails:
        with pytest.raises(RuntimeError, match="not permitted"):
            recording.record(computation, [own])  # type: ignore[list-item]
    else:
        assert recording.record(computation, [own]) == graph.replay  # type: ignore[list-item]
    assert own.put == default.put == (["begin"] if fails else []) and stream.put == ([stream] if fails else [])
    assert gc.isenabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: nothing is recorded")
def test_what_cannot_be_recorded_on_a_device_leaves_it_as_it_was() -> None:
    with device.lane("cuda", 0):
        total, said = torch.zeros(2, device="cuda"), list[str]()

        def looks(inputs: Sequence[Tensor]) -> None:
            total.add_(float(inputs[0].sum()))  # read back

        ones, recorder = torch.ones(2, 3, device="cuda"), graphs.CudaRecorder()
        recorded = Recorded("the look", looks, [total], [], recorder, said.append)
        recorded([ones])
        assert total.tolist() == [6.0, 6.0] and len(said) == 1 and not recorded.replays
        device.free()
        other = Recorded("the sum", lambda x: total.add_(x[0].sum()), [total], [], recorder, said.append)
        other([ones])
        assert total.tolist() == [12.0, 12.0] and other.replays, said


ON_DEVICE: dict[str, tuple[str, torch.dtype, float, dict[str, Any]]] = {
    **{name: (model, torch.float64, 1e-7, values) for name, (model, values) in STEPS.items()},
    "float32, torch's Adam": ("itransformer", torch.float32, 1e-3, {"optimizer": "adam", "schedule": "halved_every_epoch"}),
    "float32, torch's AdamW": ("samovar", torch.float32, 1e-3, {"schedule": "halved_every_epoch"}),
    "float32, dropout and batch norm": ("patchtst", torch.float32, 1e-3, {"schedule": "halved_every_epoch"}),
}
"""Model, kind of number, how near, recipe."""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the graphs themselves are not run")
@pytest.mark.parametrize("case", ON_DEVICE)
def test_graphs_on_a_device(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the same step called kernel by kernel: a rate that a recording has for good would be seen."""
    name, kind, near, values = ON_DEVICE[case]
    said: list[str] = []

    def on_device() -> list[Replica]:
        there = [replica(name, seed, kind, **({"rho": 0.05, "epochs": 3} | values)) for seed in range(3)]
        for one in there:
            one.model.to("cuda")
        train, validation = (test_replicas.on(windows(n, kind), "cuda") for n in (21, 14))
        with device.lane("cuda", 0):
            fit(there, problem(train, validation), stacked=True, say=said.append)
            torch.cuda.synchronize()
        return there

    replayed = on_device()
    monkeypatch.setattr(graphs, "recorder", lambda device: StandIn())
    for one, other in zip(replayed, on_device(), strict=True):
        torch.testing.assert_close(state(one), state(other), rtol=near, atol=near)
        assert one.ran == Ran(3, graphs=True), said
