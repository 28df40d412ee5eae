"""`--keep`: weights, forecasts and the weights of every epoch stand beside a Result, and are of that very training."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from frozen import seams
from numpy.typing import NDArray
from safetensors.torch import load_file
from test_code import planned_cells, stored

import run_all as command
from benchmark.cell import Experiment
from benchmark.grid import again
from benchmark.grid.again import Again
from benchmark.grid.cells import Planned
from benchmark.runner.job import Job, Unwritten
from benchmark.runner.worker import train, under_lease
from benchmark.session import Session
from benchmark.store.kept import KINDS, Kept, about_predictions, about_weights
from benchmark.store.result import Result
from benchmark.store.result import plain as plain_form
from benchmark.store.store import Store
from benchmark.training import checkpoint
from benchmark.training.loop import Replica


def planned(tiny: Callable[[int], Path], epochs: int = 3) -> list[Planned]:
    return seams.planned(seams.checksums({}, Path()), (tiny(epochs),), papers=("tiny",), horizons=(4,))


def job(cell: Planned, folder: Path, keep: Sequence[str] = KINDS) -> Job:
    return replace(seams.job(cell, folder), keep=tuple(keep))


def trained(each: Job) -> Result:
    result = seams.trained(each)
    assert result is not None and result.status == "done", result
    return result


def error_of(path: Path) -> NDArray[np.float64]:
    """Forecast − target [N, H, C] of a file of predictions, as its documents say."""
    with np.load(path, allow_pickle=False) as file:
        horizon = file["forecast"].shape[1]
        targets = np.stack([file["truth"][first : first + horizon] for first in file["first"]])
        assert file["forecast"].dtype == np.float32
        return file["forecast"].astype(np.float64) - targets


def test_what_is_kept_is_of_the_training_that_the_result_is_of(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    plain, keeping = (job(planned(tiny)[0], tmp_path / name, keep) for name, keep in (("a", ()), ("b", KINDS)))
    result = trained(keeping)
    assert result.comparable() == trained(plain).comparable(), "keeping changes no number"
    kept = keeping.kept
    error = error_of(kept.predictions)
    assert np.square(error).mean() == pytest.approx(result.metrics["test_mse"], rel=1e-6)
    assert np.abs(error).mean() == pytest.approx(result.metrics["test_mae"], rel=1e-6)
    weights, said = load_file(kept.weights), about_weights(kept.weights)
    assert (said["key"], said["digest"], said["recipe"]) == (result.key, result.digest, plain_form(result)["recipe"])
    assert said["metrics"] == about_predictions(kept.predictions)["metrics"] == dict(result.metrics)
    assert sum(each.numel() for each in weights.values()) >= (result.n_params or 0) > 0
    best = load_file(kept.epoch(result.best_epoch or 0))
    assert all(torch.equal(weights[name], best[name]) for name in weights)
    assert sorted(path.name for path in kept.folder.iterdir()) == [f"epoch-{n}.safetensors" for n in (1, 2, 3)]
    assert not Kept(plain.results_dir, plain.digest).files()


def test_a_done_cell_that_lacks_what_is_asked_for_is_trained_again_and_its_result_stays(
    tmp_path: Path, tiny: Callable[[int], Path]
) -> None:
    cell = planned(tiny)[0]
    store, folder = Store(tmp_path), tmp_path
    trained(job(cell, folder, ()))
    stamp = store.stamp(cell.digest or "")
    asked = Again(keep=("weights", "epochs"))
    assert asked.todo([cell], store) == [cell] and Again().todo([cell], store) == []
    result = trained(job(cell, folder, asked.keep))
    assert store.stamp(cell.digest or "") == stamp, "the same numbers: the Result stays as it is"
    assert asked.todo([cell], store) == [] and Again(keep=KINDS).todo([cell], store) == [cell]
    kept = Kept(folder, result.digest)
    kept.epoch(2).unlink()
    assert asked.todo([cell], store) == [cell]
    trained(job(cell, folder, asked.keep))
    assert kept.epoch(2).is_file() and asked.todo([cell], store) == []


def test_weights_of_another_training_than_the_result_count_as_lacking(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    cell = planned(tiny)[0]
    result = trained(job(cell, tmp_path))
    earlier = {result.digest: result}
    other = replace(result, metrics={**result.metrics, "test_mse": 0.5})
    store = Store(tmp_path)
    store.write(other)
    assert Again(keep=("predictions",)).todo([cell], store) == [cell]
    (line,) = again.other_numbers(earlier, store)
    assert line.startswith(f"{result.key} was trained again for what is kept") and "test_mse 0.5, was " in line
    before = Again(keep=KINDS).earlier([cell], store)
    trained(job(cell, tmp_path))
    assert len(again.other_numbers(before, store)) == 1 and not Again(keep=KINDS).todo([cell], store)


def test_a_run_says_which_result_came_out_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a cell is trained again for what is kept alone: nobody asked for other numbers."""
    cells = planned_cells()[:2]
    for each in cells:
        stored(tmp_path, each, {}, 0.4)

    @contextmanager
    def trained_otherwise(self: Session, todo: Sequence[Planned], *others: Any) -> Iterator[Any]:
        stored(tmp_path, todo[0], {}, 0.5)
        stored(tmp_path, todo[1], {}, 0.4)
        yield SimpleNamespace(run=lambda: None)

    monkeypatch.setattr(Session, "_queue", trained_otherwise)
    words = ["--papers", "toy", "--models", "SAMformer", "--seeds", "2", "--no-mlflow", "--results-dir", str(tmp_path)]
    assert command.main([*words, "--keep", "weights"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "trained again" in line]
    (line,) = said
    assert line.startswith(f"run_all.py: {cells[0].cell.key} was trained again for what is kept, and came out otherwise")
    assert line.endswith(", val_mse 0.5, was 0.4, val_mae 0.5, was 0.4") and "the new Result stands: test_mse 0.5" in line


def test_what_a_killed_process_left_half_written_is_cleared(tmp_path: Path) -> None:
    places = ["weights/.a.safetensors.x.tmp", "weights/a/.epoch-1.safetensors.x.tmp", "predictions/.a.npz.x.tmp"]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"half")
    Store(tmp_path).prepare()
    assert all((tmp_path / place).exists() for place in places), "it may be somebody's who is at work"
    for place in places:
        os.utime(tmp_path / place, (0, 0))
    Store(tmp_path).prepare()
    assert not any((tmp_path / place).exists() for place in places)


def test_each_of_a_group_keeps_its_own(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    cells = [cell for cell in planned(tiny) if cell.cell.model == "SAMformer"][:3]
    jobs = [job(cell, tmp_path) for cell in cells]
    together = replace(jobs[0], companions=tuple(each.experiment for each in jobs[1:]), stacked=True)
    turns = []
    for member in together.members:
        with under_lease(member) as turn:
            turns.append(turn)
    train(turns)
    for each, turn in zip(jobs, turns, strict=True):
        result = turn.outcome
        assert isinstance(result, Result) and result.status == "done" and not each.lacks(result)
        mse = float(np.square(error_of(each.kept.predictions)).mean())
        assert mse == pytest.approx(result.metrics["test_mse"], rel=1e-6)
        assert about_weights(each.kept.epoch(3))["key"] == result.key
    files = [each.kept.weights.read_bytes() for each in jobs]
    assert len(set(files)) == 3


def test_the_epochs_of_a_training_that_goes_on_from_a_checkpoint_are_whole(
    tmp_path: Path, tiny: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was ended after two of four epochs; and once more, where the first attempt kept none: then it begins anew."""
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    cell = planned(tiny, 4)[0]
    whole = job(cell, tmp_path / "whole")
    trained(whole)
    for name, first in (("kept", KINDS), ("not kept", ())):
        each, stop = job(cell, tmp_path / name), tmp_path / f"stop {name}"
        ended = Replica.epoch_ended

        def ends(self: Replica, *told: Any, stop: Path = stop, ended: Callable[..., None] = ended) -> None:
            if len(self.progress.epochs) == 1:
                stop.touch()
            ended(self, *told)

        with monkeypatch.context() as patch:
            patch.setattr(Replica, "epoch_ended", ends)
            assert seams.trained(replace(each, keep=first, stop=stop)) is None
        assert len(list(each.kept.folder.glob("epoch-*"))) == (2 if first else 0)
        assert trained(each).comparable() == Store(whole.results_dir).read(whole.digest).comparable()  # type: ignore[union-attr]
        assert ("going on from a checkpoint" in each.log_path.read_text()) == bool(first)
        for number in range(1, 5):
            one, other = load_file(whole.kept.epoch(number)), load_file(each.kept.epoch(number))
            assert all(torch.equal(one[n], other[n]) for n in one), f"{name}: epoch {number}"


@pytest.mark.parametrize("model", ["ridge", "last_value"])
def test_models_in_closed_form_too(model: str, tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    config = tiny(1)
    config.write_text(config.read_text() + f"  Floor: {{model: {model}, main: false, sam: false}}\n")
    sums = seams.checksums({}, Path())
    (cell,) = seams.planned(sums, (config,), papers=("tiny",), models=("Floor",), horizons=(4,))
    each = job(cell, tmp_path, again.keeps(cell.recipe, KINDS))
    result = trained(each)
    assert each.keep == ("weights", "predictions") and not each.lacks(result)
    assert np.square(error_of(each.kept.predictions)).mean() == pytest.approx(result.metrics["test_mse"], rel=1e-6)
    assert (model == "ridge") == bool(load_file(each.kept.weights))


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_does_not_take_it_is_one_line_and_no_result(
    kind: str, tmp_path: Path, tiny: Callable[[int], Path]
) -> None:
    each = job(planned(tiny)[0], tmp_path, (kind,))
    place = "predictions" if kind == "predictions" else "weights"
    (tmp_path / place).write_text("mine")
    with under_lease(each) as turn:
        train([turn])
    assert isinstance(turn.outcome, Unwritten) and turn.outcome.why.startswith(f"cannot write {tmp_path / place}")
    assert not Store(tmp_path).digests() and (tmp_path / place).read_text() == "mine"


def test_a_disk_that_is_full_when_they_settle(
    tmp_path: Path, tiny: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    each, rename = job(planned(tiny)[0], tmp_path, ("weights", "predictions")), os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith(".npz") and "predictions" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr("benchmark.files.os.replace", full)
    with under_lease(each) as turn:
        train([turn])
    assert isinstance(turn.outcome, Unwritten) and "predictions" in turn.outcome.why
    assert not Store(tmp_path).digests() and not list(tmp_path.rglob("predictions/.*")), "no draft stays"


PROFILES = ("quick", "paper")


def plan(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> tuple[int, str, str]:
    words = ["--papers", "toy", "--models", "SAMformer", "--seeds", "3", "--dry-run", "--results-dir", str(folder)]
    capsys.readouterr()
    status = command.main([*words, *options])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_plan_says_how_many_bytes_and_refuses_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = plan(capsys, tmp_path, "--keep", "weights,predictions")
    assert status == 0 and "--keep weights,predictions: at most about " in err and "for 3 cells to run" in err
    assert json.loads(plan(capsys, tmp_path, "--keep", "weights", "--json")[1])["keep_bytes"] > 0
    digests = [each["digest"] for each in json.loads(plan(capsys, tmp_path, "--json")[1])["cells"]]
    asked = json.loads(plan(capsys, tmp_path, "--keep", "epochs", "--json")[1])["cells"]
    assert digests == [each["digest"] for each in asked], "it enters no digest"
    sizes = [json.loads(plan(capsys, tmp_path, "--keep", "epochs", "--profile", each, "--json")[1]) for each in PROFILES]
    assert 0 < 2 * sizes[0]["keep_bytes"] < sizes[1]["keep_bytes"], "a profile that bounds the steps bounds the epochs"
    monkeypatch.setattr(again, "free", lambda folder: 1000)
    status, out, err = plan(capsys, tmp_path, "--keep", "predictions")
    assert status == 2 and not out and len(err.splitlines()) == 1 and "has room for " in err
    status, out, err = plan(capsys, tmp_path, "--keep", "weight")
    assert status == 2 and err == "run_all.py: --keep: unknown 'weight'; did you mean 'weights'?\n"


def test_the_bytes_are_about_those_that_are_written(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    from benchmark.grid import cost

    cell = planned(tiny)[0]
    each = job(cell, tmp_path)
    trained(each)
    dataset = seams.everything().datasets["toy"]
    for wanted, paths in (("weights", [each.kept.weights]), ("predictions", [each.kept.predictions]),
                          ("epochs", list(each.kept.folder.iterdir()))):  # fmt: skip
        written = sum(path.stat().st_size for path in paths)
        assert written * 0.9 < cost.kept(cell, dataset, (wanted,)) < written * 1.1 + 6000 * len(paths), wanted


def test_a_window_that_has_no_forecast_of_its_own_keeps_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["--papers", "samformer", "--subset", "ETTh1", "--horizons", "96", "--models", "SAMformer", "--seeds", "1"]
    words = [*options, "--protocol", "paper+batch_mixed_denorm", "--dry-run", "--results-dir", str(tmp_path)]
    assert command.main([*words, "--keep", "predictions,weights", "--data-dir", str(tmp_path)]) == 0
    assert "no predictions of 1 of them: with batch_mixed_denorm a window has no" in capsys.readouterr().err


def test_an_export_leaves_it_out(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    from benchmark.store.__main__ import main as store

    each = job(planned(tiny)[0], tmp_path / "results")
    trained(each)
    assert store(["export", str(tmp_path / "all.gz"), "--results-dir", str(tmp_path / "results")]) == 0
    assert store(["import", str(tmp_path / "all.gz"), "--results-dir", str(tmp_path / "other")]) == 0
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["cells"]


def test_experiments_know_nothing_of_it() -> None:
    assert "keep" not in Experiment.__dataclass_fields__
