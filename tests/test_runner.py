"""Many cells: the same Results however they are run, and nothing lost or done twice when processes are killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import ROOT

from benchmark.store.result import Result
from benchmark.store.store import Store

ARGUMENTS = ["--subset", "toy", "--papers", "tiny", "--no-figures"]


def start(
    results: Path, config: Path, *more: str, mlflow: bool = False, **environment: str
) -> subprocess.Popen[str]:  # fmt: skip
    command = [sys.executable, str(ROOT / "run_all.py"), *ARGUMENTS, "--config", str(config),
               "--results-dir", str(results), *(() if mlflow else ("--no-mlflow",)), *more]  # fmt: skip
    env = os.environ | {"XDG_CACHE_HOME": str(results.parent / "cache")} | environment
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env)


def finish(process: subprocess.Popen[str], seconds: float = 240) -> tuple[int, str]:
    out, err = process.communicate(timeout=seconds)
    assert "Traceback" not in err, err
    return process.returncode, out


def results(folder: Path) -> dict[str, Result]:
    return {r.key: r for r in Store(folder).results()}


def table(folder: Path) -> bytes:
    return b"".join((folder / "tables" / f"tiny.{suffix}").read_bytes() for suffix in ("md", "csv"))


def trainings(folder: Path) -> Counter[str]:
    """How often each cell's training was begun: a log has one opening line for each time."""
    return Counter(
        line.split()[1]
        for log in (folder / "logs").glob("*.log")
        for line in log.read_text().splitlines()
        if len(line.split()) == 3 and "/toy/" in line
    )


def workers_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
            command = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(text[text.rindex(")") + 2 :].split()[1]) == pid and b"popen_loky_posix" in command:
            found.append(int(stat.parent.name))
    return found


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run on one worker, to hold the others against."""
    from conftest import TINY

    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.yaml").write_text(TINY.replace("EPOCHS", "6"))
    code, out = finish(start(folder / "results", folder / "tiny.yaml", "--jobs", "1"))
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0"
    return folder / "results"


def test_results_do_not_depend_on_jobs_or_order(undisturbed: Path, tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    config = tiny(6)
    finish(start(tmp_path / "results", config, "--jobs", "1", "--seeds", "2,", "--horizons", "8"))
    finish(start(tmp_path / "results", config, "--jobs", "2"))
    one, other = results(undisturbed), results(tmp_path / "results")
    assert one.keys() == other.keys() and len(one) == 12
    for key in one:
        assert one[key].comparable() == other[key].comparable(), key
    assert table(undisturbed) == table(tmp_path / "results")


def test_what_is_done_is_not_done_again_unless_forced(undisturbed: Path, tiny: Callable[[int], Path]) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in (undisturbed / "cells").iterdir()}
    started = time.perf_counter()
    code, out = finish(start(undisturbed, tiny(6)))
    assert code == 0 and "to train" not in out and time.perf_counter() - started < 60
    assert before == {p.name: p.stat().st_mtime_ns for p in (undisturbed / "cells").iterdir()}
    code, out = finish(start(undisturbed, tiny(6), "--force", "--seeds", "1", "--horizons", "4", "--jobs", "2"))
    assert code == 0 and "2 cells to train" in out


def test_the_parent_killed_then_the_same_command_again(
    undisturbed: Path, tmp_path: Path, tiny: Callable[[int], Path]
) -> None:
    folder, config = tmp_path / "results", tiny(6)
    first = start(folder, config, "--jobs", "2")
    until(lambda: len(Store(folder).digests()) >= 3)
    workers = workers_of(first.pid)
    assert workers
    first.kill()
    first.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 20)
    ended = {p.name: p.stat().st_mtime_ns for p in (folder / "cells").glob("*.json")}
    assert 3 <= len(ended) < 12, "orphans do not go through the whole grid"
    code, out = finish(start(folder, config, "--jobs", "2"))
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0"
    assert ended.items() <= {p.name: p.stat().st_mtime_ns for p in (folder / "cells").glob("*.json")}.items()
    assert list((folder / "leases").iterdir()) == []
    assert table(folder) == table(undisturbed)


def test_a_worker_killed_in_mid_grid_costs_no_cell(undisturbed: Path, tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    folder = tmp_path / "results"
    process = start(folder, tiny(6), "--jobs", "2")
    until(lambda: len(Store(folder).digests()) >= 2)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    code, out = finish(process)
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0"
    assert list((folder / "leases").iterdir()) == []
    assert table(folder) == table(undisturbed)


def test_two_invocations_share_the_grid(undisturbed: Path, tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    folder, config = tmp_path / "results", tiny(6)
    both = [start(folder, config, "--jobs", "1"), start(folder, config, "--jobs", "1")]
    for code, out in map(finish, both):
        assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0"
    assert set(trainings(folder).values()) == {1} and len(trainings(folder)) == 12
    assert table(folder) == table(undisturbed)


def test_a_lease_of_a_process_that_is_gone_stands_in_nobodys_way(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    folder, config = tmp_path / "results", tiny(1)
    planned = subprocess.run(
        [sys.executable, "run_all.py", *ARGUMENTS, "--config", str(config), "--dry-run", "--json"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    digest = json.loads(planned.stdout)["cells"][0]["digest"]
    (folder / "leases").mkdir(parents=True)
    from benchmark.machine import host

    held = {"token": "x", "host": host(), "pid": 2**22 + 1, "process": "1", "beats": 3}
    (folder / "leases" / f"{digest}.json").write_text(json.dumps(held))
    started = time.perf_counter()
    code, _ = finish(start(folder, config, "--jobs", "1"))
    assert code == 0 and time.perf_counter() - started < 60


def test_ctrl_c_ends_the_epochs_under_way_and_the_same_command_goes_on(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    """Four cells of seconds each: of shorter ones the last may have ended before a busy machine hands the signal on."""
    undisturbed, folder, config = tmp_path / "undisturbed", tmp_path / "results", tiny(24)
    few = ("--models", "SAMformer", "--seeds", "2", "--jobs", "2")
    finish(start(undisturbed, config, *few))
    process = start(folder, config, *few)
    # One that has just begun: between the signal and the worker's look for it are some epochs.
    young = range(1, 7)
    until(lambda: bool(Store(folder).digests()) and any(_epochs(log) in young for log in _under_way(folder)), 300)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130 and out.splitlines()[-1].startswith("cells=4 done="), err
    assert "ending the epochs under way" in err and "of 4 cells " in err and "Traceback" not in err
    assert list((folder / "leases").iterdir()) == []
    done = len(Store(folder).digests())
    kept = {path.stem for path in (folder / "checkpoints").glob("*.pt")}
    assert 0 < done < 4 and kept
    code, out = finish(start(folder, config, *few))
    assert code == 0 and f"{4 - done} cell" in out
    logs = [(folder / "logs" / f"{digest}.log").read_text() for digest in kept]
    assert any("going on from a checkpoint" in log for log in logs) and not list((folder / "checkpoints").iterdir())
    one, other = results(undisturbed), results(folder)
    assert len(one) == 4 and one.keys() == other.keys()
    assert all(one[key].comparable() == other[key].comparable() for key in one)


def _epochs(log: Path) -> int:
    return log.read_text().count("epoch")


def _under_way(folder: Path) -> list[Path]:
    return [log for log in (folder / "logs").glob("*.log") if log.stem not in Store(folder).digests()]


KILLS = int(os.environ.get("BENCHMARK_TEST_KILLS", "100"))
PATIENCE = 600.0
"""Seconds for what takes some ten on a machine that has nothing else to do."""


def _done(folder: Path) -> dict[str, int]:
    """The digests of what is done, with the time of its file."""
    store = Store(folder)
    return {each: store.path(each).stat().st_mtime_ns for each in store.digests() if store.status(each) == "done"}


@pytest.mark.parametrize(("kills", "mlflow"), [(3, False), pytest.param(KILLS, True, marks=pytest.mark.long)])
def test_killed_at_random_every_result_is_there_once(
    tmp_path: Path, tiny: Callable[[int], Path], kills: int, mlflow: bool
) -> None:
    """Parent or worker, by `kill -9`, while cells are under way; the same command again, until all is done.

    At any moment of a cell, or between two: within twice what a cell takes here. What was done before a kill stands after
    it, file for file. `-s` shows the figures.
    """
    folder, config, chance = tmp_path / "results", tiny(2), random.Random(kills)
    cells = 4 * kills
    config.write_text(config.read_text().replace("seeds: {value: 3", f"seeds: {{value: {kills}"))
    undisturbed, words = tmp_path / "undisturbed", ("--jobs", "2", "--retry", "failed")
    finish(start(undisturbed, config, "--jobs", "2"), PATIENCE * kills)
    of_a_cell = statistics.median(result.seconds for result in results(undisturbed).values())
    killed, lost, process = 0, 0, start(folder, config, *words, mlflow=mlflow)
    done: dict[str, int] = {}
    while killed < kills and len(Store(folder).digests()) < cells:
        _until_under_way(process, folder)
        time.sleep(chance.uniform(0, 2 * of_a_cell))
        stand = _done(folder)
        lost, done = lost + len(done.items() - stand.items()), stand
        victim = chance.choice([process.pid, *workers_of(process.pid)])
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            killed += 1
        if victim == process.pid or process.poll() is not None:
            process.communicate()
            process = start(folder, config, *words, mlflow=mlflow)
    process.communicate(timeout=PATIENCE * kills)
    lost += len(done.items() - _done(folder).items())
    again = sum(trainings(folder).values()) - cells
    print(f"\n{killed} kills, {lost} of {cells} Results lost, {again} trainings begun again")
    assert (killed, lost) == (kills, 0)
    code, out = finish(start(folder, config, *words, mlflow=mlflow), PATIENCE)
    assert code == 0 and out.splitlines()[-1] == f"cells={cells} done={cells} refused=0 failed=0"
    one, other = results(undisturbed), results(folder)
    assert all(one[key].comparable() == other[key].comparable() for key in one) and len(other) == cells
    assert table(folder) == table(undisturbed)
    assert list((folder / "leases").iterdir()) == []
    assert again <= 2 * kills, "twice but what was under way in two workers"
    if mlflow:
        assert _runs_of_cells(folder) == Counter(other.keys()), "one finished run a cell"


def _runs_of_cells(folder: Path) -> Counter[str]:
    """The finished runs of cells in MLflow, by key, once `sync` has looked at them."""
    program = """import sys
from pathlib import Path
from benchmark.tracking import server
folder = Path(sys.argv[1])
client = server.connect(server.tracking_uri(folder))
for experiment in client.search_experiments():
    page = None
    while page is None or page.token:
        page = client.search_runs([experiment.experiment_id], page_token=page.token if page else None)
        for run in page:
            if run.info.status == "FINISHED" and "digest" in run.data.tags:
                print(run.data.tags["key"])"""
    env = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    for command in (["-m", "benchmark.tracking", "sync", "--results-dir", str(folder)], ["-c", program, str(folder)]):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT, env=env, check=True)
    return Counter(done.stdout.split())


def _until_under_way(process: subprocess.Popen[str], folder: Path) -> None:
    leases = folder / "leases"
    until(lambda: process.poll() is not None or (workers_of(process.pid) != [] and any(leases.glob("*.json"))), PATIENCE)


def test_two_on_a_grid_one_killed(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    folder, config = tmp_path / "results", tiny(1)
    one, other = (start(folder, config, "--jobs", "1") for _ in range(2))
    until(lambda: len(Store(folder).digests()) >= 3, 120)
    for pid in (one.pid, *workers_of(one.pid)):
        os.kill(pid, signal.SIGKILL)
    one.communicate()
    code, out = finish(other)
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0"
    counts = Counter(trainings(folder).values())
    assert counts[1] >= 11 and counts[1] + counts[2] == 12, "each once, but for the one under way"


def test_folders_of_several_hosts_merge_by_copying(undisturbed: Path, tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    config = tiny(6)
    for host, keep in (("one", 0), ("other", 1)):
        (tmp_path / host / "cells").mkdir(parents=True)
        for path in sorted((undisturbed / "cells").glob("*.json"))[keep::2]:
            shutil.copy(path, tmp_path / host / "cells")
    shutil.copytree(tmp_path / "one", tmp_path / "both")
    shutil.copytree(tmp_path / "other", tmp_path / "both", dirs_exist_ok=True)
    code, out = finish(start(tmp_path / "both", config))
    assert code == 0 and "to train" not in out and table(tmp_path / "both") == table(undisturbed)


def test_a_cell_that_raises_is_a_result_and_the_others_go_on(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    config = tiny(2)
    wrong = "batch_mixed_denorm: {by: model, values: {SAMformer: false, otherwise: true}, source: test, status: ours}"
    config.write_text(config.read_text().replace("      revin:", f"      {wrong}  # needs RevIN\n      revin:"))
    folder = tmp_path / "results"
    code, out = finish(start(folder, config, "--jobs", "1", "--seeds", "1"))
    assert code == 1 and out.splitlines()[-1] == "cells=4 done=2 refused=0 failed=2"
    failed = [r for r in results(folder).values() if r.status == "failed"]
    assert len(failed) == 2 and all("ValueError" in (r.reason or "") and r.traceback for r in failed)
    again, out = finish(start(folder, config, "--jobs", "2", "--seeds", "1"))
    assert again == 1 and "to train" not in out, "a failure is kept until it is asked to be tried again"
    again, out = finish(start(folder, config, "--jobs", "1", "--seeds", "1", "--retry", "failed"))
    assert again == 1 and "2 cells to train" in out
