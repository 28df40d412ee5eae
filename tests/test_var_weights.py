"""VAR weights: Φ takes the keys to the model's own output, against the numbers of the released class, and on FixedVAR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from frozen import seams
from numpy.typing import NDArray
from test_kept import job, trained

import baselines
from baselines.base import Forecaster
from baselines.released import load_released
from benchmark.analysis import __main__ as command
from benchmark.analysis.probes import varweights
from benchmark.analysis.probes.coefficients import coefficients
from benchmark.data.registry import DATASETS
from benchmark.data.series import Scale
from benchmark.data.synthetic import coefficients as process
from benchmark.errors import UsageError
from benchmark.store.kept import Kept
from tables.figures.data import Figure

GOLDEN = ROOT / "tests/golden/samovar_var_weights.npz"


def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as file:
        return dict(file)


def near(found: Any, expected: NDArray[Any], tolerance: float = 1e-5) -> bool:
    found = np.asarray(found)
    return found.shape == expected.shape and float(np.linalg.norm(found - expected)) <= tolerance * float(
        np.linalg.norm(expected)
    )


def test_the_weights_are_those_of_the_released_class() -> None:
    known = golden()
    model, x = load_released(known), torch.from_numpy(known["x"])
    assert isinstance(model, Forecaster)
    found = varweights.var(model, x, released=True)
    for name, array in {"keys": "keys", "own": "own_output", "structure": "structure", "weights": "var_weights"}.items():
        assert near(found[name], known[array]), name
    assert near(found["released_weights"][:, :, -1], known["notebook_weights"])
    assert found["error_own"] < 1e-5 and found["error_forecast"] < 1e-5
    assert found["error_released"] == pytest.approx(1.58, abs=0.01), "what the notebook computes is not the model's"
    exact = varweights.inside(model.double(), x.double())
    assert near(exact.queries.detach(), known["queries"]) and near(exact.values.detach(), known["values"])
    layers = varweights.layer_weights(exact.rows(exact.queries), exact.rows(exact.values))
    shape = known["layer_weights"].shape  # [M, B, C, N, T, h, e, e]
    ours = torch.stack(layers)[:, :, 1::2].view(len(layers), *shape[1:3], shape[5], *shape[3:5], *shape[6:])
    assert near(ours.movedim(3, 5).detach(), known["layer_weights"])
    outputs = torch.stack([torch.einsum("rtjab,rjb->rta", each, exact.rows(exact.keys)) for each in layers])
    layer, batch, channel, token, head, each = known["layer_outputs"].shape
    outputs = outputs.view(layer, batch, channel, head, token, each).transpose(3, 4)
    assert near(outputs.detach(), known["layer_outputs"]), "weights times keys are what the layer gives"


@pytest.mark.parametrize("name", ["samovar", "fixedvar"])
def test_they_reproduce_the_models_own_forecast(name: str) -> None:
    torch.manual_seed(1)
    model = baselines.build(name, lookback=20, horizon=6, channels=10, width=12, heads=3, layers=3).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    found = varweights.var(model, torch.randn(2, 20, 10))
    assert found["weights"].shape == (2, 8, 4, 8, 3, 4, 4), "of the last eight channels"
    assert found["error_own"] < 1e-5 and found["error_forecast"] < 1e-5
    assert not found["weights"][:, :, 0, 2:].any(), "nothing comes from later tokens"


def test_all_paths_together_are_the_weights() -> None:
    torch.manual_seed(0)
    queries, values = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randn(2, 3, 4, 5, dtype=torch.float64)
    q, v = queries[:, 0], values[:, 0]  # two layers, of tokens [T, e]: here T 4
    layers = varweights.layer_weights(q[:, None], v[:, None])
    by_hand = sum(
        (q[1, 3] @ v[0, i0]) * torch.outer(v[1, i1], q[0, i1]) for i0 in range(4) for i1 in range(i0, 4)
    ) + sum(torch.outer(v[0, j], q[0, 3]) for j in range(4))  # fmt: skip
    assert torch.allclose(sum(each[0, 3].sum(dim=0) for each in layers), by_hand)
    tokens, norms = varweights.strongest_paths(q, v, torch.eye(5, dtype=torch.float64))
    assert len(tokens) == 14 and (norms[:-1] >= norms[1:]).all(), "4 of one step, 10 of two"
    first = tokens[0][tokens[0] >= 0]
    matrix = (
        torch.outer(v[0, first[0]], q[0, 3]) if len(first) == 2
        else (q[1, 3] @ v[0, first[0]]) * torch.outer(v[1, first[1]], q[0, first[1]])
    )  # fmt: skip
    assert norms[0] == pytest.approx(float(matrix.norm()))


def test_other_models_and_too_much_are_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match="expected SAMoVAR or FixedVAR, which have VAR weights, found DLinear"):
        varweights.var(baselines.build("dlinear", lookback=8, horizon=2, channels=2), torch.zeros(1, 8, 2))
    large = baselines.build("samovar", lookback=96, horizon=1, channels=8, width=128, heads=1, layers=1).eval()
    with pytest.raises(UsageError, match=r"at most 2 GB, found .* GB; give fewer --windows"):
        varweights.var(large, torch.randn(1, 96, 8))


def test_coefficients_are_derivatives_and_the_process_has_its_own() -> None:
    """Against central differences, and against the forecast of the process by its own recursion."""
    torch.manual_seed(2)
    dataset = DATASETS["var"]
    model = baselines.build("samovar", lookback=12, horizon=3, channels=7, width=8, heads=2, layers=2).eval().double()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    x, step = torch.randn(2, 12, 7, dtype=torch.float64), 1e-5
    scale = Scale(np.zeros(7), np.linspace(1, 2, 7), np.zeros(7))
    found = coefficients(model, x, dataset, scale)
    weights, _ = varweights.var_weights(varweights.inside(model, x))

    def held(given: torch.Tensor) -> torch.Tensor:
        z = varweights.applied(weights, varweights.inside(model, given).keys)
        return varweights.forecast_from(model, given, z[:, :, -1])

    move = torch.zeros_like(x)
    move[:, -2, 4] = step
    with torch.no_grad():
        for name, forecast in {"held": held, "whole": model}.items():
            slope = ((forecast(x + move) - forecast(x - move)) / (2 * step)).mean(dim=0)
            assert near(found[name][:, :, 1, 4], slope.numpy(), 1e-4), name
    first, second = process(dataset)
    past = np.random.default_rng(0).normal(size=(2, 7))  # y_t, y_{t−1}
    ahead = [first @ past[0] + second @ past[1]]
    ahead.append(first @ ahead[0] + second @ past[0])
    ours = np.einsum("hclk,lk->hc", found["true"][:2], past / scale.deviation) * scale.deviation
    assert near(ours, np.array(ahead))
    assert found["lag_true"][2:].sum() == 0 and found["error_whole"] > 0


def test_the_command_writes_weights_and_figures_of_a_trained_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tables.figures import matplotlib_renderer

    drawn: list[Figure] = []
    monkeypatch.setattr(matplotlib_renderer, "pictures", lambda figure: drawn.append(figure) or {"png": b"drawn"})
    monkeypatch.setattr("benchmark.analysis.probes.coefficients.WINDOWS", 2)
    cell = seams.planned(seams.checksums({}, Path()), papers=("var",), models=("FixedVAR",), horizons=(24,), seeds=(0,),
                         profile="quick")[0]  # fmt: skip
    result = trained(job(cell, tmp_path, keep=("weights",)))
    assert command.main(["var", result.key, "--released", "--windows", "2", "--results-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "VAR weights of 2 test windows" in said and "with the VAR weights held" in said and "misses the last" in said
    with np.load(Kept(tmp_path, result.digest).analysis / "var.npz") as file:
        assert file["error_own"] < 1e-5 and file["error_forecast"] < 1e-5 and file["weights"].shape[:4] == (2, 7, 4, 8)
        assert file["process_true"].shape == (24, 7, 2, 7)
    assert [figure.name for figure in drawn] == [
        "VAR weights by lag", "VAR weights", "structural matrix", "influence paths", "coefficients",
    ]  # fmt: skip
    matplotlib_renderer.laid_out(drawn[3])  # the one that has other marks than heat maps
