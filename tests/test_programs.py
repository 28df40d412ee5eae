"""A job of several cells: each has a lease, a log, a checkpoint and a Result of its own, and one program trains them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pytest
import test_runner
from conftest import ROOT
from frozen import seams
from pools import Here, Looks
from tape import Tape, as_on_a_device
from test_disk import AtOnce

import run_all
from benchmark.errors import StopTraining
from benchmark.grid.cells import Planned
from benchmark.grid.cost import PROCESS_BYTES, estimate, programs
from benchmark.problems.forecasting import Forecasting
from benchmark.runner import pool, worker
from benchmark.runner.job import Busy, Job, Stopped
from benchmark.runner.pool import WorkerDied
from benchmark.runner.queue import Queue
from benchmark.store.leases import Leases
from benchmark.store.result import Result
from benchmark.store.store import Store
from benchmark.training.checkpoint import Checkpoint


def cells_of(config: Path, **selection: Any) -> list[Planned]:
    return seams.planned(seams.checksums({}, Path()), (config,), papers=("tiny",), **selection)


def job(config: Path, folder: Path, **more: Any) -> Job:
    """Three seeds of one cell."""
    first, *others = (seams.job(cell, folder) for cell in cells_of(config, models=("SAMformer",), horizons=(4,)))
    return replace(first, companions=tuple(other.experiment for other in others), stacked=True, **more)


def kept(outcome: object) -> dict[str, Any]:
    """What of a Result is the same whenever it is trained."""
    assert isinstance(outcome, Result), outcome
    epochs = [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in outcome.epochs]
    return {"status": outcome.status, "metrics": outcome.metrics, "epochs": epochs, "best": outcome.best_epoch}


def test_seeds_of_one_recipe_are_one_program(tiny: Callable[[int], Path]) -> None:
    cells, sets = cells_of(tiny(1)), seams.everything().datasets
    assert [len(each) for each in programs(cells, None, sets)] == [3, 3, 3, 3]
    assert [len(each) for each in programs(cells, 2, sets)] == [2, 1, 2, 1, 2, 1, 2, 1]
    assert [len(each) for each in programs(cells, 1, sets)] == [1] * 12
    assert [len(each) for each in programs(cells, None, sets, memory_bytes=10**8)] == [1] * 12
    assert sorted((p for each in programs(cells, 2, sets) for p in each), key=lambda p: p.cell) == sorted(
        cells, key=lambda p: p.cell
    )
    each = estimate(sets["toy"], 4, cells[0].recipe) if cells[0].recipe else 0
    three = int((PROCESS_BYTES + 3.5 * (each or 0)) / 0.9)
    four = [cell for cell in cells if cell.cell.horizon == 4]
    assert [len(one) for one in programs(four, None, sets, three)] == [3, 3]
    assert [len(one) for one in programs(four, None, sets, 2 * three, at_once=2)] == [3, 3]
    assert [len(one) for one in programs(four, None, sets, three + three // 2, at_once=2)] == [1] * 6
    recipe = cells[0].recipe
    assert recipe is not None
    rho = replace(recipe.values["rho"], value=0.25)
    other = replace(cells[0], recipe=replace(recipe, values={**recipe.values, "rho": rho}))
    slower = replace(recipe.values["learning_rate"], value=1e-4)
    unlike = replace(cells[0], recipe=replace(recipe, values={**recipe.values, "learning_rate": slower}))
    assert [len(each) for each in programs([cells[0], other, unlike], None, sets)] == [2, 1]
    untrained = replace(recipe, values={name: value for name, value in recipe.values.items() if name != "epochs"})
    assert [len(each) for each in programs([replace(cells[0], recipe=untrained)] * 2, None, sets)] == [1, 1]


def test_each_cell_has_what_is_its_own(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    looks = Looks()
    each = job(tiny(3), tmp_path / "together", watcher=looks)
    outcomes = worker.work(each)
    assert len(looks.seen) == 9
    alone = [
        worker.work(replace(one, results_dir=tmp_path / "alone", stacked=False, watcher=None))[0] for one in each.members
    ]
    for member, found, expected in zip(each.members, outcomes, alone, strict=True):
        assert isinstance(found, Result) and isinstance(expected, Result)
        assert found.key.endswith(f"s{member.experiment.cell.seed}")
        assert kept(Store(each.results_dir).read(member.digest)) == kept(found)
        assert found.metrics == pytest.approx(expected.metrics, rel=1e-4)
        assert found.environment["replicas"] == 3 and "replicas" not in expected.environment
        assert member.log_path.read_text().count("epoch ") == 3 and not member.checkpoint_path.exists()
        assert not Leases(each.results_dir).path(member.digest).exists(), "its lease was not given back"


def test_the_parent_reads_what_a_worker_answers_without_torch(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    """To import it takes longer than all else that the parent of a short run does."""
    program = "import pickle, sys; print(len(pickle.load(sys.stdin.buffer)), 'torch' in sys.modules)"
    answer = pickle.dumps(worker.work(job(tiny(1), tmp_path)))
    assert (
        subprocess.run([sys.executable, "-c", program], input=answer, cwd=ROOT, stdout=subprocess.PIPE).stdout
        == b"3 False\n"
    )


def test_what_has_ended_is_in_the_store_while_others_are_trained(
    tiny: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after one member has diverged and two have gone on: its Result is kept, and the others go on without it."""
    undisturbed = [kept(outcome) for outcome in worker.work(job(tiny(4), tmp_path / "undisturbed"))]
    each = job(tiny(4), tmp_path / "here")
    gone = each.members[0]

    def killed() -> None:
        assert (there := Store(each.results_dir).read(gone.digest)) is not None and there.status == "diverged"
        assert not gone.checkpoint_path.exists() and Store(each.results_dir).digests() == {gone.digest}
        raise Killed

    def validate(problem: Forecasting, model: Any, holdout: Any, seen: list[Any] = []) -> float:  # noqa: B006
        seen.append(model)
        return nan if model is seen[0] and seen.count(model) == 2 else whole(problem, model, holdout)

    whole = Forecasting.validate
    with monkeypatch.context() as patch:
        patch.setattr(Forecasting, "validate", validate)
        patch.setattr(Checkpoint, "epoch_ended", Checkpoint.write)
        with pytest.raises(Killed):
            worker.work(replace(each, watcher=Looks(7, killed)))
    outcomes = worker.work(each)
    assert isinstance(outcomes[0], Result) and outcomes[0].status == "diverged" and len(outcomes[0].epochs) == 1
    assert [kept(outcome) for outcome in outcomes[1:]] == undisturbed[1:]
    assert "going on from a checkpoint" in each.members[1].log_path.read_text()


def test_members_that_are_done_or_held_elsewhere_are_left_out(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    undisturbed = worker.work(job(tiny(2), tmp_path / "undisturbed"))
    each = job(tiny(2), tmp_path / "here")
    first, second, _ = each.members
    done = replace(second.without_result("done", ""), metrics={"test_mse": 1.0})
    Store(each.results_dir).write(done)
    held = Leases(each.results_dir).take(first.digest)
    assert held is not None
    with held:
        outcomes = worker.work(each)
    assert outcomes[0] == Busy(first.digest)
    assert isinstance(outcomes[1], Result) and outcomes[1].metrics == {"test_mse": 1.0}
    assert kept(outcomes[2]) == kept(undisturbed[2]), "to the last bit, whoever is trained beside it"


@pytest.mark.parametrize("way", ["stopped", "killed", "killed, recorded"])
def test_broken_off_it_goes_on_from_its_checkpoints(
    way: str, tiny: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in mid-epoch of the group: one cell's checkpoint is an epoch further than those of the others."""
    if "recorded" in way:
        as_on_a_device(monkeypatch.setattr, Tape())
    undisturbed = [kept(outcome) for outcome in worker.work(job(tiny(4), tmp_path / "undisturbed"))]
    monkeypatch.setattr("benchmark.training.checkpoint.EVERY_SECONDS", 0.0)
    monkeypatch.setattr("benchmark.training.checkpoint.SHARE", 1e9)
    monkeypatch.setattr(Checkpoint, "epoch_ended", Checkpoint.write)
    stop = tmp_path / "stop"

    def killed() -> None:
        raise Killed

    looks = Looks(5, stop.touch if way == "stopped" else killed)
    each = job(tiny(4), tmp_path / "here", watcher=looks, stop=stop)
    if way == "stopped":
        assert worker.work(each) == [Stopped(member.digest) for member in each.members]
        stop.unlink()
    else:
        with pytest.raises(Killed):
            worker.work(each)
    assert Store(each.results_dir).digests() == set() and all(member.checkpoint_path.exists() for member in each.members)
    outcomes = worker.work(replace(each, watcher=None))
    assert [kept(outcome) for outcome in outcomes] == undisturbed
    assert all("going on from a checkpoint" in member.log_path.read_text() for member in each.members)
    graphs = [isinstance(outcome, Result) and outcome.environment["graphs"] for outcome in outcomes]
    assert graphs == ["recorded" in way] * 3


OFTEN = """
import sys
from importlib.machinery import PathFinder

class Often:
    def find_spec(self, name, path, target=None):
        if name != "benchmark.training.checkpoint":
            return None
        spec = PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module)
            module.EVERY_SECONDS, module.SHARE = 0.0, 1e9
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Often())
"""
"""On PYTHONPATH as sitecustomize.py: checkpoints are written after every epoch, in workers too."""


def test_killed_in_mid_group_the_same_command_goes_on(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    """`kill -9` of the parent and of its worker."""
    config, folder, often = tiny(12), tmp_path / "results", tmp_path / "often"
    undisturbed = [kept(outcome) for outcome in worker.work(job(config, tmp_path / "undisturbed"))]
    often.mkdir()
    (often / "sitecustomize.py").write_text(OFTEN)
    words = ["--replicas", "3", "--jobs", "1", "--device", "cpu", "--models", "SAMformer", "--horizons", "4"]
    each = job(config, folder)
    process = test_runner.start(folder, config, *words, PYTHONPATH=str(often))
    test_runner.until(lambda: all(member.checkpoint_path.exists() for member in each.members))
    for pid in (process.pid, *test_runner.workers_of(process.pid)):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert Store(folder).digests() == set(), "it was in the midst of it"
    code, out = test_runner.finish(test_runner.start(folder, config, *words))
    assert code == 0 and out.splitlines()[-1] == "cells=3 done=3 refused=0 failed=0"
    assert [kept(Store(folder).read(member.digest)) for member in each.members] == undisturbed
    assert all("going on from a checkpoint" in member.log_path.read_text() for member in each.members)


class Killed(BaseException):
    """Goes through everything, as the end of a process does."""


def test_a_checkpoint_of_another_program_is_passed_over(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    each = job(tiny(3), tmp_path / "here", watcher=Looks(3, stop.touch), stop=stop)
    worker.work(each)
    stop.unlink()
    (outcome,) = worker.work(replace(each.members[0], stacked=False, watcher=None))
    assert isinstance(outcome, Result) and outcome.status == "done" and len(outcome.epochs) == 3
    assert "checkpoint passed over: it was made for another program" in each.log_path.read_text()


def test_a_time_limit_counts_the_group_and_says_so(
    tiny: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def at_once(seconds: float, log: object, expired: Callable[[str], None]) -> Iterator[None]:
        expired("where it was")
        raise StopTraining
        yield

    monkeypatch.setattr(worker, "time_limit", at_once)
    each = job(tiny(1), tmp_path, timeout=5.0)
    worker.work(each)
    for member in each.members:
        found = Store(tmp_path).read(member.digest)
        assert found is not None and found.status == "timeout" and found.traceback == "where it was"
        assert found.reason == "not done within 5 s of 3 cells trained as one (--timeout); the traceback says where it was"


def test_when_a_groups_worker_dies_each_cell_is_tried_alone(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    tried: list[int] = []
    ended: list[Result] = []

    class Dies(AtOnce):
        def submit(self, job: Job) -> Future[Any]:
            tried.append(len(job.members))
            if len(tried) > 1:
                return super().submit(job)
            future: Future[Any] = Future()
            future.set_exception(WorkerDied("by signal SIGKILL"))
            return future

    queue = Queue([job(tiny(1), tmp_path)], Dies(lambda one: one.without_result("done", "")), tmp_path, ended.append)
    Store(tmp_path).prepare()
    assert queue.run() == 0 and queue.count == 3
    assert tried == [3, 1, 1, 1] and len({result.digest for result in ended}) == 3


def test_the_plan_says_how_many_programs_it_is(
    tiny: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pool, "LocalPool", Here)
    asked = ["--config", str(tiny(1)), "--papers", "tiny", "--models", "SAMformer", "--replicas", "2", "--no-mlflow"]
    asked += ["--device", "cpu", "--results-dir", str(tmp_path / "results")]
    assert run_all.main([*asked, "--dry-run"]) == 0
    assert "as programs: 4 (--replicas 2)" in capsys.readouterr().out
    assert run_all.main([*asked, "--dry-run", "--json"]) == 0
    assert '"programs": 4' in capsys.readouterr().out
    assert run_all.main(asked) == 0
    out = capsys.readouterr().out
    assert "6 cells to train in 4 programs" in out and out.endswith("cells=6 done=6 refused=0 failed=0\n")
    counts = [result.environment["replicas"] for result in Store(tmp_path / "results").results()]
    assert sorted(counts) == [1, 1, 2, 2, 2, 2]
    assert run_all.main([*asked, "--backend", "dask", "--scheduler", "tcp://nowhere:8786"]) == 2
    assert "--replicas 2 is for --backend local" in capsys.readouterr().err
