"""Results on disk: whole or not at all, read back as written, strangers passed over."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import run_all
from benchmark.errors import UsageError
from benchmark.files import write_atomically
from benchmark.runner.job import Job
from benchmark.show import main as show
from benchmark.store.result import Result
from benchmark.store.store import Store

DIGEST = "ab" * 32
RESULT = Result(
    key="toy/toy/24/A/s0", digest=DIGEST, status="done",
    cell={"paper": "toy", "protocol": "paper", "profile": "paper", "dataset": "toy", "lookback": 8, "horizon": 24,
          "model": "A", "sam": False, "seed": 0},
    metrics={"test_mse": 0.38, "test_mae": 0.4, "val_mse": 0.7, "val_mae": 0.5},
    epochs=({"train_loss": 0.5, "seconds": 1.0},), recipe={"lookback": 8}, environment={"torch": "x"}, seconds=2.0,
)  # fmt: skip


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(RESULT)
    assert store.read(DIGEST) == RESULT
    assert store.status(DIGEST) == "done"
    assert store.digests() == {DIGEST}
    assert [p.name for p in store.cells.iterdir()] == [f"{DIGEST}.json"]
    assert json.loads(store.path(DIGEST).read_text())["schema"] == 1


def test_no_number_that_json_does_not_have(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(replace(RESULT, status="diverged", epochs=({"train_loss": float("nan")},), reason="epoch 1: loss nan"))
    found = store.read(DIGEST)
    assert found is not None and found.epochs[0]["train_loss"] is None
    assert "NaN" not in store.path(DIGEST).read_text()


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '"x"', "{}", '{"schema": 99}', "\x00" * 50, '{"key": "x", "digest": "y", "status": "done"}'],
)
def test_what_is_no_result_is_passed_over(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.prepare()
    store.path(DIGEST).write_text(text)
    assert store.read(DIGEST) is None and store.status(DIGEST) is None and list(store.results()) == []
    assert len(store.notes()) == 1 and f"1: {DIGEST}.json (" in store.notes()[0]


CHANGES: list[tuple[str, str, str]] = [
    ('"train_loss": 0.5', '"train_loss": 0.4', "changed since it was written"),
    ('"test_mse": 0.38', '"test_mse": 0.18', "changed since it was written"),
    ('"torch": "x"', '"torch": "\\x00"', "cut off, or no JSON"),
    ('"seconds": 2.0', '"more": 2.0', "changed since it was written"),
    ("}\n", "", "cut off, or no JSON"),
    ('"status": "done"', '"status": "failed"', "changed since it was written"),
]


@pytest.mark.parametrize(("old", "new", "why"), CHANGES)
def test_a_result_that_was_changed_is_named_and_is_none(tmp_path: Path, old: str, new: str, why: str) -> None:
    store = Store(tmp_path)
    store.write(RESULT)
    text = store.path(DIGEST).read_text()
    assert text.count(old) >= 1
    store.path(DIGEST).write_text(new.join(text.rsplit(old, 1)))
    assert store.status(DIGEST) is None and store.read(DIGEST) is None
    assert store.notes() == [f"{store.cells}: no whole Results, and left out: 1: {DIGEST}.json ({why}); "
                             "the next run of their cells replaces them"]  # fmt: skip
    with pytest.raises(UsageError, match="no whole Result"):
        store.begins(DIGEST[:8])


def test_a_result_whose_checksum_was_taken_out_is_named_and_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(replace(RESULT, code={"baselines/samformer.py": "0" * 64}))
    whole = json.loads(store.path(DIGEST).read_text())
    store.path(DIGEST).write_text(json.dumps({name: value for name, value in whole.items() if name != "sha256"}))
    assert store.status(DIGEST) is None and store.read(DIGEST) is None
    assert "its checksum was taken out" in store.notes()[0]


@pytest.mark.parametrize("value", ['"x"', "null", "true", "1e999", "NaN", "[]"])
def test_done_is_what_has_numbers_in_a_plan_as_in_a_table(tmp_path: Path, value: str) -> None:
    """Such as an earlier version wrote it, without a checksum."""
    store = Store(tmp_path)
    store.write(RESULT)
    text = json.dumps({k: v for k, v in json.loads(store.path(DIGEST).read_text()).items() if k not in ("code", "sha256")})
    store.path(DIGEST).write_text(text)
    assert store.status(DIGEST) == "done" and store.read(DIGEST) == RESULT
    store.path(DIGEST).write_text(text.replace('"test_mse": 0.38', f'"test_mse": {value}'))
    assert store.status(DIGEST) is None and store.read(DIGEST) is None
    assert ("no JSON" if value == "NaN" else "its test_mse is no number") in store.notes()[0]


def test_nor_is_a_null_that_was_written_so(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(replace(RESULT, metrics={"test_mse": float("nan")}))
    assert store.status(DIGEST) is None and store.read(DIGEST) is None


@pytest.mark.parametrize(
    ("metrics", "extra", "why"),
    [({"test_mse": -0.1}, {}, "its test_mse is -0.1, and an error is 0 or more"),
     ({"val_mae": -1e-9}, {}, "its val_mae is -1e-09, and an error is 0 or more"),
     ({}, {"test_rmse": -2.0}, "its test_rmse is -2, and an error is 0 or more"),
     ({"val_mse": 1e-9}, {"test_r2": -0.5, "test_rmse": None}, "")],
)  # fmt: skip
def test_an_error_below_0_is_none(tmp_path: Path, metrics: dict[str, float], extra: dict[str, float], why: str) -> None:
    """In a plan, which reads no more than it must, as in a table. R² is no error."""
    store = Store(tmp_path)
    store.write(replace(RESULT, metrics={**RESULT.metrics, **metrics}, extra_metrics=extra))
    assert (store.read(DIGEST) is None, store.status(DIGEST)) == ((True, None) if why else (False, "done"))
    assert [why in note for note in store.notes()] == ([True] if why else [])


def test_a_text_that_was_only_laid_out_anew_still_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(RESULT)
    text = store.path(DIGEST).read_text()
    for other in (text.replace("\n", "\r\n"), json.dumps(json.loads(text)), json.dumps(json.loads(text), indent=4)):
        store.path(DIGEST).write_bytes(other.encode())
        assert store.status(DIGEST) == "done" and store.read(DIGEST) == RESULT and not store.notes()


@pytest.mark.parametrize(
    ("put", "what"),
    [(Path.mkdir, "a folder"), (os.mkfifo, "expected a file, found a pipe"),
     (lambda path: path.symlink_to("/dev/null"), "expected a file, found a device")],
)  # fmt: skip
def test_what_stands_in_a_results_place_is_said_before_anything_is_trained(
    put: Callable[[Path], None], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--papers", "toy", "--models", "SAMformer", "--seeds", "1", "--no-mlflow", "--results-dir", str(tmp_path)]
    run_all.main([*asked, "--dry-run", "--json"])
    cell = json.loads(capsys.readouterr().out)["cells"][0]
    digest, path = cell["digest"], Store(tmp_path).path(cell["digest"])
    path.parent.mkdir()
    put(path)
    kind = path.stat().st_mode
    assert run_all.main(asked) == 1 and path.stat().st_mode == kind and not (tmp_path / "logs").exists()
    said = capsys.readouterr()
    assert f"{digest}.json ({what}); no such cell is trained until you have moved it away" in said.err
    assert said.out.splitlines()[-1] == "cells=1 done=0 refused=0 failed=1"
    assert run_all.main([*asked, "--dry-run"]) == 0
    assert "1 blocked" in capsys.readouterr().out
    for word in (cell["key"], digest[:6]):
        assert show([word, "--results-dir", str(tmp_path)]) == 1
        assert what in capsys.readouterr().out


def test_the_cell_of_a_damaged_result_is_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--papers", "toy", "--models", "SAMformer", "--seeds", "1", "--dry-run", "--results-dir", str(tmp_path)]

    def status(*more: str) -> tuple[str, str, str]:
        assert run_all.main([*asked, "--json", *more]) == 0
        said = capsys.readouterr()
        cell = json.loads(said.out)["cells"][0]
        return cell["digest"], cell["status"], said.err

    digest = status()[0]
    store = Store(tmp_path)
    store.write(replace(RESULT, digest=digest))
    assert status()[:2] == (digest, "done")
    store.path(digest).write_text(store.path(digest).read_text().replace('"x"', '"y"'))
    assert status()[1] == "to run" and f"{digest}.json (changed since it was written)" in status()[2]


def test_show_says_what_there_is_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, store = "toy/toy/24/SAMformer/s0", Store(tmp_path)

    def shown(said: str = key, status: int = 0) -> str:
        assert show([said, "--results-dir", str(tmp_path)]) == status
        return capsys.readouterr().out

    assert shown().endswith("\nno Result yet\n")
    digest = shown().partition("digest ")[2].split()[0]
    store.write(replace(RESULT, key=key, digest=digest))
    assert "Result: done" in shown() and "no Result" not in shown()
    there = store.path(digest).read_text()
    edited = there.replace("0.38", "0.37")
    for damage, why in ((edited, "changed since it was written"), (there[:200], "cut off, or no JSON")):
        store.path(digest).write_text(damage)
        said = f"is no whole Result ({why}); the next run of its cell replaces it"
        assert said in shown(status=1) and said in shown(digest[:8], status=1)
    store.path(digest).unlink()
    store.write(replace(RESULT, key="toy/quick/toy/24/SAMformer/s0"))
    assert f"no Result of this recipe\nthere is one of profile quick: python -m benchmark.show {DIGEST[:12]}" in shown()
    store.write(replace(RESULT, key=key))
    assert "there is one made with another recipe, data file or training semantics: " in shown()


def test_a_result_under_another_name_is_not_that_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(RESULT)
    other = "cd" * 32
    os.rename(store.path(DIGEST), store.path(other))
    assert store.status(other) is None and store.read(other) is None


def test_of_a_file_whose_name_is_no_digest_it_is_not_said_that_a_run_replaces_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(RESULT)
    store.path(DIGEST).rename(store.cells / f"{DIGEST.upper()}.json")
    (store.cells / "notes.json").write_text("mine")
    assert list(store.results()) == []
    (said,) = store.notes()
    assert said.startswith(
        f"{store.cells}: files whose name is no digest, left out and left alone: 2: {DIGEST.upper()}.json"
    )
    assert "notes.json (cut off, or no JSON); move them away, or give a Result its name back" in said


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_what_is_measured_is_not_compared() -> None:
    again = replace(RESULT, seconds=9.0, environment={}, epochs=({"train_loss": 0.5, "seconds": 7.0},))
    assert again.comparable() == RESULT.comparable()
    assert replace(RESULT, metrics={**RESULT.metrics, "test_mse": 0.39}).comparable() != RESULT.comparable()


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    store = Store(tmp_path)
    assert store.digests() == set()
    with monkeypatch.context() as patch, pytest.raises(UsageError, match="cells: cannot be read"):
        patch.setattr(os, "scandir", denied)
        store.digests()
    for name in ("leases", "logs", "cells"):
        (tmp_path / name).touch()
        with pytest.raises(UsageError, match=f"{name}: a file is where a folder has to be"):
            store.prepare()
        (tmp_path / name).unlink()
        (tmp_path / name).symlink_to(tmp_path / "none")
        with pytest.raises(UsageError, match=f"{name}: a link that leads to no folder is where a folder has to be"):
            store.prepare()
        (tmp_path / name).unlink()


def test_a_result_counts_where_nothing_can_be_kept_beside_it(tmp_path: Path) -> None:
    for name in ("checkpoints", "forecasts"):
        (tmp_path / name).touch()
    job = Job(SimpleNamespace(digest=DIGEST), tmp_path)  # type: ignore[arg-type]
    assert job.record(RESULT, lambda: False) is RESULT and Store(tmp_path).status(DIGEST) == "done"
    said = Store(tmp_path).not_kept()
    assert len(said) == 2 and "checkpoints are not kept" in said[0] and "forecasts are not kept" in said[1]
