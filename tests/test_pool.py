"""Worker processes: one thread, memory kept, and the same process for many cells."""

from __future__ import annotations

import os
import time

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
