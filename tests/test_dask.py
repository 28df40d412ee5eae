"""The grid on a real Dask scheduler with two workers: the same tables, whatever befalls a worker.

One cluster serves all of them, since it takes as long to start as some tests take to run; the last test ends it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Run
from data.samples import series
from test_faults import BAD, COLUMN, EXPECTED, LIMIT, MISBEHAVING
from test_runner import finish, results, start, table, until

from benchmark.store.kept import KINDS, Kept
from benchmark.store.store import Store

pytest.importorskip("distributed")


class Cluster:
    """A scheduler and workers as processes of this machine, each worker without nanny's rest between restarts."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.folder = folder
        path = os.pathsep.join([str(ROOT), environment.pop("PYTHONPATH", "")])
        self._env = os.environ | {"PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache")} | environment
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")

    def worker(self) -> subprocess.Popen[bytes]:
        place = str(self.folder / f"worker{len(self.processes)}")
        return self._start("dask_worker", self.address, "--nthreads", "1", "--no-dashboard", "--local-directory", place)

    def _start(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "dask.log").open("ab") as log:
            command = [sys.executable, "-m", f"distributed.cli.{program}", *options]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=self._env, cwd=self.folder)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers cannot see, as if they ran on another machine."""
    return tmp_path_factory.mktemp("ours")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, hidden: Path) -> Iterator[Cluster]:
    from distributed import Client

    here = Cluster(tmp_path_factory.mktemp("dask"), PYTHONPATH=MISBEHAVING, HIDDEN_FOLDER=str(hidden))
    try:
        here.worker()
        here.worker()
        with Client(here.address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
        yield here
    finally:
        here.end()


def grandchild(pid: int) -> int:
    """The process in which a nanny's worker runs."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text, command = stat.read_text(), stat.with_name("cmdline").read_bytes()
            if int(text[text.rindex(")") + 2 :].split()[1]) == pid and b"spawn_main" in command:
                return int(stat.parent.name)
        except OSError:
            continue
    raise AssertionError(f"{pid} has no worker")


def test_a_worker_killed_in_mid_grid_then_tables_as_of_a_local_run(
    cluster: Cluster, tmp_path: Path, tiny: Callable[[int], Path]
) -> None:
    folder, config = tmp_path / "results", tiny(4)
    code, out = finish(start(tmp_path / "local", config, "--jobs", "2"))
    assert code == 0, out
    process = start(folder, config, "--backend", "dask", "--scheduler", cluster.address)
    until(lambda: len(Store(folder).digests()) >= 3, 120)
    os.kill(grandchild(cluster.processes[1].pid), 9)
    code, out = finish(process)
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0", out
    assert table(folder) == table(tmp_path / "local")
    local, dask = results(tmp_path / "local"), results(folder)
    assert all(local[key].comparable() == dask[key].comparable() for key in local)
    assert not list((folder / "leases").iterdir()) and not list((folder / "checkpoints").glob("*"))


def test_cells_that_go_wrong_end_as_results_there_too(
    cluster: Cluster, run_all: Run, tiny: Callable[[int], Path], tmp_path: Path
) -> None:
    columns = "".join(COLUMN.replace("NAME", way).replace("HOW", way) for way in EXPECTED)
    (tmp_path / "bad.yaml").write_text(BAD + columns)
    options = ["--config", str(tmp_path / "bad.yaml"), "--config", str(tiny(1)), "--timeout", LIMIT]
    where = ["--backend", "dask", "--scheduler", cluster.address]
    done = run_all("--subset", "toy", "--papers", "tiny,bad", *options, *where, PYTHONPATH=MISBEHAVING)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == "cells=19 done=12 refused=0 failed=7", done.stdout
    found = {str(r.cell["model"]): r for r in Store(tmp_path / "results").results() if r.cell["paper"] == "bad"}
    assert {way: result.status for way, result in found.items()} == {way: said[0] for way, said in EXPECTED.items()}
    assert "misbehaving.py" in (found["hang"].traceback or "")
    assert "Segmentation fault" in (found["crash"].traceback or "") and "Dask worker" in (found["exit"].reason or "")


def test_workers_that_see_neither_our_folder_nor_our_data(
    cluster: Cluster, hidden: Path, tmp_path: Path, run_all: Run, tiny: Callable[[int], Path]
) -> None:
    """The data travels there, the Results and what is kept beside them travel back."""
    ours, far = hidden, cluster.folder
    (ours / "mine.csv").write_text(series(400))
    tiny(2)
    mine = f"datasets: {{mine: {{file: {ours / 'mine.csv'}, papers: [tiny], horizons: [4]}}}}\n"
    (tmp_path / "mine.yaml").write_text(mine)
    base = ["--subset", "mine", "--papers", "tiny", "--config", str(tmp_path / "tiny.yaml"),
            "--config", str(tmp_path / "mine.yaml"), "--results-dir"]  # fmt: skip
    keep = ["--keep", "weights,predictions,epochs"]
    done = run_all(*base, str(ours / "results"), "--backend", "dask", "--scheduler", cluster.address, *keep)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "cells=6 done=6 refused=0 failed=0", done
    assert len(list((ours / "results" / "logs").glob("*.log"))) == 6
    assert len(list((far / "cache").rglob("by-checksum/*/mine.csv"))) == 1
    found = results(ours / "results").values()
    assert not any(Kept(ours / "results", each.digest).lacks(KINDS, each) for each in found), "what is kept comes back, too"
    assert not list(far.rglob("weights/*.safetensors")) and not list(far.rglob("predictions/*.npz")), "none stays there"
    done = run_all(*base, str(tmp_path / "local"), "--jobs", "1")
    assert done.returncode == 0 and table(ours / "results") == table(tmp_path / "local")


OWN = """from torch import nn
class Mine(nn.Module):
    def __init__(self, lookback, horizon, channels):
        super().__init__()
        self.map = nn.Linear(lookback, horizon)
    def forward(self, x): return self.map(x.transpose(1, 2)).transpose(1, 2)
"""


def test_a_model_of_a_users_own_whose_file_the_workers_cannot_see(
    cluster: Cluster, hidden: Path, tmp_path: Path, run_all: Run, tiny: Callable[[int], Path]
) -> None:
    """Its text travels there, too."""
    tiny(2)
    (hidden / "my_model.py").write_text(OWN)
    (hidden / "my.yaml").write_text(
        "models: {mine: {file: my_model.py, class: Mine}}\nrecipes: {tiny: {columns: {Mine: {model: mine}}}}\n"
    )
    base = ["--papers", "tiny", "--models", "Mine", "--seeds", "2", "--horizons", "4", "--config",
            str(tmp_path / "tiny.yaml"), "--config", str(hidden / "my.yaml"), "--results-dir"]  # fmt: skip
    done = run_all(*base, str(tmp_path / "dask"), "--backend", "dask", "--scheduler", cluster.address)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "cells=2 done=2 refused=0 failed=0", done
    assert run_all(*base, str(tmp_path / "local"), "--jobs", "1").returncode == 0
    local, dask = results(tmp_path / "local"), results(tmp_path / "dask")
    assert all(local[key].comparable() == dask[key].comparable() for key in local) and len(local) == 2
    assert table(tmp_path / "dask") == table(tmp_path / "local")


def test_a_scheduler_that_is_not_there_is_one_line_within_seconds(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    config = tiny(1)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # the system accepts for it; it never answers
        addresses = [f"tcp://127.0.0.1:{port}" for port in (9, mute.getsockname()[1])]
        begun = time.monotonic()
        asked = [start(tmp_path / "results", config, "--backend", "dask", "--scheduler", there) for there in addresses]
        for address, process in zip(addresses, asked, strict=True):  # both wait at the same time
            _, err = process.communicate(timeout=200)
            assert time.monotonic() - begun < 60
            assert process.returncode == 2 and len(err.splitlines()) == 1, err
            assert f"--scheduler {address}: no Dask scheduler can be reached" in err


def test_a_scheduler_that_dies_costs_no_cell(cluster: Cluster, tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    """The last test here: it ends the cluster."""
    folder, config = tmp_path / "results", tiny(2)
    process = start(folder, config, "--backend", "dask", "--scheduler", cluster.address)
    until(lambda: len(Store(folder).digests()) >= 2, 120)
    cluster.processes[0].kill()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1 and "the Dask scheduler is gone" in err and "Traceback" not in err, err
    assert {r.status for r in results(folder).values()} == {"done"} and not list((folder / "leases").iterdir())
    code, out = finish(start(folder, config, "--jobs", "2"))
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0"
