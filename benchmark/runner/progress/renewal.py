"""Tables and page of a long run, written anew meanwhile, so that one can look before it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from benchmark.machine import CODE

EVERY_SECONDS = 600.0


class Renewal:
    """Every ten minutes in which a cell has ended, ``python -m tables render`` in a process of its own: the training does
    not wait for it. What it cannot write is told at the end of the run, when all is written once more."""

    def __init__(self, options: Sequence[str]) -> None:
        """`options`: of that command, its paths absolute."""
        self._command = [sys.executable, "-m", "tables", "render", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._begun, self._ended = time.monotonic(), 0

    def look(self, ended: int) -> None:
        """Begins where it is time. ended: how many cells have."""
        idle = self._process is None or self._process.poll() is not None
        if idle and ended > self._ended and time.monotonic() > self._begun + EVERY_SECONDS:
            self._begun, self._ended = time.monotonic(), ended
            nothing = subprocess.DEVNULL
            with suppress(OSError):  # no process or memory left: the next time, or the end, does it
                self._process = subprocess.Popen(
                    self._command, cwd=CODE, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
                )

    def close(self) -> None:
        """Ends what is under way; each file is whole, old or new."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
