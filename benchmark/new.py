"""``python -m benchmark.new paper|model|dataset NAME``: commented files to begin with, which run as they are."""

from __future__ import annotations

import math
import random
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from string import Template

from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.console import Parser, command
from benchmark.errors import UsageError
from benchmark.files import write_atomically

SKELETONS = Path(__file__).parent / "skeletons"
KINDS = {
    "paper": "a grid, a recipe and columns, with printed numbers and claims beside them",
    "model": "a module of torch in a paper's table",
    "dataset": "a CSV in a paper's grid: yours, where NAME.csv is there already, else a made-up one",
}
ROWS = 600
"""Of the data set that is made up, by the hour."""


def write(kind: str, name: str, folder: Path) -> list[Path]:
    """Writes the files of a kind; returns those written, the YAML first.

    Raises UsageError for a name that is none, or is taken, and where one of the files is there already: none is then
    written. A data set's own CSV is taken as it is.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", name):
        raise UsageError(f"expected a NAME of letters, digits and '_' that begins with a letter, found '{name}'")
    _check_free(kind, name, catalogue())
    texts = {
        folder / path.name.removesuffix(".in").replace("NAME", name): Template(path.read_text("utf-8")).substitute(
            NAME=name
        )
        for path in sorted((SKELETONS / kind).glob("*.in"), key=lambda path: (path.name != "NAME.yaml.in", path.name))
    }
    data = folder / f"{name}.csv"
    if kind == "dataset" and not data.exists():
        texts[data] = made_up()
    if there := [str(path) for path in texts if path.exists()]:
        raise UsageError(f"{', '.join(there)} exists; choose another name or --folder, nothing is written over")
    for path, text in texts.items():
        write_atomically(path, text)
    return list(texts)


def _check_free(kind: str, name: str, known: Catalogue) -> None:
    import baselines

    models = [*baselines.MODELS, *(column for paper in known.papers.values() for column in paper.columns)]
    sets = [*known.datasets, *known.groups, *known.papers, "all"]
    taken: dict[str, Sequence[str]] = {"paper": sets, "model": models, "dataset": sets}
    if name.casefold() in (each.casefold() for each in taken[kind]):
        raise UsageError(f"the name '{name}' is taken; choose another (python run_all.py --list shows what there is)")


def made_up() -> str:
    """Three series by the hour, with a day's rhythm and noise, as CSV."""
    rng, begun = random.Random(0), datetime(2024, 1, 1)
    lines = ["date,a,b,c"]
    for i in range(ROWS):
        values = (math.sin(2 * math.pi * i / 24 + phase) + rng.gauss(0, 0.3) for phase in (0, 1, 2))
        lines.append(",".join([f"{begun + timedelta(hours=i):%Y-%m-%d %H:%M}", *(f"{value:.4f}" for value in values)]))
    return "\n".join(lines) + "\n"


def parser() -> Parser:
    """The kinds, each with its options."""
    main = Parser(
        prog="python -m benchmark.new", description="Writes files of your own to begin with, which run as they are."
    )
    kinds = main.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, what in KINDS.items():
        one = kinds.add_parser(kind, help=what, description=f"Writes {what}.")
        one.add_argument("name", metavar="NAME", help="of letters, digits and '_'; the files are called so")
        one.add_argument("--folder", type=Path, default=Path(), metavar="DIR", help="where to; default: here")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 for what cannot be asked."""
    with command("python -m benchmark.new") as ended:
        options = parser().parse_args(arguments)
        written = write(options.kind, options.name, options.folder)
        print("".join(f"written: {path}\n" for path in written), end="")
        print(f"try it: python run_all.py --config {written[0]} --profile quick")
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
