"""Results beside printed numbers, as one long frame a paper, protocol and profile."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Column, Paper
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.plan import default_seeds, plan
from benchmark.judging.printed import printed_numbers
from benchmark.judging.verdict import verdict
from tables.rows.results import Index

CSV_COLUMNS = ("paper", "dataset", "lookback", "horizon", "model", "sam", "metric", "mean", "std", "n", "ddof", "seeds",
               "published", "published_status", "published_lookback", "deviation_pct", "verdict", "recipe_status",
               "missing")  # fmt: skip


MOST_NAMED = 8
"""Cells that a note names one by one."""


@dataclass(frozen=True)
class Row:
    """One metric of one cell of a paper's table: ours over seeds, the printed number, the verdict.

    `lookback` is 0 where it is not one number: the cell is refused, or none of several look-backs has a Result yet.
    What follows `missing` is not in the CSV: our number of each of `seeds`, the digests of their Results, the protocol's
    switches that change this cell, whether its column is one of the main table's, and whether it stands there with the
    column's own SAM setting; the look-backs that were to choose from, those of them without a Result, and the digests
    of those not chosen; parameters, and seconds of one training (the mean over the seeds).
    """

    paper: str
    dataset: str
    lookback: int
    horizon: int
    model: str
    sam: bool
    metric: str
    mean: float | None
    std: float | None
    n: int
    ddof: int
    seeds: tuple[int, ...]
    published: float | None
    published_status: str
    published_lookback: str
    deviation_pct: float | None
    verdict: str
    recipe_status: str
    missing: int
    values: tuple[float, ...] = ()
    digests: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    main: bool = True
    own_sam: bool = True
    candidates: tuple[int, ...] = ()
    untried: tuple[int, ...] = ()
    passed_over: tuple[str, ...] = ()
    n_params: int | None = None
    seconds: float | None = None


def rows(catalogue: Catalogue, paper: Paper, found: Index, protocol: str, profile: str) -> list[Row]:
    """Every cell of a paper's grid in its order: main columns always, others where there is a Result."""
    groups: dict[tuple[str, int, str, bool], list[Planned]] = defaultdict(list)
    for planned in _planned(catalogue, paper, found, protocol, profile):
        cell = planned.cell
        groups[cell.dataset, cell.horizon, cell.model, cell.sam].append(planned)
    own = {c.digest for (_, _, model, sam), cells in groups.items() if sam == paper.columns[model].sam for c in cells}
    table = []
    for (_, _, model, sam), cells in groups.items():
        column = paper.columns[model]
        done = [c for c in cells if c.digest in found.done]
        if sam != column.sam and all(c.digest in own for c in cells):
            done = []  # the same training stands in another column
        if done or (column.main and sam == column.sam):
            choice = _choose(cells, done, found)
            table += [_row(paper, column, choice, found, metric) for metric in ("mse", "mae")]
    return table


def _planned(catalogue: Catalogue, paper: Paper, found: Index, protocol: str, profile: str) -> Iterator[Planned]:
    seeds = sorted(set(default_seeds(paper, profile)) | found.seeds[paper.name, profile])
    alone = Catalogue({paper.name: paper}, catalogue.datasets, catalogue.groups)
    selection = Selection(papers=(paper.name,), models=("all",), sam="both", seeds=tuple(seeds), protocol=protocol,
                          profile=profile)  # fmt: skip
    yield from plan(alone, selection, found.checksum)


@dataclass(frozen=True)
class _Choice:
    """The cell of a row (of any seed; `lookback` 0: none yet), its Results, its seeds, and how its look-back was chosen."""

    planned: Planned
    lookback: int
    done: tuple[Planned, ...]
    seeds: frozenset[int]
    candidates: tuple[int, ...] = ()
    untried: tuple[int, ...] = ()
    passed_over: tuple[str, ...] = ()


def sample_deviation(values: Sequence[float]) -> float | None:
    """With n − 1; None of fewer than two. (The standard library's is exact in fractions, and a hundred times slower.)"""
    if len(values) < 2:
        return None
    mean = statistics.fmean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def choose_lookback(validation: Mapping[int, Mapping[int, float]]) -> int | None:
    """Of the look-backs that a recipe leaves open the one with the least mean validation MSE; the shorter of a tie.

    `validation`: look-back → seed → validation MSE of what is done. Compared over the seeds that all of them share, so
    that none wins by its easier seeds; where they share none, over what each has. None where nothing is done. The test
    error has no say.
    """
    tried = {lookback: of_seed for lookback, of_seed in validation.items() if of_seed}
    if not tried:
        return None
    shared = set.intersection(*(set(of_seed) for of_seed in tried.values()))
    means = {
        lookback: statistics.fmean(v for seed, v in of_seed.items() if seed in shared or not shared)
        for lookback, of_seed in tried.items()
    }
    return min(means, key=lambda lookback: (means[lookback], lookback))


def lookback_notes(rows: Iterable[Row]) -> list[str]:
    """What a table says where look-backs were chosen: among which, for which columns, and where some were not there."""
    chosen = [r for r in rows if r.candidates and r.metric == "mse" and r.n]
    among: dict[tuple[int, ...], dict[str, None]] = {}
    for row in chosen:
        among.setdefault(row.candidates, {})[row.model] = None
    notes = [
        f"Look-back chosen by validation MSE among {', '.join(map(str, candidates))}, cell by cell: {', '.join(models)}."
        for candidates, models in among.items()
    ]
    fewer = [r for r in chosen if r.untried]
    if fewer:
        named = "; ".join(
            f"{r.dataset} {r.horizon} {r.model} (not done: {', '.join(map(str, r.untried))})" for r in fewer[:MOST_NAMED]
        )
        more = f"; and {len(fewer) - MOST_NAMED} more" if len(fewer) > MOST_NAMED else ""
        notes.append(f"Chosen among fewer look-backs: {named}{more}.")
    return notes


def _choose(cells: list[Planned], done: list[Planned], found: Index) -> _Choice:
    """Settles the look-back of one row, where its recipe leaves it open."""
    seeds = frozenset(c.cell.seed for c in cells)
    candidates = sorted({c.cell.lookback for c in cells if not c.refused})
    if len(candidates) < 2:
        possible = [c for c in cells if not c.refused] or cells
        return _Choice(possible[0], possible[0].cell.lookback, tuple(done), seeds)
    validation: dict[int, dict[int, float]] = {lookback: {} for lookback in candidates}
    for c in done:
        numbers = found.done[c.digest or ""]
        if "val_mse" in numbers:
            validation[c.cell.lookback][c.cell.seed] = numbers["val_mse"]
    best = choose_lookback(validation)
    chosen = next(c for c in cells if not c.refused and best in (None, c.cell.lookback))
    return _Choice(
        chosen, best or 0, tuple(c for c in done if c.cell.lookback == best), seeds, tuple(candidates),
        tuple(lookback for lookback in candidates if not validation[lookback]),
        tuple(c.digest for c in done if c.digest and c.cell.lookback != best),
    )  # fmt: skip


def _row(paper: Paper, column: Column, choice: _Choice, found: Index, metric: str) -> Row:
    cell, recipe = choice.planned.cell, choice.planned.recipe
    results = [(c.cell.seed, c.digest, found.done[c.digest]) for c in choice.done if c.digest]
    values = {seed: numbers[f"test_{metric}"] for seed, _, numbers in results if f"test_{metric}" in numbers}
    mean = statistics.fmean(values.values()) if values else None
    std = sample_deviation(tuple(values.values()))
    own_sam = cell.sam == column.sam
    number = None
    if paper.printed is not None and own_sam:
        key = (cell.dataset, str(cell.horizon), column.printed_as or column.name, metric)
        number = printed_numbers(paper.printed).get(key)
    words, deviation = "", None
    if number is not None:
        comparable = str(choice.lookback) == number.lookback and not number.quoted and cell.profile == "paper"
        words = verdict(mean, std, len(values), number.value, comparable)
        deviation = None if mean is None or not number.value else 100 * (mean - number.value) / number.value
    parameters = [numbers["n_params"] for *_, numbers in results if "n_params" in numbers]
    seconds = [numbers["seconds"] for *_, numbers in results if numbers.get("seconds")]
    return Row(
        paper=paper.name, dataset=cell.dataset, lookback=choice.lookback, horizon=cell.horizon, model=column.name,
        sam=cell.sam, metric=metric, mean=mean, std=std, n=len(values), ddof=1, seeds=tuple(values),
        published=number.value if number else None, published_status=number.status if number else "",
        published_lookback=number.lookback if number else "", deviation_pct=deviation, verdict=words,
        recipe_status=recipe.weakest() if recipe else "",
        missing=len(choice.seeds & set(default_seeds(paper, cell.profile)) - values.keys()), values=tuple(values.values()),
        digests=tuple(digest for _, digest, _ in results), switches=recipe.switches if recipe else (),
        main=column.main, own_sam=own_sam, candidates=choice.candidates, untried=choice.untried,
        passed_over=choice.passed_over, n_params=int(parameters[0]) if parameters else None,
        seconds=statistics.fmean(seconds) if seconds else None,
    )  # fmt: skip
