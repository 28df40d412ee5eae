"""Our models against the numbers that the authors' released implementations gave (`tests/golden/`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.cats import CATS, roughness
from baselines.optimizers import SAM
from baselines.released import load_released, released_gradients, released_optimizer, unused_parameters

GOLDEN = Path(__file__).parents[1] / "golden"
ELSEWHERE = ("sam_variants", "samovar_var_weights", "hessian", "landscape")
FILES = sorted(path.name for path in GOLDEN.glob("*.npz") if not path.name.startswith(ELSEWHERE))
"""Those of models; those of SAM's kin are in test_kin.py, of probes in test_var_weights.py,
test_curvature.py and test_landscape.py."""
TOLERANCE = 1e-5

UNUSED = {
    "samovar": ["transformer.pns.0.weight", "transformer.pns.1.weight"],
    "fixedvar": ["transformer.pns.0.weight", "transformer.pns.1.weight"],
    "lintrans": ["transformer.layer_attn.bias", "transformer.layer_attn.weight"],
    "cats": ["channel_b", "channel_w"],
}

Arrays = dict[str, Any]


@pytest.fixture(params=FILES)
def arrays(request: pytest.FixtureRequest) -> Arrays:
    with np.load(GOLDEN / request.param) as file:
        return dict(file)


def relative(ours: Any, released: Any) -> float:
    """Largest difference, in units of the largest released number."""
    ours, released = np.asarray(ours), np.asarray(released)
    assert ours.shape == released.shape
    return float(np.abs(ours - released).max() / np.abs(released).max())


def name_of(arrays: Arrays) -> str:
    return str(json.loads(arrays["config"].item())["model"])


def batch(arrays: Arrays) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    x, y, marks = (torch.from_numpy(arrays[key]) if key in arrays else None for key in ("x", "y", "marks"))
    assert x is not None and y is not None
    return x, y, marks


@torch.no_grad()
def forecast(model: torch.nn.Module, arrays: Arrays) -> Any:
    x, _, marks = batch(arrays)
    return model.eval()(x, marks).numpy()


def test_the_files_are_here() -> None:
    assert len(FILES) == 22


def test_output_and_size(arrays: Arrays) -> None:
    model = load_released(arrays)
    assert not model.training
    assert all(p.dtype == torch.float32 for p in model.parameters())
    unused = unused_parameters(model)
    assert sum(p.numel() for p in model.parameters()) + sum(unused.values()) == int(arrays["n_params"])
    assert sorted(unused) == UNUSED.get(name_of(arrays), [])
    assert relative(forecast(model, arrays), arrays["eval_output"]) < TOLERANCE


def test_loss_and_gradients(arrays: Arrays) -> None:
    model = load_released(arrays).train()
    loss = model.training_loss(*batch(arrays))
    loss.backward()
    assert relative(loss.item(), arrays["train_loss"]) < TOLERANCE
    released = {key.removeprefix("grad/"): arrays[key] for key in arrays if key.startswith("grad/")}
    ours = released_gradients(model)
    assert ours.keys() == released.keys()
    # Some gradients are zero but for rounding (the keys' bias), so the whole gradient is the yardstick.
    norm = np.sqrt(sum(float((g**2).sum()) for g in released.values()))
    for name, gradient in released.items():
        assert ours[name].shape == gradient.shape
        assert np.linalg.norm(ours[name] - gradient) < TOLERANCE * norm, name


@torch.no_grad()
def test_the_continuity_that_cats_loss_adds() -> None:
    with np.load(GOLDEN / "cats.npz") as file:
        arrays = dict(file)
    model = load_released(arrays).train()
    assert isinstance(model, CATS) and model.continuity_beta == 1.0
    x, y, _ = batch(arrays)
    forecast, series = model._forecast(x)
    assert relative(roughness(series), arrays["continuity_loss"]) < TOLERANCE
    alone = arrays["train_loss"] - arrays["continuity_loss"]
    assert relative((forecast - y).square().mean(), alone) < TOLERANCE


@pytest.mark.parametrize("by_hand", [False, True], ids=["step(closure)", "by hand"])
def test_five_steps(arrays: Arrays, by_hand: bool) -> None:
    model = load_released(arrays).train()
    losses = five_steps(model, arrays, by_hand)
    assert relative(losses, arrays["step_losses"]) < TOLERANCE
    if name_of(arrays) != "patchtst":  # of which the next test speaks
        assert relative(forecast(model, arrays), arrays["output_after_steps"]) < TOLERANCE


def five_steps(model: torch.nn.Module, arrays: Arrays, by_hand: bool = False) -> list[float]:
    """The losses before each step, with as many forward passes (they move running statistics) as released."""
    optimizer = released_optimizer(model, arrays["config"])
    x, y, marks = (None if t is None else t.to(next(model.parameters())) for t in batch(arrays))
    with torch.no_grad():
        if name_of(arrays) == "patchtst":
            model(x, marks)
    losses = []
    for step_x in torch.from_numpy(arrays["step_x"]).to(x):

        def closure(step_x: torch.Tensor = step_x) -> torch.Tensor:
            optimizer.zero_grad()
            loss: torch.Tensor = model.training_loss(step_x, y, marks)
            loss.backward()
            return loss

        if name_of(arrays) == "tsmixer":
            with torch.no_grad():
                model(step_x), model(step_x)
        if not by_hand:
            losses.append(float(optimizer.step(closure).detach()))
            continue
        losses.append(float(closure().detach()))
        if isinstance(optimizer, SAM):
            optimizer.ascend()
            closure()
            optimizer.restore()
            optimizer.base.step()
        else:
            optimizer.step()
    return losses


def test_patchtst_after_five_steps() -> None:
    """Up to biases before a batch norm, whose gradients are rounding alone: Adam makes steps of any such sign.

    The released output contains that noise of its machine, 0.3 % of it. In training the norm takes a bias out, in
    eval mode its running mean lags behind. So the output has to be met with those biases alone free: 128 numbers,
    none of them further from ours than five steps reach, against 672.
    """
    with np.load(GOLDEN / "patchtst.npz") as file:
        arrays = dict(file)
    model = load_released(arrays).train().double()
    five_steps(model, arrays)
    model.eval()
    x = torch.from_numpy(arrays["x"]).double()
    released = torch.from_numpy(arrays["output_after_steps"]).double()
    biases = {n: p for n, p in model.named_parameters() if n.endswith(("attention.output.bias", "down.bias"))}
    start = {name: p.detach().clone() for name, p in biases.items()}
    assert 1e-3 < relative(forecast(model, {"x": x.numpy(), "y": released.numpy()}), released) < 1e-2

    def output(flat: torch.Tensor) -> torch.Tensor:
        shifts = dict(zip(start, flat.split(32), strict=True))
        return torch.func.functional_call(model, {n: start[n] + shifts[n] for n in start}, (x,)).flatten()

    shift = torch.zeros(32 * len(start), dtype=torch.float64)
    for _ in range(2):  # Gauss–Newton
        jacobian = torch.func.jacfwd(output)(shift)  # [672, 128]
        shift = shift + torch.linalg.lstsq(jacobian, released.flatten() - output(shift).detach()).solution
    assert relative(output(shift).detach(), released.flatten()) < TOLERANCE
    assert shift.abs().max() < 2 * 5 * 1e-3


def test_config_may_be_text_or_a_mapping(arrays: Arrays) -> None:
    text = arrays["config"].item()
    for config in (text, json.loads(text)):
        model = load_released(arrays | {"config": config})
        assert relative(forecast(model, arrays), arrays["eval_output"]) < TOLERANCE
        released_optimizer(model, config)


def test_what_does_not_fit_is_refused() -> None:
    for file in ("samformer_adam.npz", "samformer_tf_adam.npz"):
        with np.load(GOLDEN / file) as opened:
            refused(dict(opened))


def refused(arrays: Arrays) -> None:
    name = next(key for key in arrays if key.endswith(("queries.weight", "query/kernel")))
    less = {key: value for key, value in arrays.items() if key != name}
    with pytest.raises(ValueError, match=r"nothing for samformer's query\.weight"):
        load_released(less)
    with pytest.raises(ValueError, match="no place for the released parameter 'more'"):
        load_released(arrays | {"param/more": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match="has shape"):
        load_released(arrays | {name: np.ascontiguousarray(np.moveaxis(arrays[name], 0, -1))})
    config = json.loads(arrays["config"].item())
    with pytest.raises(ValueError, match="no released model 'samfromer'"):
        load_released(arrays | {"config": config | {"model": "samfromer"}})
    with pytest.raises(ValueError, match="no released optimizer 'Lion'"):
        released_optimizer(load_released(arrays), config | {"optimizer": "Lion"})
    with pytest.raises(ValueError, match="only a model from load_released"):
        released_gradients(torch.nn.Linear(1, 1))
