"""``python -m benchmark.show KEY|DIGEST``: a cell's resolved recipe with the source of every value, and its Result."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.console import Parser, add_places_of_a_cell, command
from benchmark.data.files import Checksums, checksum_of, data_dir
from benchmark.errors import UsageError, nearest
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.code import changed, code_of
from benchmark.grid.plan import parse_protocol, plan
from benchmark.store.result import Result
from benchmark.store.store import Store

NONE_YET = "no Result yet"
MOST_OTHERS = 3
"""Other Results of a cell that are named."""


def find(there: Catalogue, store: Store, text: str, folder: Path) -> tuple[Planned | None, Result | None, str]:
    """The planned cell and the Result of a key or a digest (or its first letters, at least six); and why there is none.

    Raises UsageError for a name that is neither, with the nearest key.
    """
    if "/" not in text:
        result = store.read(digest := store.digest_of(text))
        if result is None:
            return None, None, store.amiss(digest) or NONE_YET
        planned = _of_key(_cells(there, result.key, folder), result.key)
        return (planned if planned and planned.digest == result.digest else None), result, ""
    cells = _cells(there, text, folder)
    found = _of_key(cells, text)
    if found is None:
        close = nearest(text, (planned.cell.key for planned in cells))
        raise UsageError(f"no cell '{text}'{close}; run_all.py --dry-run --json lists all keys")
    there_is = store.read(found.digest) if found.digest else None
    return found, there_is, _why_none(found, store) if there_is is None else ""


def _why_none(planned: Planned, store: Store) -> str:
    """What there is instead of a cell's Result: a damaged one, one of another recipe or profile, or nothing."""
    said = store.amiss(planned.digest) if planned.digest else None
    cell = planned.cell
    other = replace(cell, profile="paper" if cell.profile == "quick" else "quick")
    what = "made with another recipe, data file or training semantics" if planned.digest else "made with a data file"
    kinds = {cell.key: what, other.key: f"of profile {other.profile}"}
    keys = store.keys()
    found = [f"there is one {kinds[key]}: python -m benchmark.show {digest[:12]}"
             for digest, key in keys if key in kinds and digest != planned.digest]  # fmt: skip
    if len(found) > MOST_OTHERS:
        found[MOST_OTHERS:] = [f"and {len(found) - MOST_OTHERS} more"]
    return "\n".join([said or ("no Result of this recipe" if found else NONE_YET), *found])


def _of_key(cells: Iterable[Planned], key: str) -> Planned | None:
    return next((planned for planned in cells if planned.cell.key == key), None)


def _cells(there: Catalogue, key: str, folder: Path) -> list[Planned]:
    """The cells of a key's paper, protocol, profile and seed. Raises UsageError where it has none of these."""
    parts = key.split("/")
    if parts[0] not in there.papers:
        raise UsageError(f"'{key}': unknown paper '{parts[0]}'{nearest(parts[0], there.papers)}")
    protocol = next((p for p in parts[1:3] if p.split("+")[0] in ("paper", "released")), "paper")
    if not re.fullmatch("s[0-9]{1,10}", parts[-1]):
        raise UsageError(f"'{key}': expected a seed at its end, such as s0")
    selection = Selection(
        papers=(parts[0],), models=("all",), sam="both", seeds=(int(parts[-1][1:]),),
        protocol=parse_protocol(protocol, there.papers), profile="quick" if "quick" in parts[1:3] else "paper",
    )  # fmt: skip
    sums = Checksums()
    return plan(there, selection, lambda dataset: checksum_of(dataset, folder, sums)[0])


def describe(planned: Planned | None, result: Result | None, why_none: str = NONE_YET) -> str:
    """The recipe, value by value with source and status, then the Result, or why there is none."""
    lines = []
    if planned is not None:
        lines.append(f"{planned.cell.key}\ndigest {planned.digest or '(its data file is missing)'}")
        if planned.refused:
            lines.append(f"refused: {planned.refused}")
        if planned.recipe is not None:
            lines.append(f"\nmodel = {planned.recipe.model}   sam = {'on' if planned.recipe.sam else 'off'}")
            if planned.recipe.source is not None:
                lines += [f"{name} = {told}" for name, told in planned.recipe.source.identity().items()]
            for name, value in sorted(planned.recipe.values.items()):
                shown = "none" if value.value is None else value.value
                lines.append(f"{name} = {shown}   [{value.status}] {value.source}")
            for name in planned.recipe.switches:
                lines.append(f"switch {name}")
    if result is None:
        lines.append(f"\n{why_none}")
        return "\n".join(lines)
    lines.append(f"\nResult: {result.status}" + (f": {result.reason}" if result.reason else ""))
    if planned is None:
        lines.append(f"{result.key}\nits recipe is not the one that stands in paper_configs now:")
        lines += [f"{name} = {value}" for name, value in sorted(result.recipe.items())]
    elif planned.recipe is not None and (other := changed(result.code, code_of(planned.recipe))):
        lines.append(f"made by other code than today's: {', '.join(other)}; run_all.py --retry stale runs it again")
    lines += [f"{name} = {value:.6f}" for name, value in result.metrics.items()]
    lines += [f"{name} = {'none' if value is None else f'{value:.6g}'}" for name, value in result.extra_metrics.items()]
    lines.append(f"windows = {dict(result.windows)}   parameters = {result.n_params}")
    lines += [f"check {name} = {found}" for name, found in result.checks.items()]
    trained = f"best epoch {result.best_epoch} of {len(result.epochs)}" if result.epochs else "not trained"
    lines.append(f"{trained}   {result.seconds:.1f} s   {result.ended}")
    lines += [f"{name} = {value}" for name, value in result.environment.items()]
    return "\n".join(lines)


def parser() -> Parser:
    """The cell and the options."""
    main = Parser(prog="python -m benchmark.show", description="A cell: its recipe, value by value, and its Result.")
    main.add_argument("cell", metavar="KEY|DIGEST", help="samformer/ETTh1/96/SAMformer/sam/s0, or six letters of a digest")
    add_places_of_a_cell(main)
    return main


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, 1 (no whole Result stands in its place), 2 (usage, and a cell that there is not), 130
    (interrupted)."""
    with command("python -m benchmark.show") as ended:
        options = parser().parse_args(arguments)
        store, where = Store(options.results_dir), data_dir(options.data_dir)
        print(describe(*find(catalogue(options.config), store, options.cell, where)))
        ended.status = 1 if store.notes() else 0
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
