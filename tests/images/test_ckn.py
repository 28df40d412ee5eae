"""Convolutional kernel networks against the numbers that the released code gave, and the one from scratch against torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch import Tensor

import baselines
from baselines import ckn_numpy
from baselines.ckn_fit import fitted, squared_hinge
from baselines.ckn_kmeans import begun, drawn_patches, patches, spherical_kmeans
from baselines.ckn_layer import InverseRoot, KernelLayer, Scaled
from baselines.released import load_released, released_optimizer
from tools.architecture import imports

GOLDEN = Path(__file__).parents[1] / "golden/images/ckn.npz"
TOLERANCE = 1e-5
SIZES = {"channels": 3, "size": 32, "classes": 10}


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    with np.load(GOLDEN) as file:
        return dict(file)


def layers(arrays: dict[str, Any], backward: Any, ridge_inside: bool) -> list[KernelLayer]:
    config = json.loads(arrays["config"].item())
    made, channels = [], config["channels"]
    names = ("widths", "kernel_sizes", "subsampling", "kernels", "kernel_args")
    for number, (width, *rest) in enumerate(zip(*(config[name] for name in names), strict=True)):
        layer = KernelLayer(channels, width, *rest, backward, ridge_inside)
        layer.weight.data.copy_(torch.from_numpy(arrays[f"param/features.ckn_layers.{number}.weight"]))
        made.append(layer)
        channels = width
    return made


def off(ours: Any, released: Any) -> float:
    """Largest difference, in units of the largest released number."""
    ours, released = np.asarray(ours), np.asarray(released)
    assert ours.shape == released.shape
    return float(np.abs(ours - released).max() / np.abs(released).max())


@torch.no_grad()
@pytest.mark.parametrize("ridge_inside", [False, True], ids=["released", "from scratch"])
def test_layers(arrays: dict[str, Any], ridge_inside: bool) -> None:
    x = torch.from_numpy(arrays["x"])
    for number, layer in enumerate(layers(arrays, "exact", ridge_inside)):
        x = layer(x)
        assert off(x, arrays[f"{'from_scratch/' if ridge_inside else ''}layer/{number}"]) < TOLERANCE
        if not ridge_inside:
            assert off(layer.root(), arrays[f"lintrans/{number}"]) < TOLERANCE
        if f"pooling_filter/{number}" in arrays and not ridge_inside:
            assert off(torch.outer(layer._taps, layer._taps), arrays[f"pooling_filter/{number}"]) < TOLERANCE


@pytest.mark.parametrize(("backward", "name"), [("released", "grad"), ("exact", "grad_exact")])
def test_gradients(arrays: dict[str, Any], backward: str, name: str) -> None:
    """Layer by layer: of the whole gradient's norm the difference between the two is too small a part."""
    x = torch.from_numpy(arrays["x"])
    made = layers(arrays, backward, False)
    for layer in made:
        x = layer(x)
    weight, bias = (torch.from_numpy(arrays[f"param/classifier.{end}"]) for end in ("weight", "bias"))
    scores = x.flatten(1) @ weight.T + bias
    assert off(scores.detach(), arrays["eval_output"]) < TOLERANCE
    loss = squared_hinge(scores, torch.from_numpy(arrays["y"]))
    loss.backward()
    assert off(loss.item(), arrays["train_loss"]) < TOLERANCE
    for number, layer in enumerate(made):
        released = arrays[f"{name}/features.ckn_layers.{number}.weight"]
        assert layer.weight.grad is not None
        assert np.linalg.norm(layer.weight.grad.numpy() - released) < TOLERANCE * np.linalg.norm(released)


@pytest.mark.parametrize("ridge_inside", [False, True])
def test_the_exact_backward_is_the_derivative(ridge_inside: bool) -> None:
    half = torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gram = (half @ half.T / 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda k: InverseRoot.apply((k + k.T) / 2, "exact", ridge_inside), (gram,))


@pytest.mark.parametrize("kernel", ["exp", "poly"])
def test_the_scaled_kernel_has_its_derivative_by_hand(kernel: str) -> None:
    dice = torch.Generator().manual_seed(0)
    products = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=dice).requires_grad_()
    norm = (0.5 + torch.rand(2, 1, 4, 4, dtype=torch.float64, generator=dice)).requires_grad_()
    assert torch.autograd.gradcheck(lambda c, n: Scaled.apply(c, n, kernel, 4.0), (products, norm))
    u = products / norm
    expected = norm * (u.square() if kernel == "poly" else torch.exp(4 * (u - 1)))
    torch.testing.assert_close(Scaled.apply(products, norm, kernel, 4.0), expected)


def test_equal_filters_have_a_finite_gradient() -> None:
    """Two eigenvalues are the same, some are 0: the eigenvectors' own derivative would be 0/0."""
    gram = torch.ones(4, 4, requires_grad=True)
    InverseRoot.apply(gram, "exact", False).sum().backward()
    assert gram.grad is not None and gram.grad.isfinite().all()


def test_the_root_that_is_kept_follows_the_filters() -> None:
    torch.manual_seed(0)
    layer = KernelLayer(2, 3, 3, 1, "exp", 0.5)
    with torch.no_grad():
        first = layer.root()
        assert layer.root() is first
        layer.weight.neg_().roll(1)
        layer.weight[0].mul_(0.5)
        assert not torch.equal(layer.root(), first)


def test_patches_and_kmeans(arrays: dict[str, Any]) -> None:
    first = patches(torch.from_numpy(arrays["x"][:1]), 3)[:40]
    assert torch.equal(first, torch.from_numpy(arrays["patches/first_image"]))
    for name in ("kmeans", "kmeans_empty"):
        points, start = (torch.from_numpy(arrays[f"{name}/{part}"]) for part in ("points", "start"))
        assert off(spherical_kmeans(points, start), arrays[f"{name}/centroids"]) < TOLERANCE


@torch.no_grad()
def test_the_whole_initialisation(arrays: dict[str, Any]) -> None:
    size = json.loads(arrays["config"].item())["batch"]
    made, maps = layers(arrays, "exact", False), list(torch.from_numpy(arrays["x"]).split(size))
    for number, layer in enumerate(made):
        count, dice = int(arrays["unsupervised/n_patches"]), torch.Generator()
        points = drawn_patches(iter(maps), layer.size, count, len(maps), "first", dice)
        start = torch.from_numpy(arrays[f"unsupervised/start/{number}"])
        found = spherical_kmeans(points, start).view_as(layer.weight)
        layer.weight.copy_(found)
        assert off(found, arrays[f"unsupervised/weight/{number}"]) < 1e-4
        maps = [layer(x) for x in maps]
    x = torch.cat(maps).flatten(1)
    assert off(x, arrays["unsupervised/representation"]) < 1e-4


def test_sampled_patches_are_of_all_places_and_of_the_seed() -> None:
    x = torch.arange(1.0, 2 * 10 * 10 + 1).view(2, 1, 10, 10)

    def drawn(seed: int) -> Tensor:
        return drawn_patches(iter([x, x]), 3, 20, 2, "sampled", torch.Generator().manual_seed(seed))

    assert drawn(0).shape == (20, 9) and torch.equal(drawn(0), drawn(0)) and not torch.equal(drawn(0), drawn(1))
    torch.testing.assert_close(drawn(0).norm(dim=1), torch.ones(20))
    with pytest.raises(ValueError, match="20 patches are too few for 21 filters; raise patch_count"):
        begun(drawn(0), torch.zeros(21, 1, 3, 3), torch.Generator())


def test_the_last_layers_fit(arrays: dict[str, Any]) -> None:
    """It reaches the minimum, which the released search stops before."""
    x, y = torch.from_numpy(arrays["fit/x"]), torch.from_numpy(arrays["fit/y"])
    alpha = json.loads(arrays["config"].item())["fit_alpha"]
    found = fitted(x, y, torch.zeros(10, x.shape[1]), torch.zeros(10), alpha)
    assert off(found.penalty, arrays["fit/real_alpha"]) < TOLERANCE
    assert abs(found.objective - arrays["fit/optimum_objective"]) < 1e-7 < arrays["fit/objective"] - found.objective
    assert off(found.weight, arrays["fit/optimum_weight"]) < 1e-3
    assert off(found.bias, arrays["fit/optimum_bias"]) < 1e-2
    again = fitted(x, y, found.weight, found.bias, alpha)
    assert abs(again.objective - found.objective) < 1e-7


def net_from_scratch(arrays: dict[str, Any], dtype: torch.dtype) -> tuple[list[KernelLayer], ckn_numpy.Net]:
    made = [layer.to(dtype) for layer in layers(arrays, "exact", True)]
    for layer in made:
        layer.project()
    kernels = {"exp": ckn_numpy.exponential(0.5), "poly": ckn_numpy.SQUARE}
    own = [ckn_numpy.Layer(x.weight.detach().numpy().copy(), kernels[x.kernel], x.subsampling) for x in made]
    ends = (arrays[f"param/classifier.{end}"].astype(own[0].filters.dtype) for end in ("weight", "bias"))
    return made, ckn_numpy.Net(own, *ends)


def test_the_one_from_scratch_has_the_gradients_of_torch(arrays: dict[str, Any]) -> None:
    """In float64, of every filter, of the weights, and of the loss."""
    made, net = net_from_scratch(arrays, torch.float64)
    weight, bias = (torch.from_numpy(each).requires_grad_() for each in (net.weight, net.bias))
    x, y = torch.from_numpy(arrays["x"]).double(), torch.from_numpy(arrays["y"])
    loss, of_filters, of_weight, of_bias = net.gradients(x.permute(0, 2, 3, 1).numpy(), y.numpy())
    for layer in made:
        x = layer(x)
    theirs = torch.nn.functional.cross_entropy(x.flatten(1) @ weight.T + bias, y)
    theirs.backward()
    assert abs(loss - theirs.item()) < 1e-6
    pairs = [*zip(of_filters, (each.weight for each in made), strict=True), (of_weight, weight), (of_bias, bias)]
    for ours, parameter in pairs:
        assert parameter.grad is not None and off(ours, parameter.grad) < 1e-6


def test_the_one_from_scratch_is_what_the_released_one_computes(arrays: dict[str, Any]) -> None:
    _, net = net_from_scratch(arrays, torch.float32)
    for number, layer in enumerate(net.layers):
        layer.filters = arrays[f"param/features.ckn_layers.{number}.weight"]
    x = arrays["x"].transpose(0, 2, 3, 1)
    for number, layer in enumerate(net.layers):
        x = layer.forward(x)
        assert off(x.transpose(0, 3, 1, 2), arrays[f"from_scratch/layer/{number}"]) < TOLERANCE


def test_the_one_from_scratch_learns(arrays: dict[str, Any]) -> None:
    """Its filters move, and stay on the sphere."""
    _, net = net_from_scratch(arrays, torch.float64)
    x, y, start = arrays["x"].transpose(0, 2, 3, 1).astype(float), arrays["y"], net.layers[0].filters
    losses = [net.step(x, y, 0.1) for _ in range(5)]
    assert losses == sorted(losses, reverse=True) and not np.allclose(net.layers[0].filters, start)
    np.testing.assert_allclose(np.linalg.norm(net.layers[0].filters.reshape(8, -1), axis=1), 1)


def test_the_model_and_five_released_steps(arrays: dict[str, Any]) -> None:
    """SGD, weight decay on the last layer alone, filters of norm 1 after each step."""
    model: Any = load_released(arrays)
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    assert sum(p.numel() for p in model.parameters()) == int(arrays["n_params"])
    with torch.no_grad():
        assert off(model(x), arrays["eval_output"]) < TOLERANCE
    optimizer, losses = released_optimizer(model.train(), arrays["config"]), []
    for step_x in torch.from_numpy(arrays["step_x"]):
        model.zero_grad()
        loss = model.training_loss(step_x, y)
        loss.backward()
        optimizer.step()
        model.after_step()
        losses.append(loss.item())
    assert off(losses, arrays["step_losses"]) < TOLERANCE
    for name, parameter in model.named_parameters():
        released = name.replace("layers.", "features.ckn_layers.")
        assert off(parameter.detach(), arrays[f"param_after/{released}"]) < TOLERANCE
    with torch.no_grad():
        assert off(model.eval()(x), arrays["output_after_steps"]) < TOLERANCE


@pytest.mark.parametrize(("layout", "count"), [("ckn5", 342_666), ("ckn14", 3_359_498)])
def test_sizes_are_those_of_the_released_nets_and_counted_without_torch(layout: str, count: int) -> None:
    with torch.device("meta"):
        model = baselines.build("ckn", **SIZES, layout=layout)
    assert sum(p.numel() for p in model.parameters()) == count
    found = baselines.MODELS["ckn"].of_step(SIZES, 128, {"layout": layout})
    assert found is not None and found[1] == count and 5e8 < found[0] < 5e9


def test_the_model_in_numpy_is_the_model_in_torch() -> None:
    """Scores and gradients in float32, through layers, last layer and loss; with the same weights, ridge and loss."""
    torch.manual_seed(0)
    own: Any = baselines.build("ckn_scratch", **SIZES, layout="scratch2")
    other: Any = baselines.build("ckn", **SIZES, layout="scratch2", ridge_inside=True, loss="cross_entropy", fit_alpha=0)
    other.load_state_dict(own.state_dict())
    x, y = torch.randn(3, 3, 32, 32), torch.tensor([0, 4, 9])
    torch.testing.assert_close(own(x), other(x), rtol=1e-5, atol=1e-6)
    for model in (own, other):
        model.training_loss(x, y).backward()
    for one, theirs in zip(own.parameters(), other.parameters(), strict=True):
        assert float((one.grad - theirs.grad).norm() / theirs.grad.norm()) < 1e-5


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_layer_from_scratch_with_patches_of_any_size(size: int) -> None:
    dice = torch.Generator().manual_seed(size)
    layer = KernelLayer(3, 4, size, 2, "exp", 0.6, ridge_inside=True).double()
    x = torch.randn(2, 3, 7, 7, dtype=torch.float64, generator=dice).requires_grad_()
    found = layer(x)
    back = torch.randn(found.shape, dtype=torch.float64, generator=dice)
    found.backward(back)
    own = ckn_numpy.Layer(layer.weight.detach().numpy(), ckn_numpy.exponential(0.6), 2)
    assert off(own.forward(x.detach().permute(0, 2, 3, 1).numpy()), found.detach().permute(0, 2, 3, 1)) < 1e-6
    d_x, d_z = own.backward(back.permute(0, 2, 3, 1).numpy())
    assert x.grad is not None and layer.weight.grad is not None
    assert off(d_x, x.grad.permute(0, 2, 3, 1)) < 1e-6 and off(d_z, layer.weight.grad) < 1e-6


def test_the_lesson_needs_numpy_alone() -> None:
    assert {name.split(".")[0] for name in imports(ROOT / "baselines/ckn_numpy.py")} == {
        "__future__", "collections", "dataclasses", "typing", "numpy",
    }  # fmt: skip
