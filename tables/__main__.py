"""``python -m tables render`` and ``claims``: every table from the store, without training and without torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from benchmark.console import guarded
from benchmark.errors import UsageError, nearest
from benchmark.session import catalogue
from tables import claimsheet
from tables.claims import load_claims
from tables.render import read, render, write_claims


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
        "render", allow_abbrev=False, help="write every table and figure anew, and the claims",
        description="Writes DIR/tables/<paper>.{md,tex,csv,png,svg}, protocols.md and claims.md from DIR/cells.",
    )  # fmt: skip
    _places(command)
    claims = commands.add_parser(
        "claims", allow_abbrev=False, help="check what the papers say in a number",
        description="Checks the claims of paper_configs/claims.yaml on the printed numbers and on the Results in "
        "DIR/cells, shows what holds, and writes DIR/tables/claims.md with every figure.",
    )  # fmt: skip
    _places(claims)
    return main


def _places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="default: results/")
    command.add_argument("--config", action="append", type=Path, default=[], metavar="FILE",
                         help="the YAML of your own that the Results were run with; repeatable")  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Renders, or checks claims; returns the exit status: 0, or 2 for what cannot be asked."""
    options = parser().parse_args(arguments)
    command = _render if options.command == "render" else _claims
    return guarded("python -m tables", lambda: _writing(command, options))


def _writing(command: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    try:
        command(options)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"python -m tables: cannot write {error.filename} ({error.strerror})", file=sys.stderr)
        return 2
    return 0


def _render(options: argparse.Namespace) -> None:
    known = catalogue(options.config)
    if not (options.results_dir / "cells").is_dir():
        raise UsageError(f"--results-dir: no Results below {options.results_dir}; train some with run_all.py first")
    written = render(known, options.results_dir)
    for path in written:
        print(f"written: {path}")
    if not written:
        print(f"no Result of any known paper in {options.results_dir}")


def _claims(options: argparse.Namespace) -> None:
    """Works without a single Result too: on the printed numbers alone."""
    known = catalogue(options.config)
    claims = load_claims(known)
    _, evidence = read(known, options.results_dir)
    print(claimsheet.summary(claims, evidence))
    print(f"written: {write_claims(claims, evidence, options.results_dir)}")


if __name__ == "__main__":
    sys.exit(main())
