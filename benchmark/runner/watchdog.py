"""A cell's time limit, kept by its own process; and a log that says where a process crashed."""

from __future__ import annotations

import faulthandler
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

GRACE_SECONDS = 15.0
"""Beyond the limit, until a process is ended in which no Python code runs any more."""
EXIT_STATUS = 124


@contextmanager
def time_limit(seconds: float | None, log: IO[Any], expired: Callable[[str], None]) -> Iterator[None]:
    """Ends this very process where what is within takes longer than `seconds`; None: it may take for ever.

    `expired` is called before, in another thread, with the place where it hangs (a traceback). Code that holds Python's
    lock lets no thread say so: then `GRACE_SECONDS` later faulthandler, whose watchdog needs no lock, ends the process
    and leaves the traceback in the log. A crash (SIGSEGV and the like) leaves its traceback there too.
    """
    dog = _Dog(seconds, threading.get_ident(), expired) if seconds is not None else None
    watched = _Watched(math.inf if seconds is None else time.monotonic() + seconds + GRACE_SECONDS, log)
    with _changing:
        _all.append(watched)
        _watch_all()
    if dog is not None:
        dog.start()
    try:
        yield
    finally:
        if dog is not None:
            dog.call_off()
        with _changing:
            _all.remove(watched)
            _watch_all()


@dataclass(eq=False)
class _Watched:
    """What is within a time limit. until: when the process is to end (monotonic). log: where its traceback goes."""

    until: float
    log: IO[Any]


_all: list[_Watched] = []
_changing = threading.Lock()


def _watch_all() -> None:
    """Sets faulthandler, of which a process has one: for the limit that comes first, and with the log that came last."""
    faulthandler.cancel_dump_traceback_later()
    if not _all:
        with suppress(AttributeError, OSError, ValueError):  # a stderr that is no file
            faulthandler.enable(sys.__stderr__ or sys.stderr)
        return
    faulthandler.enable(_all[-1].log)
    first = min(_all, key=lambda each: each.until)
    if first.until < math.inf:
        faulthandler.dump_traceback_later(max(0.001, first.until - time.monotonic()), exit=True, file=first.log)


class _Dog(threading.Thread):
    def __init__(self, seconds: float, watched: int, expired: Callable[[str], None]) -> None:
        super().__init__(name="time limit", daemon=True)
        self._seconds = seconds
        self._watched = watched
        self._expired = expired
        self._over = threading.Event()
        self._one_of_two = threading.Lock()  # the cell ends, or its time does

    def run(self) -> None:
        if self._over.wait(self._seconds):
            return
        with self._one_of_two:
            if self._over.is_set():
                return
            frame = sys._current_frames().get(self._watched)
            try:
                self._expired("".join(traceback.format_stack(frame)))
            finally:
                os._exit(EXIT_STATUS)

    def call_off(self) -> None:
        """The cell has ended in time; where it has not, this never returns."""
        with self._one_of_two:
            self._over.set()
