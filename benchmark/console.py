"""What every command of the suite does alike: errors of one line, any terminal, a reader that goes away."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn

from benchmark.errors import UsageError, nearest


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line that name the nearest option.

    `wordless`: what to say of a word that is no option, where there are only options.
    """

    def __init__(self, *, wordless: str = "", **arguments: Any) -> None:
        super().__init__(allow_abbrev=False, **arguments)
        self._wordless = wordless

    def error(self, message: str) -> NoReturn:
        """Ends with status 2."""
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = unknown.split()[0]
            message = f"unknown option '{word}'{nearest(word.partition('=')[0], self._options())}"
            if not word.startswith("-"):
                message = f"unexpected word '{word}'" + (f"; {self._wordless} {word}" if self._wordless else "")
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(2)

    def _options(self) -> list[str]:
        """Of this parser and of its commands, which leave to it what they do not know."""
        found: list[str] = []
        for action in self._actions:
            found += action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                found += [option for command in action.choices.values() for option in command._options()]
        return found


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
