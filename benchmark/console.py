"""What every command of the suite does alike: errors of one line, any terminal, a reader that goes away."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper

from benchmark.errors import UsageError


def guarded(program: str, command: Callable[[], int]) -> int:
    """Runs a command and returns its exit status; a UsageError is one line and status 2, Ctrl-C 130.

    A character that the terminal cannot show is replaced, and a closed pipe (``… | head``) ends the output quietly.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = command()
        sys.stdout.flush()
        return status
    except UsageError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing half-written is left", file=sys.stderr)
        return 130
    except BrokenPipeError:
        with suppress(OSError):  # so that the interpreter's last flush does not complain either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
