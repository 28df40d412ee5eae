"""How long the cells of a plan take on one CPU core: by what the store has measured, else by their sizes alone."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.data.registry import DataSet
from benchmark.errors import counted
from benchmark.grid import cost, takes
from benchmark.grid.cells import Planned
from benchmark.machine import time_in_words

BYTES_A_SECOND = 6e8
"""Of activations that one CPU core makes and takes back: a middle of what the cells of docs/measured took."""
OPERATIONS_A_SECOND = 4e10
"""Of products of matrices on one CPU core: a middle of what k-means of 20,000 patches took (1.4e10 to 6.9e10)."""
EPOCHS_A_PATIENCE = 3
"""A training that may end early lasts about so many times its patience, as those of docs/measured did."""
BESIDE_SECONDS = 2.0
"""Of a cell: its windows, its test, its files."""
WITHIN = "by sizes alone, within a factor of three or so"


@dataclass(frozen=True)
class Effort:
    """What a paper's cells to train take. cells: how many. seconds: of one CPU core, of all of them. measured: cells of
    which it is known by what other seeds of theirs, or other cells of their column or paper, took."""

    paper: str
    cells: int
    seconds: float
    measured: int


@dataclass(frozen=True)
class Estimate:
    """Seconds of one core that a cell takes, and whether that is by what others in the store took."""

    seconds: float
    measured: bool


def efforts(cells: Sequence[Planned], estimates: Sequence[Estimate]) -> list[Effort]:
    """By paper, in the order of the plan."""
    found: dict[str, list[Estimate]] = defaultdict(list)
    for planned, estimate in zip(cells, estimates, strict=True):
        found[planned.cell.paper].append(estimate)
    return [
        Effort(paper, len(each), sum(one.seconds for one in each), sum(one.measured for one in each))
        for paper, each in found.items()
    ]


def by_sizes(planned: Planned, dataset: DataSet) -> float:
    """Seconds of one core, from a cell's sizes and the most epochs, or about as many as its patience lets it have."""
    recipe = planned.recipe
    share = 1.0
    if recipe is not None and recipe.training is not None and recipe.training.patience is not None:
        share = min(1.0, EPOCHS_A_PATIENCE * recipe.training.patience / recipe.training.epochs)
    if recipe is not None and recipe.bounds.max_steps is not None:
        share = 1.0
    before = cost.before_training(planned, dataset) / OPERATIONS_A_SECOND
    return BESIDE_SECONDS + before + share * cost.work(planned, dataset) / BYTES_A_SECOND


def estimates(
    left: Sequence[Planned], plan: Sequence[Planned], known: takes.Known, datasets: Mapping[str, DataSet]
) -> list[Estimate]:
    """Of each cell that is left of a plan. known: what the store has measured, by row of the plan."""
    rows: dict[str, tuple[Planned, float]] = {}

    def row_of(planned: Planned) -> str:
        row = takes.row_of(planned.cell)
        if row not in rows:
            rows[row] = planned, by_sizes(planned, datasets[planned.cell.dataset])
        return row

    measured = {row: found.seconds for row, found in known.items() if found.seconds}
    for planned in plan if measured else ():
        row_of(planned)
    slower = _slower(measured, rows)
    of_row: dict[str, Estimate] = {}
    out = []
    for planned in left:
        row = row_of(planned)
        if row not in of_row:
            factor = next((slower[name] for name in _kin(planned) if name in slower), None)
            by_kin = Estimate(rows[row][1] * (factor or 1.0), factor is not None)
            of_row[row] = Estimate(measured[row], True) if row in measured else by_kin
        out.append(of_row[row])
    return out


def _slower(measured: Mapping[str, float], rows: Mapping[str, tuple[Planned, float]]) -> dict[tuple[str, ...], float]:
    """By column and by paper, how many times longer than by their sizes the cells that were measured took, the median."""
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for row, taken in measured.items():
        if row in rows:
            planned, by_size = rows[row]
            for name in _kin(planned):
                found[name].append(taken / by_size)
    return {name: statistics.median(ratios) for name, ratios in found.items()}


def _kin(planned: Planned) -> tuple[tuple[str, ...], ...]:
    return (planned.cell.paper, planned.cell.model), (planned.cell.paper,)


def lines(found: Sequence[Effort], at_once: int, programs: str) -> list[str]:
    """A line a paper and one of all. at_once: workers. programs: as how many cells are trained, in words."""
    if not found:
        return []
    whole = _whole(found)
    how = WITHIN if not whole.measured else "as cells in the store took" if whole.measured == whole.cells else (
        f"of {counted(whole.measured, 'cell')} as others in the store took, of the rest {WITHIN}")  # fmt: skip
    listed = [*found, whole] if len(found) > 1 else list(found)
    wide, many = max(len(e.paper) for e in listed), max(len(counted(e.cells, "cell")) for e in listed)
    out = [f"to train, on one CPU core ({how}):"]
    out += [f"  {e.paper:{wide}}  {counted(e.cells, 'cell'):>{many}}  about {time_in_words(e.seconds)}" for e in listed]
    workers = min(at_once, whole.cells)
    if workers > 1:
        out[-1] += f", {workers} at a time about {time_in_words(whole.seconds / workers)}"
    return [*out, *([f"  as programs: {programs}"] if programs else [])]


def as_object(found: Sequence[Effort], at_once: int) -> dict[str, Any]:
    """`papers`, a list, and the same of all: `cells` to train; `seconds` of one CPU core, of all of them; `measured`, how
    many of them are by what the store has; `from`, in a word. `workers`, and the `seconds_with_workers`."""
    whole = _object(_whole(found))
    workers = max(1, min(at_once, whole["cells"]))
    papers = [{"paper": effort.paper} | _object(effort) for effort in found]
    return {"papers": papers} | whole | {"workers": workers, "seconds_with_workers": round(whole["seconds"] / workers, 1)}


def _object(effort: Effort) -> dict[str, Any]:
    origin = "measured" if effort.measured == effort.cells else "measured and sizes" if effort.measured else "sizes"
    known = {"cells": effort.cells, "seconds": round(effort.seconds, 1), "measured": effort.measured}
    return known | {"from": origin if effort.cells else None}


def _whole(found: Sequence[Effort]) -> Effort:
    return Effort("in all", sum(e.cells for e in found), sum(e.seconds for e in found), sum(e.measured for e in found))
