"""The peak memory of a cell is that cell's own, whatever its worker has trained earlier; or it is not known.

Of several CUDA devices each worker has one, here and on Dask.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from frozen import seams
from test_split_brain import go, job

from benchmark import machine
from benchmark.grid import cost
from benchmark.runner import pool
from benchmark.runner.dask import pool as dask_pool
from benchmark.runner.dask import worker as dask_worker
from benchmark.runner.job import Job
from benchmark.runner.pool import KEEP_MEMORY
from benchmark.store.result import Result
from benchmark.tracking.runs import ending_tags
from benchmark.training import device
from benchmark.training.device import PeakMemory

BIG = 300 * 2**20
IN_ONE_WORKER = f"""
import json, sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = ["tests", "."]
import torch
from frozen import seams
from pools import Looks
from test_split_brain import go

def take():  # in pieces, so that they come from the heap that a worker keeps
    [torch.ones(2**18) for _ in range({BIG} // 2**20)]

folder = Path(sys.argv[1])
cells = seams.planned(seams.checksums({{}}, Path()), (Path(sys.argv[2]),), papers=("tiny",))
jobs = [seams.job(cell, folder) for cell in cells[:3]]
done = [go(jobs[0]), go(replace(jobs[1], watcher=Looks(1, take))), go(jobs[2])]
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


@pytest.mark.parametrize(("devices", "chosen"), [(1, [0, 0, 0, 0]), (2, [0, 1, 0, 1]), (4, [0, 1, 2, 3])])
def test_workers_go_round_the_devices(monkeypatch: pytest.MonkeyPatch, devices: int, chosen: list[int]) -> None:
    found: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    monkeypatch.setattr(torch.cuda, "set_device", found.append)
    for place in range(4):
        device.choose("cpu", place)
        device.choose("cuda", place)
    assert found == chosen


def test_float32_on_a_device_is_float32_in_convolutions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "set_device", lambda place: None)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    device.choose("cpu", 0)
    assert torch.backends.cudnn.allow_tf32
    device.choose("cuda", 0)
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


def test_a_cell_is_trained_on_its_workers_device(
    tmp_path: Path, tiny: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[tuple[str, int]] = []
    monkeypatch.setattr(device, "choose", lambda *given: chosen.append(given))
    go(replace(job(tiny(1), tmp_path), place=3))
    assert chosen == [("cpu", 3)]


class Executor:
    """Of a process that there is not. `dead`: so many of the next calls find that it died while it was idle."""

    dead = 0

    def __init__(self, env: object) -> None:
        pass

    def submit(self, function: object, *given: object) -> Future[Any]:
        if Executor.dead and function is not pool.prepare:
            Executor.dead -= 1
            raise BrokenExecutor
        future: Future[Any] = Future()
        if given and isinstance(given[0], Job):
            future.job = given[0]  # type: ignore[attr-defined]
        return future

    def shutdown(self, **how: object) -> None:
        pass


def test_every_worker_has_a_place_and_leaves_it_to_its_successor(
    tmp_path: Path, tiny: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "process", Executor)
    there, each = pool.LocalPool(3, tmp_path), job(tiny(1), tmp_path)
    futures: list[Any] = [there.submit(each) for _ in range(3)]
    places = [future.job.place for future in futures]
    assert sorted(places) == [0, 1, 2]
    futures[1].set_exception(BrokenExecutor())
    futures[2].set_result([each.without_result("failed", "x")])
    assert there.room() == 2
    again: list[Any] = [there.submit(each) for _ in range(2)]
    assert [future.job.place for future in again] == [places[2], places[1]]
    again[0].set_result([each.without_result("failed", "x")])
    there.room()
    monkeypatch.setattr(Executor, "dead", 1)
    assert there.submit(each).job.place == places[2]  # type: ignore[attr-defined]


def test_dasks_workers_are_counted_on_each_machine() -> None:
    there = dask_pool.DaskPool.__new__(dask_pool.DaskPool)
    there._places, there._workers = {}, {"tcp://a:1", "tcp://a:2", "tcp://b:1", "tcp://[::1]:5"}
    assert [there._place(w) for w in ("tcp://a:2", "tcp://a:1", "tcp://b:1", "tcp://[::1]:5")] == [1, 0, 0, 0]
    there._workers = {"tcp://a:2", "tcp://a:3", "tcp://a:4", "tcp://b:1"}
    assert [there._place(w) for w in ("tcp://a:2", "tcp://a:3", "tcp://a:4")] == [1, 0, 2]


def test_a_dask_worker_meets_no_other_on_a_device() -> None:
    assert [dask_worker._place(k, "") for k in range(3)] == [0, 1, 2], "all see all devices"
    assert [dask_worker._place(k, str(k)) for k in range(3)] == [0, 0, 0], "each sees its own"
    turned = ["0,1,2,3", "1,2,3,0", "2,3,0,1", "3,0,1,2"]  # dask-cuda
    chosen = [names.split(",")[dask_worker._place(k, names)] for k, names in enumerate(turned)]
    assert chosen == ["0", "1", "2", "3"]


def test_as_many_at_once_as_the_devices_have_memory_for() -> None:
    gigabyte = 10**9
    assert cost.jobs(8, [gigabyte] * 20, 10 * gigabyte, devices=1) == 5
    assert cost.jobs(16, [gigabyte] * 20, 10 * gigabyte, devices=2) == 10
    assert cost.jobs(8, [20 * gigabyte, gigabyte, gigabyte], 24 * gigabyte, devices=2) == 2
