"""The peak memory of a cell is that cell's own, whatever its worker has trained earlier; or it is not known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from frozen import seams
from test_split_brain import go, job

from benchmark import machine
from benchmark.runner.pool import KEEP_MEMORY
from benchmark.store.result import Result
from benchmark.tracking.runs import ending_tags
from benchmark.training.memory import PeakMemory

BIG = 300 * 2**20
IN_ONE_WORKER = f"""
import json, sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = ["tests", "."]
import torch
from frozen import seams
from test_split_brain import At, go

def take():  # in pieces, so that they come from the heap that a worker keeps
    [torch.ones(2**18) for _ in range({BIG} // 2**20)]

folder = Path(sys.argv[1])
cells = seams.planned(seams.checksums({{}}, Path()), (Path(sys.argv[2]),), papers=("tiny",))
jobs = [seams.job(cell, folder) for cell in cells[:3]]
done = [go(jobs[0]), go(replace(jobs[1], watcher=At(1, take))), go(jobs[2])]
print(json.dumps([result.peak_memory_bytes for result in done]))
"""


def test_a_small_cell_after_a_big_one(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    if not machine.reset_peak_memory():
        pytest.skip("this system does not let a process measure its peak memory anew")
    command = [sys.executable, "-c", IN_ONE_WORKER, str(tmp_path), str(tiny(1))]
    env = os.environ | KEEP_MEMORY
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    small, big, small_again = json.loads(done.stdout.splitlines()[-1])
    assert big > small + 0.9 * BIG
    assert small_again < small + 0.2 * BIG


def test_where_it_cannot_be_measured_it_is_not_known(
    tmp_path: Path, tiny: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "reset_peak_memory", lambda: False)
    result = go(job(tiny(1), tmp_path))
    assert isinstance(result, Result) and result.status == "done" and result.peak_memory_bytes is None
    assert "peak_memory_of" not in ending_tags(result)


def test_on_a_cuda_device_it_begins_anew_too(monkeypatch: pytest.MonkeyPatch) -> None:
    allocated = [900]
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: allocated.append(0))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: allocated[-1])
    peak = PeakMemory("cuda")
    assert peak.bytes() == 0
    allocated.append(70)
    assert peak.bytes() == 70


def test_mlflow_says_what_the_figure_is(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    cell = seams.planned(seams.checksums({}, Path()), (tiny(1),), papers=("tiny",))[0]
    result = replace(seams.job(cell, tmp_path).without_result("failed", "x"), peak_memory_bytes=1)
    on_cpu, on_cuda = (replace(result, environment={"device": name}) for name in ("cpu", "NVIDIA H100"))
    assert ending_tags(on_cpu)["peak_memory_of"] == "resident in the worker process, libraries included"
    assert ending_tags(on_cuda)["peak_memory_of"] == "allocated by tensors on the CUDA device"
