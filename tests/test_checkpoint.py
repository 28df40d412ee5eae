"""A training that was broken off goes on from its checkpoint, and ends as if nothing had been."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from test_step import problem, training
from test_training import alone, made

import baselines
from baselines.base import Forecaster
from benchmark.training import checkpoint as module
from benchmark.training.checkpoint import Checkpoint
from benchmark.training.loop import Epoch, Progress
from benchmark.training.streams import seed_default

DIGEST = "ab" * 32
VARIANTS: dict[str, dict[str, Any]] = {
    "sam": {"rho": 0.1},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine_restarts", "restart_period": 4},
    "keras": {"optimizer": "keras_adam", "selection": "last_epoch", "accumulation": 3},
    "one cycle": {"schedule": "one_cycle", "truncate": 8},
}


class BrokenOff(Exception):
    pass


def begun() -> Forecaster:
    """With dropout, so that torch's default generator counts."""
    seed_default(3, "initialisation")
    return baselines.build(
        "itransformer", lookback=4, horizon=2, channels=3, width=8, heads=2, layers=1, ff_width=8, dropout=0.3
    )


def trained(
    changes: dict[str, Any], kept: Checkpoint | None = None, until: int | None = None
) -> tuple[Forecaster, Progress]:
    model, seen = begun(), list[Epoch]()

    def on_epoch(epoch: Epoch) -> None:
        seen.append(epoch)
        if len(seen) == until and kept is not None:
            kept.write()
            raise BrokenOff

    options: dict[str, Any] = {"epochs": 12, "patience": 6, "batch_size": 8} | changes
    truncate = options.pop("truncate", None)
    values, seen_by_loop = training(**options), problem(made(), made(40), truncate=truncate)
    progress = alone(model, values, seen_by_loop, seed=3, on_epoch=on_epoch, checkpoint=kept)
    assert seen == progress.epochs, "every epoch is told once, those before the resume too"
    return model, progress


def same(one: tuple[Forecaster, Progress], other: tuple[Forecaster, Progress]) -> None:
    weights, others = one[0].state_dict(), other[0].state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    plain = [[{k: v for k, v in e.items() if k != "seconds"} for e in p.epochs] for _, p in (one, other)]
    assert plain[0] == plain[1] and one[1].best_epoch == other[1].best_epoch and one[1].steps == other[1].steps


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., Checkpoint]:
    def new(digest: str = DIGEST, device: str = "cpu", code: str | None = None) -> Checkpoint:
        said: list[str] = []
        kept = Checkpoint(tmp_path / "checkpoints" / "x.pt", digest, device, said.append, code)
        kept.said = said  # type: ignore[attr-defined]
        return kept

    return new


@pytest.mark.parametrize("name", VARIANTS)
def test_broken_off_anywhere_it_ends_the_same(name: str, keep: Callable[..., Checkpoint]) -> None:
    changes = VARIANTS[name]
    whole = trained(changes)
    assert len(whole[1].epochs) > 4
    for until in (1, 3, len(whole[1].epochs)):
        keep().path.unlink(missing_ok=True)
        with pytest.raises(BrokenOff):
            trained(changes, keep(), until)
        torch.manual_seed(until)  # what the process drew meanwhile does not matter
        same(trained(changes, keep()), whole)


def test_broken_off_twice(keep: Callable[..., Checkpoint]) -> None:
    whole = trained(VARIANTS["sam"])
    for until in (2, 5):
        with pytest.raises(BrokenOff):
            trained(VARIANTS["sam"], keep(), until)
    same(trained(VARIANTS["sam"], keep()), whole)


def resealed(raw: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    held = torch.load(io.BytesIO(raw[64:]), weights_only=True)
    change(held)
    content = io.BytesIO()
    torch.save(held, content)
    return sealed(content.getvalue())


def sealed(payload: bytes) -> bytes:
    return hashlib.sha256(payload).hexdigest().encode() + payload


@cache
def plainly() -> tuple[Forecaster, Progress]:
    return trained({})


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (None, "expected a file, found a pipe"),
        (lambda raw: b"", "damaged"),
        (lambda raw: raw[:1000], "damaged"),
        (lambda raw: raw[:900] + bytes([raw[900] ^ 1]) + raw[901:], "damaged"),
        (lambda raw: sealed(b"no archive"), "it is none"),
        (lambda raw: sealed(pickle.dumps({"made_for": Trap()}, 2)), "it is none"),
        (lambda raw: sealed(pickle.dumps([], 2)), "it is none"),
        (lambda raw: resealed(raw, lambda held: held.pop("made_for")), "it is none"),
        (lambda raw: resealed(raw, lambda held: held["made_for"].update(schema=99)), "another schema"),
        (lambda raw: resealed(raw, lambda held: held["made_for"].update(torch="9.9")), "another torch"),
        (lambda raw: resealed(raw, lambda held: held["made_for"].update(digest="0")), "another digest"),
        (lambda raw: resealed(raw, lambda held: held["state"]["optimizer"].clear()), "does not fit"),
        (lambda raw: resealed(raw, lambda held: held["state"]["progress"].clear()), "does not fit"),
        (lambda raw: resealed(raw, lambda held: held["state"]["model"].popitem()), "does not fit"),
        (lambda raw: resealed(raw, lambda held: held["state"].update(default=torch.zeros(3))), "does not fit"),
    ],
)  # fmt: skip
def test_one_that_cannot_be_used_is_passed_over(
    damage: Callable[[bytes], bytes] | None,
    said: str,
    keep: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BrokenOff):
        trained({}, keep(), 3)
    path = keep().path
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(damage(raw)) if damage is not None else os.mkfifo(path)
    kept = keep()
    same(trained({}, kept), plainly())
    assert len(kept.said) == 1 and said in kept.said[0] and not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    ("first", "second", "goes_on"), [("a", "b", False), ("a", "a", True), (None, "b", True), ("a", None, True)]
)
def test_it_goes_on_with_the_code_that_it_was_begun_with(
    first: str | None, second: str | None, goes_on: bool, keep: Callable[..., Any]
) -> None:
    """Else a Result would be of two codes, and say one."""
    with pytest.raises(BrokenOff):
        trained({}, keep(code=first), 3)
    again = keep(code=second)
    same(trained({}, again), trained({}))
    assert ("going on from a checkpoint" in again.said) == goes_on
    assert goes_on or again.said[0] == "checkpoint passed over: it was made for another code"


def test_short_cells_write_none_and_a_full_disk_costs_a_line(
    keep: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = keep()
    trained({}, kept)
    assert not kept.path.exists()
    (tmp_path / "checkpoints").write_text("in the way")
    kept.write()
    assert len(kept.said) == 1 and kept.said[0].startswith("no checkpoint: ")


KILLED = """
import os, sys
from pathlib import Path
from test_checkpoint import DIGEST, Checkpoint, alone, begun, made, problem, training
from benchmark.training import checkpoint
checkpoint.EVERY_SECONDS, checkpoint.SHARE = 0.0, 1e9
seen = []
def on_epoch(epoch):
    seen.append(epoch)
    kept.epoch_ended()
    if len(seen) == 5:
        os.kill(os.getpid(), 9)
kept = Checkpoint(Path(sys.argv[1]), DIGEST, "cpu", print)
kept._pause = 0.0
values = training(epochs=12, patience=6, batch_size=8, rho=0.1)
alone(begun(), values, problem(made(), made(40)), seed=3, on_epoch=on_epoch, checkpoint=kept)
"""


def test_killed_in_mid_training_it_ends_the_same(keep: Callable[..., Checkpoint]) -> None:
    path = keep().path
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL and path.exists(), done.stderr
    kept = keep()
    resumed = trained({"rho": 0.1}, kept)
    assert kept._earlier > 0 and module.EVERY_SECONDS > 1
    same(resumed, trained({"rho": 0.1}))
