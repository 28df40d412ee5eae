"""How many jobs a worker has under way, and what it does when its parent dies: it ends as soon as there are none."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.runner.job import is_gone


class _AtWork:
    """To be changed, and relied upon, under its lock."""

    def __init__(self) -> None:
        self.lock, self.count = threading.Lock(), 0


_at_work = _AtWork()
_watching = threading.Event()


@contextmanager
def at_work(parent: tuple[int, str] | None) -> Iterator[None]:
    """Within it this worker has one job more; while it has none, it ends when its parent is gone."""
    watch(parent)
    with _at_work.lock:
        _at_work.count += 1
    try:
        yield
    finally:
        with _at_work.lock:
            _at_work.count -= 1


def jobs() -> int:
    """How many are under way in this process."""
    return _at_work.count


def watch(parent: tuple[int, str] | None) -> None:
    """From here on a thread (one a process) ends this process when its parent is gone, while it is not at work."""
    if not _watching.is_set():
        _watching.set()
        threading.Thread(target=_end_with_parent, args=(parent,), name="parent watch", daemon=True).start()


def _end_with_parent(parent: tuple[int, str] | None) -> None:
    while True:
        time.sleep(1.0)
        if is_gone(parent):
            end_if_idle()


def end_if_idle() -> None:
    """Ends this process, unless a job is under way in it."""
    with _at_work.lock:
        if not _at_work.count:
            os._exit(1)
