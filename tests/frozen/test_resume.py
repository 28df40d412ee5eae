"""A checkpoint is what it was, and a training that was broken off goes on from it to the very same Result.

`checkpoint.json` is the structure of a checkpoint, key by key with kinds and shapes: where it changes, its schema has to be
raised, and a training that an earlier version left off begins anew. `trained.json` is what short trainings with dropout,
SAM, accumulation and other optimizers gave. Both are of training semantics 3; `python tests/frozen/test_resume.py` writes
them anew.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import seams
import torch
from test_old_store import FROZEN, texts

KEY = "tiny/toy/4/SAMformer/sam/s0"
EPOCHS, BROKEN_OFF = 6, 3
MORE = """
  TSMixer:
    model: tsmixer
    main: true
    sam: false
    arguments:
      blocks: {value: 1, source: test, status: ours}
      dropout: {value: 0.5, source: test, status: ours}
      ff_width: {value: 8, source: test, status: ours}
    recipe:
      optimizer: {value: adamw, source: test, status: ours}
      weight_decay: {value: 0.1, source: test, status: ours}
      schedule: {value: one_cycle, source: test, status: ours}
      accumulation: {value: 3, source: test, status: ours}
      clip_norm: {value: 0.5, source: test, status: ours}
  TSMixer+SAM:
    like: TSMixer
    main: true
    sam: true
    recipe:
      optimizer: {value: keras_adam, source: test, status: ours}
      schedule: {value: cosine_restarts, source: test, status: ours}
      restart_period: {value: 2, source: test, status: ours}
      selection: {value: last_epoch, source: test, status: ours}
  LastValue: {model: last_value, main: true, sam: false}
"""
"""Columns beside those of tests/conftest.py."""
MEASURED = ("seconds", "peak_memory_bytes", "environment", "started", "ended")
TORCHS_OWN = "/param_groups/0/"
"""What else stands in an optimizer's group depends on the version of torch."""


@dataclass
class Stopper(seams.Unwatched):
    """Looks on, and asks for the end after some epochs."""

    stop: Path
    after: int
    seen: list[Mapping[str, float]] = field(default_factory=list)

    def open(self, begun: seams.Result) -> Stopper:
        return self

    def epoch(self, epoch: Mapping[str, float]) -> None:
        self.seen.append(epoch)
        if len(self.seen) == self.after:
            self.stop.touch()


def cell(config: Path) -> seams.Planned:
    (found,) = (c for c in seams.planned(seams.checksums({}, Path()), (config,), papers=("tiny",)) if c.cell.key == KEY)
    return found


def broken_off(config: Path, folder: Path) -> seams.Job:
    """A job whose training was broken off after three of six epochs."""
    stop = folder / "stop"
    folder.mkdir()
    job = seams.job(cell(config), folder, Stopper(stop, BROKEN_OFF), stop)
    assert seams.trained(job) is None and seams.Store(folder).digests() == set()
    return job


def structure(value: Any, path: str = "") -> dict[str, str]:
    """Every leaf with its path: a tensor's kind and shape, else the kind of value."""
    if isinstance(value, torch.Tensor):
        return {path: f"{value.dtype} {list(value.shape)}"}
    if isinstance(value, Mapping | list | tuple):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        leaves = {path: f"{type(value).__name__} of {len(value)}"}
        for name, each in pairs:
            leaves |= structure(each, f"{path}/{name}")
        return leaves
    return {path: type(value).__name__}


def described(raw: bytes) -> dict[str, str]:
    """The structure of a checkpoint's file, but for what torch alone decides."""
    assert hashlib.sha256(raw[64:]).hexdigest().encode() == raw[:64]
    found = structure(torch.load(io.BytesIO(raw[64:]), weights_only=True))
    known = {"lr", "betas", "eps", "weight_decay", "params"}

    def own(path: str) -> bool:
        inside = path.partition(TORCHS_OWN)[2].split("/")[0]
        return not path.endswith("/param_groups/0") and (not inside or inside in known)

    return {path: kind for path, kind in found.items() if own(path)}


def test_a_checkpoint_has_the_structure_that_it_had(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    job = broken_off(tiny(EPOCHS), tmp_path / "results")
    path = seams.checkpoint_path(job)
    assert path.relative_to(tmp_path / "results").parts == ("checkpoints", f"{job.digest}.pt")
    raw = path.read_bytes()
    assert described(raw) == json.loads((FROZEN / "checkpoint.json").read_text("utf-8"))
    held = torch.load(io.BytesIO(raw[64:]), weights_only=True)
    made_for = {"schema": 2, "digest": job.digest, "torch": str(torch.__version__), "device": "cpu"}
    assert held["made_for"] == made_for and held["seconds"] > 0
    progress = held["state"]["progress"]
    assert len(progress["epochs"]) == BROKEN_OFF and progress["steps"] == BROKEN_OFF * 32
    assert held["state"]["cuda"] is None


def test_it_goes_on_to_the_result_of_one_that_was_not_broken_off(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    config = tiny(EPOCHS)
    whole = seams.trained(seams.job(cell(config), tmp_path / "whole"))
    job = broken_off(config, tmp_path / "results")
    watcher = Stopper(tmp_path / "never", 0)
    resumed = seams.trained(seams.job(cell(config), tmp_path / "results", watcher))
    assert whole is not None and resumed is not None and resumed.status == "done", resumed
    assert resumed.comparable() == whole.comparable()
    assert len(watcher.seen) == EPOCHS == len(resumed.epochs)
    assert "going on from a checkpoint" in seams.log_path(job).read_text("utf-8").splitlines()
    assert not seams.checkpoint_path(job).exists()


def near(today: Any, before: Any) -> bool:
    """Equal but for the last digits of what was computed, which differ from machine to machine."""
    if isinstance(before, Mapping):
        return today.keys() == before.keys() and all(near(today[name], value) for name, value in before.items())
    if isinstance(before, list):
        return len(today) == len(before) and all(map(near, today, before))
    return bool(today == (pytest.approx(before, rel=1e-4) if isinstance(before, float) else before))


def trained_anew(config: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """The first seed of the tiny paper's columns at horizon 4: by key, the Result without what is measured."""
    config.write_text(config.read_text() + MORE)
    cells = seams.planned(seams.checksums({}, Path()), (config,), papers=("tiny",), horizons=(4,), seeds=(0,))
    found = {each.cell.key: seams.trained(seams.job(each, folder)) for each in cells}
    plain = {key: result.comparable() for key, result in found.items() if result is not None}
    return dict(json.loads(json.dumps(plain)))


def test_short_trainings_find_what_they_found(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    today = trained_anew(tiny(3), tmp_path / "results")
    for key, before in json.loads((FROZEN / "trained.json").read_text("utf-8")).items():
        for name, value in before.items():
            assert near(today[key][name], value), (key, name, today[key][name], value)


LATER = {"extra_metrics", "semantics", "code", "sha256"}
"""Fields of a Result that the frozen store does not have."""


@pytest.mark.usefixtures("semantics_2")
@pytest.mark.parametrize("key", ["toy/quick/toy/24/SAMformer/sam/s0", "toy/quick/toy/24/Transformer/s0"])
def test_training_again_finds_what_was_found(key: str, tmp_path: Path) -> None:
    (before,) = (raw for raw in map(json.loads, texts().values()) if raw["key"] == key)
    cells = seams.planned(seams.checksums({}, Path()), papers=("toy",), profile="quick")
    (planned,) = (each for each in cells if each.cell.key == key)
    job = seams.job(planned, tmp_path / "results")
    assert seams.trained(job) is not None and planned.digest == before["digest"]
    today = json.loads(seams.Store(tmp_path / "results").path(before["digest"]).read_text("utf-8"))
    assert [name for name in today if name not in LATER] == list(before)
    for raw in (today, before):
        raw["epochs"] = [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in raw["epochs"]]
    for name in before.keys() - set(MEASURED):
        assert near(today[name], before[name]), (name, today[name], before[name])
    assert today["environment"].keys() == before["environment"].keys()


if __name__ == "__main__":
    import tempfile

    from conftest import TINY

    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "tiny.yaml")
        config.write_text(TINY.replace("EPOCHS", str(EPOCHS)))
        raw = seams.checkpoint_path(broken_off(config, Path(folder, "broken off"))).read_bytes()
        (FROZEN / "checkpoint.json").write_text(json.dumps(described(raw), indent=1) + "\n")
        config.write_text(TINY.replace("EPOCHS", "3"))
        (FROZEN / "trained.json").write_text(json.dumps(trained_anew(config, Path(folder, "results")), indent=1) + "\n")
