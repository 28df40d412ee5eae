"""Cells that cannot be: no window, not enough memory. Refused by the plan, with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, TINY, Run

import baselines
from benchmark import machine
from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.data.registry import DATASETS, GROUPS
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.plan import plan


def large(tmp_path: Path, sets: str = "PEMS03, PEMS04, PEMS08, Traffic") -> Path:
    path = tmp_path / "large.yaml"
    text = TINY.replace("EPOCHS", "1").replace("[toy]", f"[{sets}]").replace("value: [4, 8]", "value: [96, 720]")
    path.write_text(text.replace("lookback: {value: 8", "lookback: {value: 4096"))
    return path


def test_pems04_and_pems08_have_no_window_at_4096(run_all: Run, tmp_path: Path) -> None:
    done = run_all("--config", str(large(tmp_path)), "--papers", "tiny", "--seeds", "1", "--dry-run", "--json")
    reasons = {(c["dataset"], c["horizon"]): c["reason"] for c in json.loads(done.stdout)["cells"]}
    assert reasons == {
        (name, horizon): f"no test window: {name}, look-back 4096, horizon {horizon}" if short else None
        for name, short in (("PEMS03", False), ("PEMS04", True), ("PEMS08", True), ("Traffic", False))
        for horizon in (96, 720)
    }


def planned(tmp_path: Path, limit: int | None) -> list[Planned]:
    there = catalogue([large(tmp_path, "Traffic, ETTh1")])
    alone = Catalogue({"tiny": there.papers["tiny"]}, DATASETS, GROUPS)
    return plan(alone, Selection(papers=("tiny",), seeds=(0,), models=("Transformer",)), lambda _: "0" * 64, limit)


def test_what_does_not_fit_is_refused_with_estimate_and_limit(tmp_path: Path) -> None:
    assert [p.refused for p in planned(tmp_path, None)] == [None] * 4
    assert [p.refused for p in planned(tmp_path, 10**12)] == [None] * 4
    reasons = {f"{p.cell.dataset} {p.cell.horizon}": p.refused for p in planned(tmp_path, 10**9)}
    # Traffic: 17,544 rows × 862 × 20 bytes + 3 × 64 windows × 4,192 steps × 862 × 4 bytes; SAMformer's two of 64 × 4,096 ×
    # 862 numbers and four of 64 × 862 × 108, and 6 × 4 bytes × 462,956 parameters.
    said = "not enough memory: about 5.0 GB needed, 1.0 GB there: Traffic, look-back 4096, horizon 96"
    assert reasons["Traffic 96"] == said and "horizon 720" in str(reasons["Traffic 720"])
    assert reasons["ETTh1 96"] is None and reasons["ETTh1 720"] is None


def test_a_model_may_say_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def memory(sizes: Any, arguments: Any) -> tuple[int, int]:
        seen.update(sizes=sizes, arguments=arguments)
        return 5 * 10**12, 7

    monkeypatch.setitem(baselines.MODELS, "samformer", replace(baselines.MODELS["samformer"], memory=memory))
    assert all("about 500" in str(p.refused) for p in planned(tmp_path, 10**12))
    assert seen["arguments"].width == 4 and seen["sizes"].batch == 64 and seen["sizes"].lookback == 4096


def test_the_machine_has_some_memory_and_no_torch_is_needed_to_know() -> None:
    found = machine.memory()
    assert found is not None and 2**28 < found < 2**50
    code = "import sys; from benchmark import machine; machine.memory(); assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    assert machine.size_in_words(3_149_000_000) == "3.1 GB" and machine.size_in_words(12_300_000) == "12 MB"
