"""Several programs at once in one process, as on a CUDA device; here in lanes without streams, on the CPU."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_faults
import test_programs
import test_runner
import torch
from conftest import TINY, Run
from test_programs import kept
from test_replicas import BATCHES, Own, replica, state, trained, windows
from test_step import problem, training

from benchmark.cell import Experiment
from benchmark.runner import pool, worker
from benchmark.runner.job import Job
from benchmark.runner.lanes import LanePool
from benchmark.runner.pool import pool_here
from benchmark.runner.queue import Queue
from benchmark.store.result import Result
from benchmark.store.store import Store
from benchmark.training import device
from benchmark.training.device import by_itself
from benchmark.training.loop import Replica, fit
from benchmark.training.streams import seed_default

LANES = {"PYTHONPATH": test_faults.MISBEHAVING, "LANES": "3"}
bad = test_faults.bad


def jobs(config: Path, folder: Path) -> list[Job]:
    """Three programs of three or two seeds, and what of the grid is left, one cell each."""
    cells = test_programs.cells_of(config)
    single = [replace(test_programs.seams.job(cell, folder), stacked=True) for cell in cells]
    of = [single[at : at + 3] for at in (0, 3)] + [single[6:8]] + [[each] for each in single[8:]]
    return [replace(first, companions=tuple(each.experiment for each in others)) for first, *others in of]


def through_lanes(there: list[Job], folder: Path, lanes: int) -> dict[str, Result]:
    Store(folder).prepare()
    lane_pool, ended = LanePool(lanes, folder), dict[str, Result]()
    try:
        assert Queue(there, lane_pool, folder, lambda result: ended.update({result.key: result})).run() == 0
    finally:
        lane_pool.close()
    return ended


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of four programs of three seeds."""
    path = tmp_path_factory.mktemp("lanes") / "tiny.yaml"
    path.write_text(TINY.replace("EPOCHS", "4"))
    return path


@pytest.fixture(scope="module")
def expected(config: Path) -> dict[str, dict[str, Any]]:
    """What comes of it, one job after the other."""
    outcomes = [outcome for each in jobs(config, config.parent / "singly") for outcome in worker.work(each)]
    return {outcome.key: kept(outcome) for outcome in outcomes if isinstance(outcome, Result)}


def test_results_are_those_of_one_job_after_the_other(
    config: Path, expected: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """To the last bit, whatever is trained beside them."""
    found = through_lanes(jobs(config, tmp_path), tmp_path, 3)
    assert {key: kept(result) for key, result in found.items()} == expected and len(expected) == 12
    assert all(result.peak_memory_bytes is None for result in found.values()), "the process's is that of all of them"
    assert len({result.environment["replicas"] for result in found.values()}) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: lanes have no streams here")
def test_on_a_device_lanes_give_what_one_after_the_other_gives(config: Path, tmp_path: Path) -> None:
    def on_device(folder: Path) -> list[Job]:
        def there(each: Experiment) -> Experiment:
            return replace(each, device="cuda")

        return [
            replace(each, experiment=there(each.experiment), companions=tuple(map(there, each.companions)))
            for each in jobs(config, folder)
        ]

    one, four = (through_lanes(on_device(tmp_path / str(lanes)), tmp_path / str(lanes), lanes) for lanes in (1, 4))
    assert one.keys() == four.keys() and len(one) == 12
    for key, found in four.items():
        assert found.metrics == pytest.approx(one[key].metrics, rel=1e-5), key
        assert found.environment["graphs"] and one[key].environment["graphs"]


def test_threads_that_train_at_once_do_not_meet() -> None:
    """Programs of several and single trainings, with dropout of ours and of torch's, in four threads again and again."""

    def of_own(seed: int) -> Replica:
        with by_itself:
            seed_default(seed, "initialisation")
            return Replica(Own("layer"), training(**(BATCHES | {"epochs": 2})), seed)

    def group(name: str, seed: int) -> list[torch.Tensor]:
        with by_itself:
            there = [replica(name, seed + each, dtype=torch.float32, rho=0.05) for each in range(2)]
        return [state(each) for each in trained(there, stacked=True, dtype=torch.float32)]

    def singly(seed: int) -> list[torch.Tensor]:
        there = [of_own(seed), of_own(seed + 1)]
        fit(there, problem(windows(21, torch.float32), windows(14, torch.float32)))
        return [state(each) for each in there]

    def work(number: int) -> list[torch.Tensor]:
        torch.set_num_threads(1)
        return singly(number) if number % 3 == 0 else group(("patchtst", "tsmixer")[number % 3 - 1], number)

    expected = [work(number) for number in range(9)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(work, range(9)))
    for one, other in zip(found, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_process_killed_costs_no_cell(config: Path, expected: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Each of its cells is tried alone."""
    folder = tmp_path / "results"
    process = test_runner.start(folder, config, "--replicas", "3", "--device", "cpu", **LANES)
    test_runner.until(lambda: len(test_runner.trainings(folder)) > 3)
    (pid,) = test_runner.workers_of(process.pid)
    os.kill(pid, signal.SIGKILL)
    code, out = test_runner.finish(process)
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0"
    assert {key: kept(each) for key, each in test_runner.results(folder).items()} == expected


def test_the_process_ends_with_its_parent_and_the_same_command_goes_on(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    process = test_runner.start(folder, config, "--replicas", "3", "--device", "cpu", **LANES)
    test_runner.until(lambda: len(test_runner.trainings(folder)) > 3)
    (pid,) = test_runner.workers_of(process.pid)
    process.kill()
    process.communicate()
    test_runner.until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
    code, out = test_runner.finish(test_runner.start(folder, config, "--replicas", "3", "--device", "cpu", **LANES))
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0"


def test_each_failure_is_its_own_cells(
    run_all: Run, bad: Callable[..., list[str]], tiny: Callable[[int], Path], tmp_path: Path
) -> None:
    """Though a process that is ended takes the jobs of all its lanes with it."""
    ways = ("raise", "diverge", "exit", "lost")
    done = run_all(*bad(*ways), "--config", str(tiny(1)), "--replicas", "2", "--device", "cpu", **LANES)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == "cells=16 done=12 refused=0 failed=4", done.stdout + done.stderr
    found = test_faults.ended(tmp_path / "results")
    assert {way: each.status for way, each in found.items()} == {
        "raise": "failed", "diverge": "diverged", "exit": "killed", "lost": "failed",
    }  # fmt: skip
    assert "CUDA error: an illegal memory access" in (found["lost"].reason or "")


def test_a_time_limit_is_counted_alone(
    run_all: Run, bad: Callable[..., list[str]], tiny: Callable[[int], Path], tmp_path: Path
) -> None:
    """A cell that hangs, holding what others wait for, has theirs run out with its own."""
    words = [*bad("hang"), "--timeout", "15s", "--config", str(tiny(1)), "--models", "SAMformer,hang", "--horizons", "4"]
    done = run_all(*words, "--replicas", "2", "--device", "cpu", **LANES)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == "cells=4 done=3 refused=0 failed=1", done.stdout + done.stderr
    assert test_faults.ended(tmp_path / "results")["hang"].status == "timeout"


def test_a_job_that_draws_as_its_process_does_is_alone(config: Path, tmp_path: Path) -> None:
    first, second, *_ = jobs(config, tmp_path)
    alone = replace(second, stacked=False)
    assert first.shares and not alone.shares
    lanes = LanePool(3, tmp_path, devices=1)
    (there,) = lanes._processes
    lanes.close()

    def taken(*running: Job) -> list[bool]:
        there._running = {number: (each, Future()) for number, each in enumerate(running)}
        return [lanes.takes(first), lanes.takes(alone)]

    assert taken() == [True, True] and taken(first) == taken(first, first) == [True, False]
    assert taken(alone) == taken(first, first, first) == [False, False]


def test_what_had_not_begun_when_its_process_died_begins_in_the_next(config: Path, tmp_path: Path) -> None:
    each, *_ = jobs(config, tmp_path)
    lanes = LanePool(2, tmp_path)
    (there,) = lanes._processes
    lanes.close()
    began, new = Future[Any](), Future[Any]()
    there._running, there._new = {1: (each, began), 2: (each, new)}, [(2, each)]
    there._died(BrokenExecutor("by signal SIGKILL"))
    assert isinstance(began.exception(), BrokenExecutor) and not new.done()
    assert list(there._running) == [2] and there._new == [(2, each)] and there.room() == 1


def test_on_cuda_devices_programs_of_several_have_lanes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "memory_of", lambda device: (80 * 10**9, 2 if device == "cuda" else 1))

    def lanes(device: str, stacked: bool, asked: int | None, jobs: int = 20) -> list[int] | None:
        there = pool_here(device, stacked, asked, [10**9] * jobs, tmp_path, ())
        there.close()
        return [each.room() for each in there._processes] if isinstance(there, LanePool) else None

    assert lanes("cpu", True, 1) is None and lanes("cuda", False, 1) is None
    assert lanes("cuda", True, 3) == [2, 1] and lanes("cuda", True, 1) == [1]
    assert lanes("cuda", True, None) == [4, 4] and lanes("cuda", True, None, jobs=5) == [3, 2]


def test_a_lane_has_one_stream_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch has 32 of a device and hands them out in turn: the 33rd would be one that others compute or record on."""
    made, entered = list[int](), list[object]()

    @contextmanager
    def stream(one: object) -> Iterator[None]:
        entered.append(one)
        yield

    for name, value in {"Stream": lambda place: made.append(place) or len(made), "stream": stream}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    device._stream.cache_clear()
    for name, number in (("cuda", 0), ("cuda", 1), ("cuda", 0), ("cpu", 0), ("cuda", 1)):
        with device.lane(name, number):
            pass
    device._stream.cache_clear()
    assert entered == [1, 2, 1, None, 2] and made == [1, 1]


def test_a_process_that_died_with_nothing_to_do_is_replaced(config: Path, tmp_path: Path) -> None:
    Store(tmp_path).prepare()
    lanes = LanePool(2, tmp_path)
    try:
        pid = lanes._processes[0]._executor.submit(os.getpid).result()
        os.kill(pid, signal.SIGKILL)
        test_runner.until(lambda: not Path(f"/proc/{pid}").exists())
        (outcome,) = lanes.submit(jobs(config, tmp_path)[-1]).result(60)
        assert isinstance(outcome, Result) and outcome.status == "done"
    finally:
        lanes.close()
