"""What every command of the suite does alike: errors of one line, any terminal, a reader that goes away."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from benchmark.errors import UsageError, nearest, told


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line that name the nearest option; without any word it shows its help, if it needs one.

    `wordless`: what to say of a word that is no option, where there are only options.
    """

    def __init__(self, *, wordless: str = "", **arguments: Any) -> None:
        show_anything()  # --help, too
        super().__init__(allow_abbrev=False, **arguments)
        for name in (None, "store"):
            self.register("action", name, _Once)
        self._wordless = wordless
        self._read: argparse.Namespace | None = None

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """The options. Ends with status 2 and the help where no word is given and one is needed: nothing is done then."""
        given = sys.argv[1:] if args is None else args
        if not given and any(action.required for action in self._actions):
            self.print_help()
            raise SystemExit(2)
        return super().parse_args(args, namespace)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """What argparse has read is kept: an error is about the options of the command that was given."""
        read, rest = super().parse_known_args(args, namespace)
        self._read = read
        return read, rest

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
        """Of this parser and of the command that was given, which leaves to it what it does not know."""
        found: list[str] = []
        for action in self._actions:
            found += action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                command = action.choices.get(str(getattr(self._read, action.dest, "")))
                found += command._options() if command is not None else []
        return found


class _Once(argparse._StoreAction):
    """An option that keeps one value. A list given twice is an error: both were meant, the last would count."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        is_list = self.type in (names, numbers, seeds_or_auto)
        if is_list and getattr(namespace, self.dest, self.default) is not self.default:
            raise argparse.ArgumentError(self, "given twice; give it once, its values separated by commas")
        super().__call__(parser, namespace, values, option_string)


def show_anything() -> None:
    """From now on a character that the terminal cannot show is replaced, and a stream that was closed leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@dataclass
class Ended:
    """How a command ended."""

    status: int = 0


@contextmanager
def command(program: str) -> Iterator[Ended]:
    """Within it a command reads its options and sets `status`; a UsageError is one line and status 2, Ctrl-C 130.

    A reader that goes away (``… | head``) ends the command quietly, with a shell's status for that: 141. What else cannot
    be read or written is one line and status 1.
    """
    show_anything()
    ended = Ended()
    try:
        try:
            yield ended
        finally:
            sys.stdout.flush()  # also what --help has said
    except UsageError as error:
        print(f"{program}: {error}", file=sys.stderr)
        ended.status = 2
    except KeyboardInterrupt:
        print("interrupted: nothing half-written is left", file=sys.stderr)
        ended.status = 130
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            _let_go(stream)
        ended.status = READER_GONE
    except OSError as error:
        with suppress(OSError):
            print(f"{program}: cannot go on ({told(error)}); nothing half-written is left", file=sys.stderr)
        _let_go(sys.stdout)  # which may be what cannot be written
        ended.status = 1


READER_GONE = 128 + 13
"""The status of a process that SIGPIPE ends, as a shell gives it."""


def _let_go(stream: TextIO) -> None:
    """Turns a stream whose reader has gone to nowhere, so that the interpreter's last flush does not complain either."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def names(text: str) -> tuple[str, ...]:
    """A comma-separated list of names, as argparse reads an option."""
    return _once(_listed(text, "names"))


def _listed(text: str, what: str) -> tuple[str, ...]:
    """The parts between commas; after the last one nothing need stand."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and not parts[-1]:
        del parts[-1]
    if not any(parts):
        raise argparse.ArgumentTypeError(f"expected {what} separated by commas, found nothing")
    if not all(parts):
        raise argparse.ArgumentTypeError(f"expected {what} separated by commas, found nothing between two in '{text}'")
    return tuple(parts)


Part = TypeVar("Part", str, int)


def _once(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts of a list, each of which may stand in it once: what stands twice was meant to be another."""
    for part, count in Counter(parts).items():
        if count > 1:
            raise argparse.ArgumentTypeError(f"expected each once, found '{part}' {count} times")
    return parts


MOST = 2**31 - 1


def whole(text: str, least: int) -> int:
    """A whole number between `least` and `MOST`, as argparse reads an option."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or not least <= int(digits) <= MOST:
        raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {MOST}, found '{text}'")
    return int(digits)


def numbers(text: str) -> tuple[int, ...]:
    """A comma-separated list of whole numbers from 1."""
    return _once(tuple(whole(part, 1) for part in _listed(text, "numbers")))


MOST_SEEDS = 10_000
AUTO = "auto"


def seeds(text: str) -> tuple[int, ...]:
    """One number n: seeds 0 … n−1; with a comma: the seeds themselves."""
    if "," in text:
        return tuple(sorted(_once(tuple(whole(part, 0) for part in _listed(text, "numbers")))))
    count = whole(text, 1)
    if count > MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"at most {MOST_SEEDS:,} seeds at once, found {text}; one seed N alone is 'N,'")
    return tuple(range(count))


def seeds_or_auto(text: str) -> tuple[int, ...] | str:
    """The same, or the word `auto`."""
    return AUTO if text.strip() == AUTO else seeds(text)


def place(text: str) -> Path:
    """A path."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, found nothing")
    return Path(text)


def add_places_of_a_cell(parser: argparse.ArgumentParser) -> None:
    """Adds where a command that takes a KEY or a DIGEST finds the cell: `--config`, `--data-dir`, `--results-dir`."""
    parser.add_argument("--config", action="append", type=place, default=[], metavar="FILE",
                        help="the YAML of your own that the cell was run with; repeatable")  # fmt: skip
    parser.add_argument("--data-dir", metavar="DIR", help="default: $BENCHMARK_DATA_DIR, else data/")
    parser.add_argument("--results-dir", type=place, default=Path("results"), metavar="DIR", help="default: results/")


def spelt(option: str, wanted: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Names as they are known, whatever their case. Raises UsageError for one that is none, with the nearest."""
    folded = {name.casefold(): name for name in known}
    for name in wanted:
        if name.casefold() not in folded:
            raise UsageError(f"{option}: unknown '{name}'{nearest(name, folded.values())}")
    return tuple(folded[name.casefold()] for name in wanted)


def prints(program: str, description: str, document: Callable[[], str], arguments: list[str] | None) -> int:
    """A command without options, which prints a document; returns the exit status: 0, 2 (usage), 130 (interrupted)."""
    with command(program) as ended:
        Parser(prog=program, description=description).parse_args(arguments)
        print(document())
    return ended.status
