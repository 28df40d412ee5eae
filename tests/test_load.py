"""`benchmark.load`: a trained model gives its Result's numbers again; and one sentence where there is none to load."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from data.samples import series
from frozen import seams
from test_kept import error_of, job, planned, trained

import benchmark
import run_all as command
from benchmark.errors import UsageError
from benchmark.store.kept import Kept
from benchmark.store.result import Result
from benchmark.store.store import Store

Loaded = tuple[Path, Path, Result]


@pytest.fixture
def kept(tmp_path: Path, tiny: Callable[[int], Path]) -> Loaded:
    """The YAML, the results folder and the Result of a cell of which all is kept."""
    cell = planned(tiny)[0]
    return tmp_path / "tiny.yaml", tmp_path / "results", trained(job(cell, tmp_path / "results"))


def test_it_gives_the_numbers_of_its_result_again(kept: Loaded) -> None:
    config, folder, result = kept
    for cell in (result.key, result.digest, result.digest[:8]):
        model, task = benchmark.load(cell, folder, config=[config])
        assert not model.training and task.result.digest == result.digest
        assert task.measure(model) == pytest.approx(dict(result.metrics), rel=1e-6) and not model.training
    x, y, _ = task.test.windows.batch(slice(0, 3))
    with np.load(Kept(folder, result.digest).predictions) as file:
        forecast = model(x).detach().numpy()
        assert np.allclose(forecast, file["forecast"][:3], atol=1e-6) and forecast.shape == y.shape
    best, _ = benchmark.load(result.key, folder, config=[config], epoch=result.best_epoch)
    same = zip(model.state_dict().values(), best.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)


def test_the_name_can_be_called_whatever_was_imported_before(kept: Loaded) -> None:
    config, folder, result = kept
    importlib.import_module("benchmark.load")
    assert benchmark.load(result.key, str(folder), config=[str(config)])[1].result.key == result.key
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        benchmark.lode  # noqa: B018


def refused(kept: Loaded, cell: str | None = None, epoch: int | None = None) -> str:
    config, folder, result = kept
    with pytest.raises(UsageError) as caught:
        benchmark.load(cell or result.key, folder, config=[config], epoch=epoch)
    (line,) = str(caught.value).splitlines()
    return line


def test_one_sentence_where_there_is_nothing_to_load(kept: Loaded) -> None:
    _, folder, result = kept
    store, files = Store(folder), Kept(folder, result.digest)
    assert "no cell 'tiny/toy/4/SAMfromer/sam/s0'; did you mean" in refused(kept, "tiny/toy/4/SAMfromer/sam/s0")
    assert "no Result yet; run_all.py with --keep weights" in refused(kept, "tiny/toy/8/SAMformer/sam/s1")
    assert "no weights of epoch 9 are kept" in refused(kept, epoch=9)
    store.write(replace(result, metrics={**result.metrics, "test_mse": 0.5}))
    assert "or of another training than its Result" in refused(kept)
    store.write(replace(result, data_sha256="0" * 64))
    assert "was trained on another data file than" in refused(kept)
    store.write(replace(result, code={"baselines/samformer.py": "0" * 64}, environment={"git_commit": "abc"}))
    assert "other code than today's has trained it" in refused(kept) and "check out its commit abc" in refused(kept)
    store.write(replace(result, status="timeout", reason="late"))
    assert "its Result is 'timeout', so there are no weights" in refused(kept)
    store.write(result)
    whole = files.weights.read_bytes()
    files.weights.write_bytes(whole[:-100])
    assert "no whole weights" in refused(kept)
    files.weights.unlink()
    assert "no weights are kept in" in refused(kept) and "--keep weights trains it again" in refused(kept)


def test_another_data_file_is_told_as_that(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    (tmp_path / "mine.csv").write_text(series(400))
    tiny(1)
    own = tmp_path / "own.yaml"
    own.write_text(f"datasets: {{mine: {{file: {tmp_path / 'mine.csv'}, papers: [tiny], horizons: [4]}}}}\n")
    cell = seams.planned(seams.checksums({}, Path()), (tmp_path / "tiny.yaml", own), papers=("tiny",), subset=("mine",))[0]
    assert cell.recipe is not None and cell.digest is not None
    result = Result(cell.cell.key, cell.digest, "done", vars(cell.cell), metrics={"test_mse": 1.0}, data_sha256="0" * 64)
    Store(tmp_path / "results").write(replace(result, digest="1" * 64))
    with pytest.raises(UsageError, match=r"was trained on another data file than .*mine\.csv: SHA-256 000000000000…"):
        benchmark.load(cell.cell.key, tmp_path / "results", config=[tmp_path / "tiny.yaml", own])


def test_a_transformer_on_etth1_with_the_lines_of_the_document(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command and the two lines of docs/trained_models.md, in profile quick."""
    text = (ROOT / "docs/trained_models.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    words = re.search(r"python run_all\.py (.*--keep weights,predictions)\n", text)
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.S)[:1]
    assert words is not None and len(lines.strip().splitlines()) == 3, "an import and two lines"
    options = [*words[1].split(), "--profile", "quick", "--no-mlflow", "--data-dir", str(data_dir), "--jobs", "1"]
    assert command.main(options) == 0
    (result,) = Store(tmp_path / "results").results()
    monkeypatch.setenv("BENCHMARK_DATA_DIR", str(data_dir))
    said: dict[str, object] = {}
    capsys.readouterr()
    exec(lines.replace("samformer/ETTh1", "samformer/quick/ETTh1"), said)
    found = json.loads(capsys.readouterr().out.replace("'", '"'))
    assert found == pytest.approx(dict(result.metrics), rel=1e-6)
    error = error_of(Kept(tmp_path / "results", result.digest).predictions)
    assert np.square(error).mean() == pytest.approx(result.metrics["test_mse"], rel=1e-6)
    with np.load(Kept(tmp_path / "results", result.digest).predictions) as file:
        assert str(file["times"][0]) == "2017-10-24T00:00:00" and file["mean"].shape == (7,)
