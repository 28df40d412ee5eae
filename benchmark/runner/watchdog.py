"""A cell's time limit, kept by its own process; and a log that says where a process crashed."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    faulthandler.enable(log)
    dog = _Dog(seconds, threading.get_ident(), expired) if seconds is not None else None
    if dog is not None and seconds is not None:
        faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=log)
        dog.start()
    try:
        yield
    finally:
        if dog is not None:
            dog.call_off()
            faulthandler.cancel_dump_traceback_later()
        with suppress(AttributeError, OSError, ValueError):  # a stderr that is no file
            faulthandler.enable(sys.__stderr__ or sys.stderr)


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
