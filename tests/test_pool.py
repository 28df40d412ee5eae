"""Worker processes: one thread, memory kept, and the same process for many cells."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from conftest import ROOT

from benchmark.runner.pool import KEEP_MEMORY, ONE_THREAD, process


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
