"""`python -m benchmark.analysis`: what it finds in kept weights is the model's own, and stands where it says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from test_kept import job, planned, trained

import baselines
from baselines.samformer import SAMformer
from benchmark.analysis import __main__ as command
from benchmark.analysis.probes import attention
from benchmark.errors import UsageError
from benchmark.store.kept import Kept


@pytest.mark.parametrize("revin", [True, False])
def test_the_attention_is_what_the_model_forecasts_with(revin: bool) -> None:
    torch.manual_seed(0)
    model = baselines.build("samformer", lookback=16, horizon=4, channels=3, revin=revin).eval()
    assert isinstance(model, SAMformer) and model.output is not None
    for parameter in model.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(5, 16, 3)
    weights = attention.matrices(model, x)
    tokens, mean, std = (x.transpose(1, 2), None, None) if model.revin is None else model.revin.normalise(x.transpose(1, 2))
    forecast = model.forecaster(tokens + model.output(weights @ model.value(tokens)))
    if model.revin is not None:
        forecast = model.revin.denormalise(forecast, mean, std)
    assert torch.allclose(forecast.transpose(1, 2), model(x), atol=1e-5)
    assert torch.allclose(weights.sum(-1), torch.ones(5, 3))


def test_entropy_and_rank_at_their_ends() -> None:
    alike, identity = torch.full((4, 4), 0.25), torch.eye(4)
    assert attention.row_entropy(alike)[0] == pytest.approx(math.log(4)) and attention.row_entropy(identity).max() == 0
    assert attention.effective_rank(alike) == pytest.approx(1) and attention.effective_rank(identity) == pytest.approx(4)


def test_other_models_are_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match="expected SAMformer or Transformer, found DLinear"):
        attention.matrices(baselines.build("dlinear", lookback=8, horizon=2, channels=2), torch.zeros(1, 8, 2))


def test_attention_by_epoch_of_a_trained_cell(
    tmp_path: Path, tiny: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    found = trained(job(planned(tiny)[0], results))
    places = ["--results-dir", str(results), "--config", str(tmp_path / "tiny.yaml")]
    assert command.main(["attention", found.key, *places]) == 0
    said = capsys.readouterr().out
    folder = Kept(results, found.digest).analysis
    assert "row entropy" in said and {p.name for p in folder.iterdir()} == {
        "attention.npz", "attention.png", "attention.svg", "attention.epochs.png", "attention.epochs.svg",
    }  # fmt: skip
    with np.load(folder / "attention.npz") as file:
        assert json.loads(str(file["about"]))["digest"] == found.digest
        assert file["epochs"].tolist() == [1, 2, 3] and file["mean"].shape == (3, 7, 7)
        best = found.best_epoch or 0
        assert np.array_equal(file["mean"][best - 1], file["selected_mean"]), "the selected weights are those of that epoch"
        assert file["entropy"].min() > 0 and file["entropy"].max() <= math.log(7) + 1e-9
        entropy = file["entropy"].tolist()
    over = ["--split", "validation", "--windows", "8", *places]
    assert command.main(["training", found.key, *over]) == 0
    assert command.main(["sharpness", found.key, "--vectors", "2", *over]) == 0
    with np.load(folder / "training.npz") as file, np.load(folder / "sharpness.npz") as selected:
        assert file["epochs"].tolist() == [1, 2, 3] and file["entropy"].tolist() == entropy
        assert file["lambda_max"][best - 1] == selected["lambda_max"], "sharpness of the same weights and windows"
        assert file["val_mse"].tolist() == [epoch["val_mse"] for epoch in found.epochs]
    assert (folder / "training.png").is_file() and "8 validation windows, 3 epochs" in capsys.readouterr().out
    assert command.main(["attention", "tiny/toy/4/SAMfromer/sam/s0", *places]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_the_loss_at_the_centre_is_the_results(
    tmp_path: Path, tiny: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    cells = planned(tiny)[:2]
    found = [trained(job(cell, results)) for cell in cells]
    places = ["--results-dir", str(results), "--config", str(tmp_path / "tiny.yaml"), "--grid", "4"]
    folder = Kept(results, found[0].digest).analysis
    for split, metric in (("validation", "val_mse"), ("test", "test_mse")):
        assert command.main(["landscape", *(each.key for each in found), "--split", split, *places]) == 0
        with np.load(folder / "landscape.npz") as file:
            ours = [float(file["centre"]), *file["line_loss"][[2, 6]]]
            results_own = [found[0].metrics[metric], found[0].metrics[metric], found[1].metrics[metric]]
            assert ours == pytest.approx(results_own, rel=1e-6) and file["line_at"][[2, 6]].tolist() == [0, 1]
            assert file["loss"].shape == (4, 4) and (file["loss"] > 0).all()
            assert file["path"].shape == (3, 2) and np.allclose(file["path"][(found[0].best_epoch or 0) - 1], 0)
    assert {"landscape.png", "landscape.line.png", "landscape.path.png"} <= {path.name for path in folder.iterdir()}
    assert command.main(["landscape", *(each.key for each in found), "--line", "weights", "--split", "train", *places]) == 0
    with np.load(folder / "landscape.npz") as file:
        assert str(file["line"]) == "weights" and file["line_loss"][2] == file["centre"] and "accuracy" not in file
    assert not (Kept(results, found[1].digest).analysis / "landscape.png").exists(), "of both, it stands with the first"
    assert "validation windows at its own weights" in capsys.readouterr().out


def test_sharpness_of_a_trained_cell_and_what_the_released_function_gives(
    tmp_path: Path, tiny: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    found = trained(job(planned(tiny)[0], results, ("weights",)))
    places = ["--results-dir", str(results), "--config", str(tmp_path / "tiny.yaml")]
    assert command.main(["sharpness", found.key, "--split", "validation", "--windows", "9", "--vectors", "3", *places]) == 0
    said = capsys.readouterr().out
    assert "9 of " in said and "residual" in said and "released power_iteration gives" in said and "no eigenvalue" in said
    with np.load(Kept(results, found.digest).analysis / "sharpness.npz") as file:
        assert file["lambda_min"] <= file["trace"] / found.n_params <= file["lambda_max"]  # type: ignore[operator]
        assert file["max_residual"] < 1e-3 * file["lambda_max"] and file["vhv"].shape == (3,)
    assert command.main(["landscape", found.key, "--grid", "2", *places]) == 0
    assert "0 epochs kept; a path takes three" in capsys.readouterr().out
    assert command.main(["training", found.key, *places]) == 2
    said = capsys.readouterr().err
    assert "no epochs are kept; run_all.py --keep weights,epochs" in said and said.count("\n") == 1
    with pytest.raises(SystemExit, match="2"):
        command.main(["landscape", found.key, "--range", "0"])
    assert "expected a number above 0, found '0'" in capsys.readouterr().err
    for option, value, choices in (
        ("--norm", "filters", "dfilter"), ("--biases", "biasbn", "copy"), ("--dir-type", "state", "weights"),
        ("--line", "both", "states"), ("--split", "training", "validation"),
    ):  # fmt: skip
        with pytest.raises(SystemExit, match="2"):
            command.main(["landscape", found.key, option, value])
        said = capsys.readouterr().err
        assert f"'{value}'" in said and choices in said and said.count("\n") == 1
    assert command.main(["landscape", found.key, "--line", "weights", *places]) == 2
    assert "--line weights is about the line between two cells, found one cell" in capsys.readouterr().err
