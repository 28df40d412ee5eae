"""A tracking server that several people share: a real `mlflow server` on a real PostgreSQL, eight workers at once."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout, suppress
from multiprocessing import get_context
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from benchmark.store.result import Result
from benchmark.store.store import Store
from benchmark.tracking import invocation, live, runs, server
from benchmark.tracking.__main__ import main
from benchmark.tracking.invocation import Invocation
from benchmark.tracking.live import Target
from benchmark.tracking.sync import is_whole, search

WORKERS, CELLS, EPOCHS = 8, 24, 30


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(condition: object, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)


def binary(name: str) -> str | None:
    found = [str(p) for p in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    return found[-1] if found else shutil.which(name)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URI of a database of the test's own, on the loopback."""
    initdb, program = binary("initdb"), binary("postgres")
    if initdb is None or program is None:
        pytest.skip("no PostgreSQL (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg2")
    folder = Path(tempfile.mkdtemp(prefix="benchmark-postgres-"))
    user: dict[str, str] = {}
    if os.getuid() == 0:  # which PostgreSQL does not run as
        user = {"user": "postgres", "group": "postgres"}
        shutil.chown(folder, "postgres", "postgres")
    data, port, log = folder / "data", free_port(), folder / "log"
    options = ["-D", str(data), "-U", "tester", "--auth=trust", "--no-sync"]
    subprocess.run([initdb, *options], check=True, capture_output=True, cwd=folder, **user)  # type: ignore[call-overload]
    with log.open("wb") as lines:
        command = [program, "-D", str(data), "-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1",
                   "-c", "fsync=off"]  # fmt: skip
        process = subprocess.Popen(command, stdout=lines, stderr=lines, cwd=folder, **user)  # type: ignore[call-overload]
    try:
        wait_for(lambda: b"ready to accept connections" in log.read_bytes(), process, log)
        yield f"postgresql+psycopg2://tester@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def mlflow_server(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Its address and its process group."""
    folder = tmp_path_factory.mktemp("server")
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", postgres, "--host", "127.0.0.1",
               "--port", str(port), "--workers", "1", "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
    with log.open("wb") as lines:
        env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen(command, stdout=lines, stderr=lines, cwd=folder, start_new_session=True, env=env)
    uri = f"http://127.0.0.1:{port}"

    def healthy() -> bool:
        try:
            with urlopen(f"{uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    try:
        wait_for(healthy, process, log)
        yield uri, process.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def result(number: int) -> Result:
    cell = {"paper": "shared", "dataset": "toy", "horizon": 4, "lookback": 8, "model": "M", "seed": number, "sam": False,
            "protocol": "paper", "profile": "paper"}  # fmt: skip
    epochs = tuple(
        {"train_loss": 1 / (n + number), "val_mse": 2 / n, "lr": 1e-3, "grad_norm": 0.5, "seconds": 0.1}
        for n in range(1, EPOCHS + 1)
    )
    metrics = {"test_mse": 0.1 + number, "test_mae": 0.2, "val_mse": 0.3, "val_mae": 0.4}
    return Result(
        key=f"shared/toy/4/M/s{number}", digest=f"{number:064x}", status="done", cell=cell, metrics=metrics, epochs=epochs,
        recipe={"model": "m", "learning_rate": 1e-3}, windows={"train": 1, "val": 1, "test": 1}, best_epoch=1, n_params=1,
        data_sha256="ab" * 32, started=f"2026-01-01T00:00:{number:02}+00:00", ended="2026-01-01T00:01:00+00:00",
    )  # fmt: skip


def log_cell(target: Target, number: int) -> None:
    """What a worker does for a cell: its epochs as they come, then its Result. It waits longer than a cell would."""
    live.IMPORT_SECONDS = live.END_SECONDS = 60.0
    found = result(number)
    watch = target.open(found)
    for epoch in found.epochs:
        watch.epoch(epoch)
        time.sleep(0.02)
    watch.ended(found)


def test_eight_workers_on_a_shared_server(
    mlflow_server: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, _ = mlflow_server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    store = Store(tmp_path)
    store.prepare()
    monkeypatch.setattr(invocation, "START_SECONDS", 120.0)
    monkeypatch.setattr(invocation, "FINISH_SECONDS", 120.0)
    begun = Invocation.start(tmp_path, {f"{n:064x}": "shared" for n in range(CELLS)}, "abc")
    assert begun.target is not None
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        list(pool.map(log_cell, [begun.target] * CELLS, range(CELLS)))
    for number in range(CELLS):
        store.write(result(number))
    client = server.connect(uri)
    experiment = client.get_experiment_by_name("shared").experiment_id
    shown = {r.data.tags["digest"]: r for r in search(client, experiment) if "digest" in r.data.tags}
    assert len(shown) == CELLS and all(is_whole(shown[r.digest], r) for r in store.results()), "without any repair"
    with redirect_stderr(io.StringIO()) as err, redirect_stdout(io.StringIO()):
        begun.finish(interrupted=False)
        assert main(["sync", "--results-dir", str(tmp_path)]) == 0, err.getvalue()
    found = [r for r in search(client, experiment) if "digest" in r.data.tags]
    assert len(found) == CELLS == len({r.data.tags["digest"] for r in found})
    for run in found:
        expected = store.read(run.data.tags["digest"])
        assert expected is not None and is_whole(run, expected)
        logged = client.get_metric_history(run.info.run_id, "val_mse")
        assert sorted((m.step, m.value) for m in logged) == [(n, e["val_mse"]) for n, e in enumerate(expected.epochs, 1)]
        assert runs.PARENT in run.data.tags
    with redirect_stdout(io.StringIO()) as out:
        main(["sync", "--results-dir", str(tmp_path)])
    assert out.getvalue().endswith(f": {CELLS} whole already\n")


def test_a_server_that_dies_holds_nobody_up(mlflow_server: tuple[str, int], tmp_path: Path) -> None:
    """The last test here: it ends the server."""
    uri, group = mlflow_server
    experiments = server.prepare(uri, tmp_path, ["shared"])
    found = result(50)
    watch = Target(uri, None, experiments, {"shared": "none"}, str(tmp_path)).open(found)
    watch.epoch(found.epochs[0])
    time.sleep(1)
    os.killpg(group, signal.SIGKILL)
    begun = time.monotonic()
    for epoch in found.epochs[1:]:
        watch.epoch(epoch)
    assert time.monotonic() - begun < 1
    watch.ended(found)
    assert time.monotonic() - begun < live.IMPORT_SECONDS + live.END_SECONDS + 5
