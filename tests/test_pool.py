"""Worker processes: one thread, memory kept, and the same process for many cells."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

from conftest import ROOT

from benchmark.machine import own_process
from benchmark.runner.pool import KEEP_MEMORY, ONE_THREAD, process
from benchmark.runner.worker import prepare


def grow(kept: list[bytearray] = []) -> int:  # noqa: B006
    kept.append(bytearray(b"x" * 400_000_000))
    return os.getpid()


def test_a_worker_that_has_grown_stays() -> None:
    executor = process(ONE_THREAD | KEEP_MEMORY)
    try:
        first = executor.submit(os.getpid).result()
        time.sleep(1.2)  # loky looks at most once a second, after a call
        assert executor.submit(grow).result() == first
        time.sleep(0.5)
        assert executor.submit(os.getpid).result() == first
        assert executor.submit(os.getenv, "MALLOC_MMAP_MAX_").result() == "0"
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    finally:
        executor.shutdown(kill_workers=True)


def test_what_a_worker_has_imported_is_not_looked_through_for_garbage() -> None:
    """By each cell that begins there, which took longer than a small cell."""
    executor = process(ONE_THREAD)
    try:
        executor.submit(prepare, own_process()).result()
        assert executor.submit(gc.get_freeze_count).result() > 100_000 and executor.submit(gc.isenabled).result()
    finally:
        executor.shutdown(kill_workers=True)


KILLED = """
import os, signal
from benchmark.runner.pool import process
print(process({}).submit(os.getpid).result(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_without_a_cell_ends_with_its_parent() -> None:
    """It has what the parent prints to open, too: whoever reads that would wait for ever."""
    parent = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    out, _ = parent.communicate(timeout=60)
    assert int(out) != parent.pid and parent.returncode == -9


FREES_SLOWLY = """
import importlib, threading, time
from benchmark.runner.pool import ONE_THREAD, process
backend = "joblib.externals.loky.backend."
queues, synchronize = (importlib.import_module(backend + name) for name in ("queues", "synchronize"))
feed, unlink = queues.Queue._feed, synchronize.sem_unlink
def last(*of):
    feed(*of)
    time.sleep(0.2)  # so that this thread is the last to have its semaphores
def slow(name):
    unlink(name)
    if threading.current_thread().name == "QueueFeederThread":
        time.sleep(0.6)  # here the end of Python stopped it
queues.Queue._feed, synchronize.sem_unlink = staticmethod(last), slow
if __name__ == "__main__":
    executor = process(ONE_THREAD)
    assert executor.submit(int).result() == 0
    executor.shutdown(wait=True, kill_workers=True)
    time.sleep(0.4)
"""


def test_a_feeder_that_frees_a_semaphore_when_python_ends_is_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(FREES_SLOWLY)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, env=env, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
