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
from tables.figures.probes import landscape as figure

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


def measure_of(arrays: dict[str, Any]) -> landscape.Measure:
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])

    @torch.no_grad()
    def measure(net: nn.Module) -> dict[str, float]:
        parts = [(x[i : i + 5], y[i : i + 5]) for i in range(0, len(x), 5)]  # the last one is smaller
        found = [(net(a), b) for a, b in parts]
        right = sum(int((scores.argmax(1) == b).sum()) for scores, b in found)
        loss = sum(float(F.cross_entropy(scores, b)) * len(b) for scores, b in found) / len(x)
        return {"loss": loss, "accuracy": 100 * right / len(x)}

    return measure


def golden_directions(arrays: dict[str, Any], model: VGG) -> list[landscape.Weights]:
    weights = landscape.trained(model)
    return [landscape.normalised(named(arrays, f"{axis}_raw"), weights) for axis in "xy"]


RELEASED = {
    "x_filter": ("filter", "zero"), "y_filter": ("filter", "zero"), "x_filter_keep": ("filter", "copy"),
    "x_layer": ("layer", "zero"), "x_weight": ("weight", "zero"), "x_dfilter": ("dfilter", "zero"),
    "x_dlayer": ("dlayer", "zero"), "states_filter": ("filter", "zero"),
}  # fmt: skip


@pytest.mark.parametrize("which", RELEASED)
def test_directions_are_the_released_ones(arrays: dict[str, Any], model: VGG, which: str) -> None:
    raw, released = named(arrays, f"{which.split('_')[0]}_raw"), named(arrays, which)
    weights = dict(model.state_dict()) if which.startswith("states") else landscape.trained(model)
    found = landscape.normalised(raw, weights, *RELEASED[which])
    assert list(found) == list(released) == list(weights), "in the released order, of states the counters too"
    for name, tensor in released.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.allclose(found[name], tensor, rtol=TOLERANCE, atol=1e-8), name


def test_the_figure_has_words_for_each_of_them() -> None:
    assert figure.NORMS.keys() == landscape.NORMS.keys() and figure.BIASES.keys() == landscape.BIASES.keys()
    assert tuple(figure.ONE_AXIS) == landscape.DIR_TYPES


def test_without_a_norm_directions_are_as_drawn_and_biases_copied_without_biasbn(
    arrays: dict[str, Any], model: VGG
) -> None:
    weights, raw = dict(model.state_dict()), named(arrays, "states_raw")
    found = landscape.normalised(raw, weights, "none", "copy")
    for name, weight in weights.items():
        assert torch.equal(found[name], raw[name] if weight.dim() > 1 else weight.to(raw[name])), name
    assert not any(found[name].data_ptr() == weight.data_ptr() for name, weight in weights.items())


def test_the_angle_is_the_released_one(arrays: dict[str, Any], model: VGG) -> None:
    assert landscape.cosine(*golden_directions(arrays, model)) == pytest.approx(float(arrays["cosine"]), rel=TOLERANCE)


def test_the_surface_is_the_released_one_with_its_axes_the_right_way(arrays: dict[str, Any], model: VGG) -> None:
    """The released array [nx, ny] is filled with x running fastest, and is to be read as [ny, nx]: on a grid as wide as it
    is high the two are one, [i, j] being at (x_j, y_i)."""
    x, y = golden_directions(arrays, model)
    at = arrays["x_coordinates"], arrays["y_coordinates"]
    found = landscape.surface(model, measure_of(arrays), x, y, at)
    narrow = landscape.surface(model, measure_of(arrays), x, y, (at[0][1:4], at[1]))  # swapped axes would show
    for name in ("loss", "accuracy"):
        released = arrays[f"grid_{name}_released"].ravel().reshape(len(at[1]), len(at[0]))
        assert np.allclose(found[name], arrays[f"grid_{name}"], rtol=TOLERANCE)
        assert np.allclose(found[name], released, rtol=TOLERANCE) and not np.allclose(found[name], released.T)
        assert narrow[name].shape == (5, 3) and np.allclose(narrow[name], released[:, 1:4], rtol=TOLERANCE)
    for name, weight in named(arrays, "param").items():
        assert torch.equal(model.state_dict()[name], weight), "the model has its own weights again"


def test_states_move_running_statistics_and_weights_do_not(arrays: dict[str, Any], model: VGG) -> None:
    at = np.array([0.0, 0.5]), np.array([0.0])
    seen: list[Tensor] = []

    def look(net: nn.Module) -> dict[str, float]:
        seen.append(net.get_buffer("features.1.running_var").clone())
        return {"loss": 0.0}

    for dir_type, biases, factor in (("weights", "copy", 1.0), ("states", "zero", 1.0), ("states", "copy", 1.5)):
        landscape.surface(model, look, *landscape.directions(model, 0, "filter", biases, dir_type), at)
        assert torch.allclose(seen[-1], factor * seen[-2]), (dir_type, biases)
    assert torch.equal(model.state_dict()["features.1.num_batches_tracked"], torch.tensor(0)), "counters stay"


@pytest.mark.parametrize("dir_type", landscape.DIR_TYPES)
def test_between_two_models_are_the_released_losses(arrays: dict[str, Any], model: VGG, dir_type: str) -> None:
    """With `states` both ends are the models themselves; with `weights` the second has the first's running statistics."""
    measure = measure_of(arrays)
    found = landscape.between(model, measure, named(arrays, "other"), arrays["alphas"], dir_type)
    assert np.allclose(found["loss"], arrays[f"interpolation_{dir_type}"], rtol=TOLERANCE)
    own = measure(model)
    model.load_state_dict(named(arrays, "other"))
    other = measure(model)
    assert [own["accuracy"], own["loss"]] == pytest.approx([found["accuracy"][1], found["loss"][1]])
    assert (found["loss"][5] == pytest.approx(other["loss"])) == (dir_type == "states")


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
