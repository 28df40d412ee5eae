"""VGG against the numbers that the authors' released implementation gave, and what moves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recipes import made_up

import baselines
from baselines.optimizers import SAM
from baselines.released import load_released, released_gradients, released_optimizer
from benchmark.config.recipe import Training
from benchmark.problems.images import Batch, Images, Pictures
from benchmark.training.step import Program, Stepper

FILE = Path(__file__).parents[1] / "golden/images/vgg.npz"
TOLERANCE = 1e-5
SIZES = {"channels": 3, "size": 32, "classes": 10}


@pytest.fixture
def arrays() -> dict[str, Any]:
    with np.load(FILE) as file:
        return dict(file)


def relative(ours: Any, released: Any) -> float:
    """Largest difference, in units of the largest released number."""
    ours, released = np.asarray(ours), np.asarray(released)
    assert ours.shape == released.shape
    return float(np.abs(ours - released).max() / np.abs(released).max())


def test_output_loss_and_gradient(arrays: dict[str, Any]) -> None:
    model: Any = load_released(arrays)
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    assert sum(p.numel() for p in model.parameters()) == int(arrays["n_params"])
    for seen in (x, x.contiguous(memory_format=torch.channels_last)):
        assert relative(model(seen).detach(), arrays["eval_output"]) < TOLERANCE
    loss = model.train().training_loss(x.contiguous(memory_format=torch.channels_last), y)
    loss.backward()
    assert relative(loss.detach(), arrays["train_loss"]) < TOLERANCE
    ours = released_gradients(model)
    whole = np.sqrt(sum(np.square(arrays[f"grad/{name}"]).sum() for name in ours))
    for name, gradient in ours.items():
        assert np.abs(gradient - arrays[f"grad/{name}"]).max() / whole < TOLERANCE, name


def trained(config: dict[str, Any], model: Any, twice: bool = True) -> Stepper:
    """What our loop moves it with, for a variant of the golden file; twice: whether statistics move twice a step."""
    name = config["optimizer"].lower()
    values = {"optimizer": name, "learning_rate": config["lr"], "weight_decay": config["weight_decay"]}
    values |= {"momentum": config["momentum"]} if name == "sgd" else {}
    recipe = made_up("vgg", rho=config.get("rho"), **values, statistics_twice=twice)
    assert isinstance(recipe.training, Training)
    none = torch.zeros(0, dtype=torch.int64)
    nothing = Pictures(torch.zeros(0, 40, 40, 3, dtype=torch.uint8), none, torch.ones(3), torch.zeros(3))
    return Stepper(model.train(), recipe.training, Images(nothing, nothing, recipe.setting))


def five_steps(arrays: dict[str, Any], variant: str, ours: bool, twice: bool = True) -> tuple[Any, torch.Tensor]:
    """The model after them, and their losses [5]."""
    config = json.loads(arrays["config"].item())
    model: Any = load_released(arrays)
    y, losses = torch.from_numpy(arrays["y"]), []
    stepper = trained(config["variants"][variant], model, twice) if ours else None
    optimizer = released_optimizer(model.train(), config | {"variant": variant}) if not ours else None
    if isinstance(optimizer, SAM) and not twice:
        optimizer.model = model
    for x in torch.from_numpy(arrays["step_x"]):

        def closure(x: torch.Tensor = x) -> torch.Tensor:
            model.zero_grad()
            loss: torch.Tensor = model.training_loss(x, y)
            loss.backward()
            return loss

        if stepper is not None:
            losses.append(Program([stepper]).step([[Batch(x, y)]])[0].loss)
        else:
            assert optimizer is not None
            with torch.enable_grad():
                losses.append(torch.as_tensor(optimizer.step(closure)))
    return model, torch.stack(losses).detach()


@pytest.mark.parametrize("ours", [True, False], ids=["the loop", "released_optimizer"])
@pytest.mark.parametrize("variant", ["adam", "sam", "sgd", "sam_sgd"])
@torch.no_grad()
def test_five_steps(arrays: dict[str, Any], variant: str, ours: bool) -> None:
    with torch.enable_grad():
        model, losses = five_steps(arrays, variant, ours)
    assert relative(losses, arrays[f"{variant}/step_losses"]) < TOLERANCE
    after = {name: each.clone() for name, each in model.state_dict().items() if "num_batches" not in name}
    if "sgd" in variant:
        found = model.eval()(torch.from_numpy(arrays["x"]))
        assert relative(found, arrays[f"{variant}/output_after_steps"]) < TOLERANCE
    found = model.train()(torch.from_numpy(arrays["x"]))
    assert relative(found, arrays[f"{variant}/train_output_after_steps"]) < TOLERANCE
    prefix = f"{variant}/param_after/"
    assert {f"{prefix}{name}" for name in after} == {name for name in arrays if name.startswith(prefix)}
    for name in after.keys() - noise_of(arrays, variant):
        assert relative(after[name], arrays[f"{prefix}{name}"]) < TOLERANCE, name


def noise_of(arrays: dict[str, Any], variant: str) -> set[str]:
    """What Adam moves at random: biases before a batch norm, and the running means that follow them."""
    if "sgd" in variant:
        return set()
    biases = json.loads(arrays["config"].item())["noise_parameters"]
    places = [name.removesuffix("bias").rstrip(".").rsplit(".", 1) for name in biases]
    return {*biases, *(f"{where}.{int(place) + 1}.running_mean" for where, place in places)}


@pytest.mark.parametrize("ours", [True, False], ids=["the loop", "released_optimizer"])
@torch.no_grad()
def test_statistics_that_move_in_the_first_pass_alone(arrays: dict[str, Any], ours: bool) -> None:
    with torch.enable_grad():
        model, _ = five_steps(arrays, "sam_sgd", ours, twice=False)
    found = model.eval()(torch.from_numpy(arrays["x"]))
    assert relative(found, arrays["sam_sgd/output_after_steps_once"]) < TOLERANCE
    assert relative(found, arrays["sam_sgd/output_after_steps"]) > 100 * TOLERANCE, "and not twice"


@pytest.mark.parametrize(("net", "count"), [("vgg9", 2_789_706), ("vgg16", 14_991_946), ("vgg19", 20_304_202)])
def test_sizes_are_those_of_the_released_nets_and_counted_without_torch(net: str, count: int) -> None:
    with torch.device("meta"):
        model = baselines.build("vgg", **SIZES, net=net)
    assert sum(p.numel() for p in model.parameters()) == count
    found = baselines.MODELS["vgg"].of_step(SIZES, 128, {"net": net})
    assert found is not None and found[1] == count
    assert 2e8 < found[0] < 2e9


@pytest.mark.parametrize(("widths", "said"), [("64 x M", "found 'x'"), ("M M", "at least one width"), ("0 M", "found '0'")])
def test_widths_that_are_none_are_said(widths: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        baselines.build("vgg", **SIZES, widths=widths)


def test_he_initialisation() -> None:
    torch.manual_seed(0)
    model = baselines.build("vgg", **SIZES, widths="32 M 64 M", initialisation="he")
    convolution = model.features[0]
    assert float(convolution.weight.detach().std()) == pytest.approx((2 / 27) ** 0.5, rel=0.1)
    assert float(model.fc[0].weight.detach().std()) == pytest.approx(1e-3, rel=0.1)
    assert not any(each.bias.any() for each in (convolution, model.fc[0], model.classifier))
