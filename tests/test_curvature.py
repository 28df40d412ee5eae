"""Both ends of the Hessian's spectrum and its trace, against whole spectra; what the released function gives, named so."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines import MODELS, build
from baselines.released import load_released
from benchmark.analysis.probes import curvature
from benchmark.analysis.probes.curvature import Objective
from benchmark.errors import UsageError
from tests.baselines.test_contract import SMALL

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Any]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def in_parts(model: nn.Module, loss: Callable[[Any, Any], Tensor], x: Tensor, y: Tensor, size: int) -> Objective:
    """The last batch is incomplete: a mean of batch means would weigh it wrongly."""
    parts = [((x[i : i + size], y[i : i + size]), len(x[i : i + size]) / len(x)) for i in range(0, len(x), size)]
    return Objective(model, loss, lambda: parts)


def of_samformer(arrays: dict[str, Any]) -> Objective:
    x, y = (torch.from_numpy(arrays[name]).double() for name in ("x", "y"))
    return in_parts(load_released(arrays).double().eval(), lambda model, batch: model.mse(*batch), x, y, 4)


def of_convolution(arrays: dict[str, Any]) -> Objective:
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 4))
    state = {n.removeprefix("param/"): torch.from_numpy(v) for n, v in arrays.items() if n.startswith("param/")}
    model.double().eval().load_state_dict(state)
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    return in_parts(model, lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]), x, y, 5)


OURS: dict[str, Callable[[dict[str, Any]], Objective]] = {
    "hessian": of_samformer, "hessian_cnn": of_convolution, "hessian_tf": of_samformer,
}  # fmt: skip
NAMES = {"compute_keys": "key", "compute_queries": "query", "compute_values": "value", "linear_forecaster": "forecaster",
         "revin.affine_weight": "revin.weight", "revin.affine_bias": "revin.bias"}  # fmt: skip


def in_our_order(arrays: dict[str, Any], of: Objective, flat: Any) -> Any:
    """A released vector, whose parameters stand in another order."""
    order = json.loads(arrays["config"].item())["parameter_order"]
    pieces, at = {}, 0
    for released in order:
        name = released
        for theirs, our in NAMES.items():
            name = name.replace(theirs, our)
        size = arrays[f"param/{released}"].size
        pieces[name], at = flat[at : at + size], at + size
    return np.concatenate([pieces[name] for name in of.trained])


@pytest.mark.parametrize("name", OURS)
def test_both_ends_are_those_of_the_whole_spectrum(name: str) -> None:
    arrays = golden(name)
    of = OURS[name](arrays)
    assert of.value() == pytest.approx(float(arrays["loss"]), rel=1e-9)
    found = curvature.ends(of)
    assert float(found["lambda_max"]) == pytest.approx(float(arrays["lambda_max"]), rel=1e-5)
    assert float(found["lambda_min"]) == pytest.approx(float(arrays["lambda_min"]), rel=1e-5)
    assert found["max_residual"] < 1e-4 and found["min_residual"] < 1e-4 and found["products"] < 400
    top = found["top_vector"]
    assert np.linalg.norm(of.product(top) - arrays["lambda_max"] * top) < 1e-4


@pytest.mark.parametrize("name", ["hessian", "hessian_cnn"])
def test_gradient_and_products(name: str) -> None:
    arrays = golden(name)
    of = OURS[name](arrays)
    ours = (lambda flat: flat) if name == "hessian_cnn" else (lambda flat: in_our_order(arrays, of, flat))
    for found, released in ((of.gradient(), "gradient"), (of.product(ours(arrays["hvp/v"])), "hvp/Hv")):
        assert np.abs(found - ours(arrays[released])).max() < 1e-9 * np.abs(arrays[released]).max()
    for v, expected in zip(arrays["hutchinson/v"], arrays["hutchinson/vHv"], strict=True):
        assert ours(v) @ of.product(ours(v)) == pytest.approx(expected, rel=1e-9)


def test_the_trace_is_within_its_own_error() -> None:
    arrays = golden("hessian_cnn")
    found = curvature.trace(of_convolution(arrays), 60)
    assert abs(found["trace"] - arrays["trace"]) < 3 * found["trace_error"] < 0.5 * arrays["trace"]
    assert found["trace_error"] == pytest.approx(found["vhv"].std(ddof=1) / np.sqrt(60))


def test_the_released_function_gives_another_number() -> None:
    arrays = golden("hessian_tf")
    of = of_samformer(arrays)
    factor = float(len(arrays["x"]) * arrays["y"].shape[1])
    found = curvature.released_sharpness(of, factor, np.random.default_rng(0).standard_normal(of.size))
    assert found == pytest.approx(float(arrays["released/formula_float64"]), rel=1e-5)
    assert found > 100 * float(arrays["lambda_max"])


def pyhessian(of: Objective, v: Any, steps: int, tolerance: float) -> tuple[float, Any]:
    """PyHessian's eigenvalue (github.com/amirgholami/PyHessian at de8cf23) by its description, and the vector after it.

    Power iteration from v; every vector is divided by its length plus 1e-6, twice (the start once before the loop); it
    stops where ⟨v, Hv⟩ has changed by less than `tolerance`, relative to the value before, which is what it gives.
    """

    def shortened(vector: Any) -> Any:
        return vector / (np.linalg.norm(vector) + 1e-6)

    before, v = None, shortened(v)
    for _ in range(steps):
        v = shortened(v)
        product = of.product(v)
        value, v = float(v @ product), shortened(product)
        if before is not None and abs(value - before) < tolerance * (abs(before) + 1e-6):
            break
        before = value
    assert before is not None
    return before, v


@pytest.mark.parametrize("name", ["hessian", "hessian_cnn"])
def test_pyhessian_is_below_lambda_max_as_far_as_it_stops_early(name: str) -> None:
    """It is 0.05 to 0.2 % below by default, and (1 − 1e-6)² of the eigenvalue largest in magnitude when run to the end."""
    arrays = golden(name)
    of = OURS[name](arrays)
    ours = (lambda flat: flat) if name == "hessian_cnn" else (lambda flat: in_our_order(arrays, of, flat))
    start, largest = ours(arrays["pyhessian/start"]), float(arrays["lambda_max"])
    default, vector = pyhessian(of, start, 100, 1e-3)
    assert default == pytest.approx(float(arrays["pyhessian/default"]), rel=1e-9)
    assert np.abs(vector - ours(arrays["pyhessian/default_vector"])).max() < 1e-9
    assert 0.0005 < 1 - default / largest < 0.0021
    converged, _ = pyhessian(of, start, 1000, 1e-12)
    for released in ("converged", "converged_loader"):
        assert converged == pytest.approx(float(arrays[f"pyhessian/{released}"]), rel=1e-9)
    assert converged == pytest.approx(largest * (1 - 1e-6) ** 2, rel=1e-9)
    below = dataclasses.replace(of, loss=lambda model, batch: -of.loss(model, batch))
    assert pyhessian(below, start, 1000, 1e-12)[0] == pytest.approx(-converged, rel=1e-9), "by magnitude: here it is λmin"
    assert float(curvature.largest(below)["lambda_max"]) == pytest.approx(-float(arrays["lambda_min"]), rel=1e-5)


def small(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    x, y = torch.randn(6, 48, 3, dtype=dtype), torch.randn(6, 12, 3, dtype=dtype)
    return build(name, lookback=48, horizon=12, channels=3, **SMALL[name]).to(dtype).eval(), x, y


TWICE = [name for name, info in MODELS.items() if info.task == "forecasting" and not info.closed_form and name != "cats"]


@pytest.mark.parametrize("name", TWICE)
def test_products_are_what_the_gradient_changes_by(name: str) -> None:
    model, x, y = small(name)
    of = in_parts(model, lambda net, batch: net.mse(*batch), x, y, 4)
    v, step = np.random.default_rng(0).standard_normal(of.size), 1e-5
    v /= np.linalg.norm(v)
    parameters = [p for p in model.parameters() if p.requires_grad]
    start = torch.nn.utils.parameters_to_vector(parameters).detach().clone()
    sides = []
    for sign in (1, -1):
        torch.nn.utils.vector_to_parameters(start + sign * step * torch.from_numpy(v), parameters)
        sides.append(of.gradient())
    torch.nn.utils.vector_to_parameters(start, parameters)
    found = of.product(v)
    assert np.abs(found - (sides[0] - sides[1]) / (2 * step)).max() < 1e-4 * np.abs(found).max()


def test_a_gradient_that_is_not_the_losss_own_has_no_hessian() -> None:
    model, x, y = small("cats")
    with pytest.raises(UsageError, match="found CATS, whose second derivative is not symmetric"):
        curvature.ends(in_parts(model, lambda net, batch: net.mse(*batch), x, y, 4))


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 2


def test_a_model_that_cannot_be_derived_twice_is_refused_in_one_sentence() -> None:
    model = nn.Linear(4, 4).double().eval()
    of = Objective(model, lambda net, x: _Once.apply(net(x)).square().mean(), lambda: [(torch.ones(2, 4).double(), 1.0)])  # type: ignore[no-untyped-call]
    with pytest.raises(UsageError, match="derive twice, found Linear"):
        of.product(np.ones(of.size))
