"""Our models against the numbers that the authors' released implementations gave (`tests/golden/`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.optimizers import SAM
from baselines.released import load_released, released_gradients, released_optimizer

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = sorted(path.name for path in GOLDEN.glob("samformer_*.npz"))
TOLERANCE = 1e-5

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


def batch(arrays: Arrays) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])


@torch.no_grad()
def forecast(model: torch.nn.Module, x: torch.Tensor) -> Any:
    return model.eval()(x).numpy()


def test_the_files_are_here() -> None:
    assert len(FILES) == 6


def test_output_and_size(arrays: Arrays) -> None:
    model = load_released(arrays)
    assert not model.training
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == int(arrays["n_params"])
    assert relative(forecast(model, batch(arrays)[0]), arrays["eval_output"]) < TOLERANCE


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


@pytest.mark.parametrize("by_hand", [False, True], ids=["step(closure)", "by hand"])
def test_five_steps(arrays: Arrays, by_hand: bool) -> None:
    model = load_released(arrays).train()
    optimizer = released_optimizer(model, arrays["config"])
    x, y = batch(arrays)
    losses = []
    for step_x in torch.from_numpy(arrays["step_x"]):

        def closure(step_x: torch.Tensor = step_x) -> torch.Tensor:
            optimizer.zero_grad()
            loss: torch.Tensor = model.training_loss(step_x, y)
            loss.backward()
            return loss

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
    assert relative(losses, arrays["step_losses"]) < TOLERANCE
    assert relative(forecast(model, x), arrays["output_after_steps"]) < TOLERANCE


def test_config_may_be_text_or_a_mapping(arrays: Arrays) -> None:
    text = arrays["config"].item()
    for config in (text, json.loads(text)):
        model = load_released(arrays | {"config": config})
        assert relative(forecast(model, batch(arrays)[0]), arrays["eval_output"]) < TOLERANCE
        released_optimizer(model, config)


def test_what_does_not_fit_is_refused(arrays: Arrays) -> None:
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
