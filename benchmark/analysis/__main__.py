"""``python -m benchmark.analysis COMMAND KEY``: what a trained model does inside, from its kept weights.

The one file of this folder that stands above it. A probe is a function in `benchmark.analysis.probes`, its figure one in
`tables.figures.probes`, and a command in `benchmark.analyse` the few lines between them: it loads a cell, has a probe look
at it, writes the arrays to ``analysis/<digest>/`` and has the tables' renderer draw them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from benchmark.analyse import attention, landscape, sharpness, training, var
from benchmark.analyse.cell import Command
from benchmark.console import Parser, add_places_of_a_cell, command

COMMANDS: Mapping[str, Command] = {
    "attention": attention.COMMAND,
    "var": var.COMMAND,
    "sharpness": sharpness.COMMAND,
    "landscape": landscape.COMMAND,
    "training": training.COMMAND,
}


def parser() -> Parser:
    """The commands and their options."""
    main = Parser(prog="python -m benchmark.analysis", description="Looks into a trained model with kept weights.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, each in COMMANDS.items():
        one = commands.add_parser(name, help=each.summary, description=each.about)
        each.options(one)
        add_places_of_a_cell(one)
    return main


def main(arguments: list[str] | None = None) -> int:
    """Probes and writes; returns the exit status: 0, or 2 for what cannot be asked."""
    with command("python -m benchmark.analysis") as ended:
        options = parser().parse_args(arguments)
        COMMANDS[options.command].run(options)
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
