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
    assert command.main(["attention", "tiny/toy/4/SAMfromer/sam/s0", *places]) == 2
    assert "did you mean" in capsys.readouterr().err
