"""What `python -m benchmark.analysis` has found in the trained weights of a page's cells: its numbers, and its figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark.errors import counted
from benchmark.store.measured import Measured
from benchmark.store.text import Damaged
from tables.figures.data import Figure
from tables.figures.page_renderer import Pool, as_data
from tables.figures.probes import attention, landscape, sharpness, training, varweights
from tables.figures.style import Style
from tables.layout.markdown import HOLE, escape
from tables.layout.subject import Subject
from tables.pipe import pipe
from tables.report.cells import MOST_POINTS, name

ROOM = 600_000
"""Characters that all of these figures may take of a page."""
MOST_LINES = 300
"""Cells in the table of numbers."""
HEADS = ("cell", "λmax", "λmin", "trace", "over", "row entropy", "effective rank", "diagonal", "over")


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A cell into which somebody has looked. key: its own. title: of a picture of it. column: its key without the seed.
    task: the column's without the column. found: by command."""

    key: str
    title: str
    column: str
    task: str
    found: Mapping[str, Measured]


@dataclass
class Inside:
    """What the page shows of it.

    numbers: a table as Markdown; empty where nothing has been looked into. figures: as data, with their titles. left: in
    sentences, what is not shown.
    """

    numbers: str = ""
    figures: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def inside(
    subjects: Iterable[Subject], measured: Mapping[str, Mapping[str, Measured]], seeds: Mapping[str, int],
    styles: Pool[Style],
) -> Inside:  # fmt: skip
    """Of the cells in these subjects' tables. measured: by digest and command. seeds: of a digest."""
    cells = list(_looked(subjects, measured, seeds))
    shown = Inside()
    if not cells:
        return shown
    lines = [line for cell in cells if (line := _line(cell)) is not None]
    if lines:
        shown.numbers = _numbers(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown.left.append(f"The first {MOST_LINES} of {counted(len(lines), 'cell')}")
    taken, without = 0, 0
    for figure in _figures(cells):
        data = as_data(figure, styles, most=MOST_POINTS)
        size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
        if taken + size > ROOM:
            without += 1
            continue
        taken += size
        shown.figures.append((data, figure.title))
    if without:
        shown.left.append(
            f"{counted(without, 'figure')} more would make the page too large; as pictures they are in the folder analysis"
        )
    return shown


def _numbers(lines: Sequence[Sequence[str]]) -> str:
    """A table of those columns in which any cell has a number."""
    columns = list(zip(HEADS, *lines, strict=True))
    heads, *body = zip(*(column for column in columns if set(column[1:]) != {HOLE}), strict=True)
    return pipe(body, heads, ["left", *["right"] * (len(heads) - 1)])


def _looked(
    subjects: Iterable[Subject], measured: Mapping[str, Mapping[str, Measured]], seeds: Mapping[str, int]
) -> Iterator[Looked]:
    """Every cell once, in the order of the tables, the seeds of a cell one after the other."""
    met = set[str]()
    for of in subjects:
        for row in of.rows:
            column = name(of, row)
            for digest in row.ours.digests:
                if digest in measured and digest not in met:
                    met.add(digest)
                    key = f"{column}/s{seeds[digest]}"
                    task = f"{of.about}, {row.key.dataset} {row.key.horizon or ''}".rstrip()
                    title = f"{key}, protocol {of.protocol}, profile {of.profile}"
                    yield Looked(key=key, title=title, column=column, task=task, found=measured[digest])


def _line(cell: Looked) -> list[str] | None:
    """Its numbers; None where it has none of these, or its files are damaged."""
    none: Mapping[str, Any] = {}
    sharp, seen = cell.found.get("sharpness", none), cell.found.get("attention", none)

    def said(arrays: Mapping[str, Any], each: str, form: str = ".4g") -> str:
        return format(float(arrays[each]), form).replace("-", "−") if each in arrays else HOLE

    try:
        spread = f" ± {said(sharp, 'trace_error', '.2g')}" if "trace_error" in sharp else ""
        over = f"{int(sharp['windows']):,} {sharp['split']}" if "windows" in sharp else HOLE
        tested = f"{int(seen['count']):,} test" if "count" in seen else HOLE
        numbers = [said(sharp, "lambda_max"), said(sharp, "lambda_min"), said(sharp, "trace") + spread, over]
        numbers += [*(said(seen, f"selected_{each}", ".3f") for each in ("entropy", "rank", "diagonal")), tested]
    except Damaged:
        return None
    return None if set(numbers) == {HOLE} else [escape(cell.key), *numbers]


Named = tuple[str, Measured]
"""A cell as a figure names it, and what was found in it."""


def _figures(cells: Sequence[Looked]) -> Iterator[Figure]:
    """The figures of each task: of sharpness every seed of every column, of all else the first seed of a column."""
    tasks: dict[str, list[Looked]] = {}
    for cell in cells:
        tasks.setdefault(cell.task, []).append(cell)
    for of in tasks.values():
        for draw in _OF_A_TASK:
            try:
                yield from draw(of)
            except (Damaged, KeyError):
                continue  # a picture less: a file that is damaged, or of an earlier form


def _sharpness(cells: Sequence[Looked]) -> Iterator[Figure]:
    found = [(cell.key, cell.found["sharpness"]) for cell in cells if "sharpness" in cell.found]
    if found:
        yield _about(cells, sharpness.sharpness(found))


def _by_epoch(cells: Sequence[Looked]) -> Iterator[Figure]:
    for command, draw in (("training", training.by_epoch), ("attention", attention.by_epoch)):
        figure = draw(_first(cells, command, "epochs"))
        if figure is not None:
            yield _about(cells, figure)


def _about(cells: Sequence[Looked], figure: Figure) -> Figure:
    """A figure whose title does not say of which task it is, with one that does."""
    return replace(figure, title=f"{cells[0].task}: {figure.title}")


def _landscapes(cells: Sequence[Looked]) -> Iterator[Figure]:
    found = _first(cells, "landscape", "loss")
    if not found:
        return
    yield landscape.surfaces(found)
    for title, arrays in found:
        path = landscape.paths(title, arrays)
        if path is not None:
            yield path


def _var_weights(cells: Sequence[Looked]) -> Iterator[Figure]:
    for title, arrays in _first(cells, "var", "norms"):
        yield varweights.by_lag(arrays, title)
        process = {each.removeprefix("process_"): arrays[each] for each in arrays if each.startswith("process_")}
        if process:
            yield varweights.coefficients(process, title.partition(",")[0])


def _first(cells: Sequence[Looked], command: str, array: str) -> list[Named]:
    """Of each column the first seed whose file of a command has an array, which one that has travelled may lack."""
    found: dict[str, Named] = {}
    for cell in cells:
        if array in cell.found.get(command, {}):
            found.setdefault(cell.column, (cell.title, cell.found[command]))
    return list(found.values())


_OF_A_TASK: tuple[Callable[[Sequence[Looked]], Iterator[Figure]], ...] = (
    _sharpness, _by_epoch, _landscapes, _var_weights,
)  # fmt: skip
