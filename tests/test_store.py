"""Results on disk: whole or not at all, read back as written, strangers passed over."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.files import write_atomically
from benchmark.store.result import Result
from benchmark.store.store import Store

DIGEST = "ab" * 32
RESULT = Result(
    key="toy/toy/24/A/s0", digest=DIGEST, status="done", cell={"paper": "toy", "seed": 0},
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


def test_a_result_under_another_name_is_not_that_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(RESULT)
    other = "cd" * 32
    os.rename(store.path(DIGEST), store.path(other))
    assert store.status(other) is None and store.read(other) is None


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
