"""The loss around trained weights and between two: the released tool's numbers, and a trained cell's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines import build
from benchmark.analysis.probes import landscape
from benchmark.errors import UsageError

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = 1e-5


class VGG(nn.Module):
    """As loss-landscape has it: convolution, batch norm, ReLU; a pooling where M stands; two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in (4, "M", 6, "M", 8, 8, "M"):
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
                continue
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.features = nn.Sequential(*layers)
        self.fc = nn.Sequential(nn.Linear(128, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.classifier = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, h, w] to classes [B, 10]."""
        found: Tensor = self.classifier(self.fc(self.features(x).flatten(1)))
        return found


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    with np.load(GOLDEN / "landscape.npz") as file:
        return dict(file)


def named(arrays: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}/"): torch.from_numpy(v) for name, v in arrays.items() if name.startswith(f"{prefix}/")
    }


@pytest.fixture
def model(arrays: dict[str, Any]) -> VGG:
    found = VGG().eval()
    found.load_state_dict(named(arrays, "param"))
    return found


def loss_of(arrays: dict[str, Any]) -> landscape.Loss:
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])

    @torch.no_grad()
    def loss(net: nn.Module) -> float:
        parts = [(x[i : i + 5], y[i : i + 5]) for i in range(0, len(x), 5)]  # the last one is smaller
        return sum(float(F.cross_entropy(net(a), b)) * len(a) for a, b in parts) / len(x)

    return loss


def golden_directions(arrays: dict[str, Any], model: VGG) -> list[landscape.Weights]:
    weights = landscape.trained(model)
    return [landscape.filter_normalised(named(arrays, f"{axis}_raw"), weights) for axis in "xy"]


def test_filters_are_as_long_as_the_weights_and_biases_and_norms_stay(arrays: dict[str, Any], model: VGG) -> None:
    for axis, found in zip("xy", golden_directions(arrays, model), strict=True):
        for name, released in named(arrays, f"{axis}_filter").items():
            assert torch.allclose(found[name], released, rtol=TOLERANCE, atol=1e-8), name
    assert landscape.cosine(*golden_directions(arrays, model)) == pytest.approx(float(arrays["cosine"]), rel=TOLERANCE)


def test_the_surface_is_the_released_one_with_its_axes_the_right_way(arrays: dict[str, Any], model: VGG) -> None:
    x, y = golden_directions(arrays, model)
    at = arrays["x_coordinates"][1:4], arrays["y_coordinates"]  # not square: swapped axes would show
    found = landscape.surface(model, loss_of(arrays), x, y, at)
    assert found.shape == (5, 3) and np.allclose(found, arrays["grid_loss"][:, 1:4], rtol=TOLERANCE)
    for name, weight in named(arrays, "param").items():
        assert torch.equal(model.state_dict()[name], weight), "the model has its own weights again"


def test_between_two_models_both_ends_are_themselves(arrays: dict[str, Any], model: VGG) -> None:
    found = landscape.between(model, loss_of(arrays), named(arrays, "other"), arrays["alphas"])
    assert np.allclose(found, arrays["interpolation_states"], rtol=TOLERANCE)


def test_the_plane_of_a_path_and_the_places_in_it(arrays: dict[str, Any], model: VGG) -> None:
    like = landscape.trained(model)

    def parted(flat: Any) -> dict[str, Tensor]:
        parts = np.split(flat, np.cumsum([each.numel() for each in like.values()])[:-1])
        return {n: torch.from_numpy(part.copy()).view_as(like[n]) for n, part in zip(like, parts, strict=True)}

    path = [parted(flat) for flat in arrays["trajectory/weights"]]
    (x, y), found = landscape.plane_of(path, path[-1])
    assert np.allclose(found["explained"], arrays["trajectory/explained_variance_ratio"], rtol=TOLERANCE)
    for place, (direction, name) in enumerate(((x, "x"), (y, "y"))):
        released = parted(arrays[f"trajectory/{name}direction"])
        sign = float(torch.sign(sum((direction[n] * released[n]).sum() for n in like)))  # type: ignore[arg-type]
        assert all(torch.allclose(sign * direction[n], released[n], atol=TOLERANCE) for n in like)
        assert np.allclose(sign * found["path"][:, place], arrays["trajectory/projection"][:, place], atol=5 * TOLERANCE)
    with pytest.raises(ValueError, match="three epochs"):
        landscape.plane_of(path[:2], path[-1])


def test_directions_are_the_same_for_models_of_one_shape_and_need_something_trained(model: VGG) -> None:
    (x, y), (again, _), (other, _) = (landscape.directions(model, seed) for seed in (3, 3, 4))
    assert all(torch.equal(x[name], again[name]) for name in x) and abs(landscape.cosine(x, other)) < 0.2
    assert abs(landscape.cosine(x, y)) < 0.2
    with pytest.raises(UsageError, match="expected a model with trained weights, found LastValue"):
        landscape.directions(build("last_value", lookback=4, horizon=2, channels=1), 0)
