"""A store that an earlier version wrote is read whole: nothing in it is lost, misread or trained again.

`store.jsonl.gz` holds the exact texts of 162 files of a store, a JSON text a line, written by the store of commit 8f7e94c:
made-up numbers for real cells, every status, two of another data file; the two of toy in profile quick were trained.
`shown/` is what `python -m benchmark.show` said of some of them, `listed.txt` what `run_all.py --dry-run` did.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import seams

pytestmark = pytest.mark.usefixtures("semantics_2")

FROZEN = Path(__file__).resolve().parent
COUNTS = {"done": 153, "failed": 4, "diverged": 2, "timeout": 2, "killed": 1}
SHOWN = {
    "key": "toy/quick/toy/24/SAMformer/sam/s0",
    "failed": "toy/toy/24/Transformer/s2",
    "digest": "DIGEST of toy/toy/24/SAMformer/sam/s1",
    "other_recipe": "DIGEST of samovar/ETTh1/L512/96/DLinear/s0",
}
NOT_YET = re.compile(r',\n "sha256": "[0-9a-f]{64}"\n')
"""What that version did not write."""
PLANNED = {"planned": "samovar/ETTh1/L512/96/DLinear/s0", "diverged": "samformer/ETTh2/720/TSMixer/s0"}
LISTED: list[dict[str, Any]] = [
    {"papers": ("samformer",), "subset": ("ETTh1", "ETTh2")},
    {"papers": ("samformer",), "subset": ("ETTh1",), "sam": "both", "horizons": (96,), "models": (
        "SAMformer", "TSMixer", "SAMformer-torch", "SAMformer-norevin", "LastValue", "SeasonalNaive", "Ridge")},
    {"papers": ("samformer",), "subset": ("ETTh1",), "protocol": "paper+batch_mixed_denorm"},
    {"papers": ("samformer",), "subset": ("ETTh1",), "protocol": "released"},
    {"papers": ("samovar",), "subset": ("ETTh1",)},
    {"papers": ("samformer", "samovar"), "subset": ("ETTh1", "ETTh2"), "profile": "quick"},
    {"papers": ("itransformer", "ltsf_linear"), "subset": ("ETTh1",), "models": ("iTransformer", "Ridge", "DLinear")},
    {"papers": ("toy", "var"), "subset": ("toy", "var")},
    {"papers": ("toy",), "profile": "quick"},
]  # fmt: skip


def texts() -> dict[str, str]:
    """The text of every file of the store, by digest."""
    lines = gzip.decompress((FROZEN / "store.jsonl.gz").read_bytes()).decode().splitlines()
    return {json.loads(text)["digest"]: text for text in map(json.loads, lines)}


def unpack(folder: Path) -> Path:
    """The store, below a results folder."""
    (folder / "cells").mkdir(parents=True)
    for digest, text in texts().items():
        (folder / "cells" / f"{digest}.json").write_text(text, "utf-8")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return unpack(tmp_path / "results")


def digest_of(key: str) -> str:
    """The newest Result's of a key."""
    found = [raw for raw in map(json.loads, texts().values()) if raw["key"] == key]
    return str(max(found, key=lambda raw: raw["ended"])["digest"])


def listing(store: Path) -> str:
    """Every plan in words beside the store, by the registry's checksums: no data file is needed."""
    sums = {name: value for name, value in seams.registry().items() if value}
    parts = []
    for selection in LISTED:
        said, last = seams.listed(seams.planned(seams.checksums(sums, Path()), **selection), store)
        parts.append(f"{selection}\n{said}\n{last}\n")
    return "\n".join(parts)


def show(store: Path, data: Path, cell: str) -> str:
    """What `python -m benchmark.show` prints, where there is no data file."""
    words = cell.removeprefix("DIGEST of ")
    name = digest_of(words)[:12] if cell != words else words
    done = seams.command("-m", "benchmark.show", name, "--results-dir", str(store), "--data-dir", str(data))
    assert done.returncode == 0, done.stderr
    return done.stdout


def show_planned(store: Path, key: str) -> str:
    """The same as if the data files were there."""
    sums = {name: value for name, value in seams.registry().items() if value}
    cells = seams.planned(seams.checksums(sums, Path()), papers=(key.split("/")[0],), models=("all",), seeds=(0,))
    (cell,) = (each for each in cells if each.cell.key == key)
    assert cell.digest == digest_of(key)
    return seams.shown(cell, seams.Store(store).read(cell.digest)) + "\n"


def frozen(name: str) -> str:
    return (FROZEN / name).read_bytes().decode()


def test_every_result_is_read_whole(store: Path) -> None:
    held, written = seams.Store(store), texts()
    for digest, text in written.items():
        raw, found = json.loads(text), held.read(digest)
        assert found is not None, raw["key"]
        assert {f.name for f in fields(found)} >= set(raw), "no field that was written is lost"
        for name, value in raw.items():
            assert getattr(found, name) == (tuple(value) if name == "epochs" else value), (raw["key"], name)
        assert held.status(digest) == raw["status"]
    assert held.digests() == set(written) and not held.unreadable and not held.notes()
    assert Counter(found.status for found in seams.results(store)) == COUNTS


def test_a_result_is_written_as_it_was(store: Path, tmp_path: Path) -> None:
    again = seams.Store(tmp_path / "again")
    for digest, text in texts().items():
        found = seams.Store(store).read(digest)
        assert found is not None
        again.write(found)
        assert NOT_YET.sub("\n", again.path(digest).read_text("utf-8")) == text, found.key


def test_plans_count_what_is_done(store: Path) -> None:
    assert listing(store) == frozen("listed.txt")


def test_a_dry_run_counts_what_is_done(store: Path, tmp_path: Path) -> None:
    done = seams.command(
        "run_all.py", "--subset", "toy,var", "--dry-run", "--results-dir", str(store), BENCHMARK_DATA_DIR=str(tmp_path)
    )
    assert done.returncode == 0 and "there is no judged.json beside the Results" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout.endswith("cells=18 done=16 refused=0 failed=2\n")


@pytest.mark.parametrize("name", SHOWN)
def test_show(name: str, store: Path, tmp_path: Path) -> None:
    assert show(store, tmp_path, SHOWN[name]) == frozen(f"shown/{name}.txt")


@pytest.mark.parametrize("name", PLANNED)
def test_show_with_the_recipe(name: str, store: Path) -> None:
    assert show_planned(store, PLANNED[name]) == frozen(f"shown/{name}.txt")
