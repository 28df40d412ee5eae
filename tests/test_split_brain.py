"""A worker that was silent for longer than its lease (suspended, paused, hung) comes back: another has the cell by then."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from frozen import seams
from pools import Looks
from test_runner import finish, start, until

from benchmark.runner.job import Busy, Job, Stopped
from benchmark.runner.worker import train, under_lease
from benchmark.store.leases import LEASE_SECONDS, Leases
from benchmark.store.result import Result, Status
from benchmark.store.store import Store


def job(config: Path, folder: Path) -> Job:
    """One cell of `tiny`."""
    cells = seams.planned(seams.checksums({}, Path()), (config,), papers=("tiny",))
    return seams.job(cells[0], folder)


def taken_over(each: Job, status: Status | None) -> Callable[[], None]:
    """Another takes the cell; it has ended it already where a status is given."""

    def take() -> None:
        where = Leases(each.results_dir)
        where.path(each.digest).unlink()
        if status is None:
            assert where.take(each.digest) is not None
        else:
            Store(each.results_dir).write(replace(each.without_result(status, "the other's"), metrics={"test_mse": 1.0}))

    return take


def go(each: Job) -> object:
    with under_lease(each) as turn:
        if turn.is_ours:
            train([turn])
    return turn.outcome


@pytest.mark.parametrize("status", [None, "done", "failed"])
def test_who_lost_the_cell_ends_and_touches_nothing(
    tiny: Callable[[int], Path], tmp_path: Path, status: Status | None
) -> None:
    each = job(tiny(6), tmp_path)
    watch = Looks(2, taken_over(each, status))
    each.checkpoint_path.parent.mkdir()
    assert go(replace(each, watcher=watch)) == Stopped(each.digest)
    assert len(watch.seen) == 2, "it trained on"
    found = Store(tmp_path).read(each.digest)
    assert (found.status if found else None) == status
    assert Leases(tmp_path).path(each.digest).exists() == (status is None)
    assert "taken over by somebody else" in each.log_path.read_text()


def test_a_lease_that_somebody_deleted_costs_no_training(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    each = job(tiny(4), tmp_path)
    watch = Looks(2, lambda: Leases(tmp_path).path(each.digest).unlink())
    outcome = go(replace(each, watcher=watch))
    assert isinstance(outcome, Result) and outcome.status == "done" and Store(tmp_path).status(each.digest) == "done"


@pytest.mark.parametrize("late", ["timeout", "killed", "failed", "diverged"])
def test_what_is_not_done_replaces_nothing_that_is(late: Status, tiny: Callable[[int], Path], tmp_path: Path) -> None:
    each = job(tiny(2), tmp_path)
    done = go(each)
    assert isinstance(done, Result) and done.status == "done"
    bytes_of = Store(tmp_path).path(each.digest).read_bytes()
    said = each.without_result(late, "late")
    assert each.record(said, lambda: False) == Store(tmp_path).read(each.digest)
    assert each.record(said, lambda: True) == Busy(each.digest)
    assert Store(tmp_path).path(each.digest).read_bytes() == bytes_of
    assert replace(each, replaces=("done",)).record(said, lambda: False) is said


def family(pid: int) -> list[int]:
    """A process with all that it started."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


@pytest.mark.long
@pytest.mark.parametrize("limit", [(), ("--timeout", "30s")], ids=["no limit", "limit"])
@pytest.mark.parametrize("both", [True, False], ids=["both stopped", "workers stopped"])
def test_a_suspended_invocation_comes_back(
    tiny: Callable[[int], Path], tmp_path: Path, limit: tuple[str, ...], both: bool
) -> None:
    """As Slurm suspends a job: for longer than a lease, while another invocation takes over and ends what it had begun."""
    config, folder = tiny(60), tmp_path / "results"
    few = ("--models", "SAMformer", "--seeds", "1", "--horizons", "4", "--jobs", "1")
    finish(start(tmp_path / "undisturbed", config, *few))
    process = start(folder, config, *few, *limit)
    until(lambda: any("epoch 5:" in log.read_text() for log in (folder / "logs").glob("*.log")), 120)
    stopped = family(process.pid)[0 if both else 1 :]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    code, out = finish(start(folder, config, *few))
    assert code == 0 and "done=1" in out and time.monotonic() - begun > LEASE_SECONDS - 10
    bytes_of = {path.name: path.read_bytes() for path in (folder / "cells").glob("*.json")}
    for pid in stopped:
        with suppress(ProcessLookupError):  # a parent that goes on may have ended it
            os.kill(pid, signal.SIGCONT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and "Traceback" not in err and "done=1" in out, (out, err)
    assert {path.name: path.read_bytes() for path in (folder / "cells").glob("*.json")} == bytes_of
    (one,), (other,) = Store(tmp_path / "undisturbed").results(), Store(folder).results()
    assert one.comparable() == other.comparable()


def test_drafts_of_killed_processes_are_cleared_when_nobody_can_be_writing_them(tmp_path: Path) -> None:
    old = time.time() - 7200
    for folder in ("cells", "checkpoints", "leases"):
        (tmp_path / folder).mkdir()
        for name, moment in ((".left.tmp", old), (".fresh.tmp", time.time())):
            (tmp_path / folder / name).write_bytes(b"half")
            os.utime(tmp_path / folder / name, (moment, moment))
    Store(tmp_path).prepare()
    assert {path.name for path in tmp_path.rglob(".*")} == {".fresh.tmp"}
