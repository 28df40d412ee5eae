"""``python -m tables render``: every table from the store, without training and without torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from benchmark.console import guarded
from benchmark.errors import UsageError, nearest
from benchmark.session import catalogue
from tables.render import render


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line that name the nearest option."""

    def error(self, message: str) -> NoReturn:
        """Ends with status 2."""
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = unknown.split()[0]
            options = ["--results-dir", "--config", "--help"]
            message = f"unknown option '{word}'{nearest(word.partition('=')[0], options)}"
        print(f"python -m tables: {message}", file=sys.stderr)
        raise SystemExit(2)


def parser() -> Parser:
    """The commands and their options."""
    main = Parser(prog="python -m tables", allow_abbrev=False, description="Tables from the Results of a store.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "render", allow_abbrev=False, help="write every table and figure anew",
        description="Writes DIR/tables/<paper>.{md,tex,csv,png,svg} and DIR/tables/protocols.md from DIR/cells.",
    )  # fmt: skip
    command.add_argument("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="default: results/")
    command.add_argument("--config", action="append", type=Path, default=[], metavar="FILE",
                         help="the YAML of your own that the Results were run with; repeatable")  # fmt: skip
    return main


def main(arguments: list[str] | None = None) -> int:
    """Renders; returns the exit status: 0, or 2 for what cannot be asked."""
    options = parser().parse_args(arguments)
    return guarded("python -m tables", lambda: _render(options))


def _render(options: argparse.Namespace) -> int:
    try:
        known = catalogue(options.config)
        if not (options.results_dir / "cells").is_dir():
            raise UsageError(f"--results-dir: no Results below {options.results_dir}; train some with run_all.py first")
        written = render(known, options.results_dir)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"python -m tables: cannot write {error.filename} ({error.strerror})", file=sys.stderr)
        return 2
    for path in written:
        print(f"written: {path}")
    if not written:
        print(f"no Result of any known paper in {options.results_dir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
