"""The store's Results → rows: every cell of a paper's grid, and the look-back where a recipe leaves it open."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Column, Paper
from benchmark.errors import counted
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.code import changed, code_of
from benchmark.grid.plan import default_seeds, plan
from benchmark.judging.compare import Ours
from benchmark.judging.printed import printed_numbers
from tables.rows.judge import judge
from tables.rows.results import Index
from tables.rows.row import NO_CHOICE, Choice, Key, Row

MOST_NAMED = 8
"""Cells that a note names one by one."""


def rows(
    catalogue: Catalogue, paper: Paper, found: Index, protocol: str, profile: str, extra: Sequence[str] = ()
) -> list[Row]:
    """Every cell of a paper's grid in its order: main columns always, others where there is a Result.

    extra: metrics beside the paper's own; a Result that was written without one has a hole there.
    """
    groups: dict[tuple[str, int, str, bool], list[Planned]] = defaultdict(list)
    planned_cells = list(_planned(catalogue, paper, found, protocol, profile))
    found.note_planned(paper, planned_cells)
    for planned in planned_cells:
        cell = planned.cell
        groups[cell.dataset, cell.horizon, cell.model, cell.sam].append(planned)
    own = {c.digest for (_, _, model, sam), cells in groups.items() if sam == paper.columns[model].sam for c in cells}
    table = []
    for (dataset, _, model, sam), cells in groups.items():
        column = paper.columns[model]
        done = [c for c in cells if c.digest in found.done]
        if sam != column.sam and all(c.digest in own for c in cells):
            done = []  # the same training stands in another column
        if done or (column.main and sam == column.sam):
            chosen = _choose(cells, done, found, f"val_{paper.metric.name}")
            filled = "fill" in catalogue.datasets[dataset].options
            table += [_row(paper, column, chosen, found, metric, filled) for metric in (*paper.metrics, *extra)]
    return judge(table, profile)


def _planned(catalogue: Catalogue, paper: Paper, found: Index, protocol: str, profile: str) -> Iterator[Planned]:
    seeds = sorted(set(default_seeds(paper, profile)) | found.seeds[paper.name, profile])
    alone = Catalogue({paper.name: paper}, catalogue.datasets, catalogue.groups)
    selection = Selection(papers=(paper.name,), models=("all",), sam="both", seeds=tuple(seeds), protocol=protocol,
                          profile=profile)  # fmt: skip
    yield from plan(alone, selection, found.checksum)


@dataclass(frozen=True)
class _Chosen:
    """The cell of a row, its Results, its seeds, and how its look-back was chosen.

    planned: of any seed. lookback: 0 where there is none yet. done: the cells with a Result. seeds: of all. diverged: those
    of them that ended so. choice: among which look-backs.
    """

    planned: Planned
    lookback: int
    done: tuple[Planned, ...]
    seeds: frozenset[int]
    diverged: tuple[int, ...] = ()
    choice: Choice = NO_CHOICE


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
    rows = list(rows)
    chosen = [r for r in rows if r.choice.candidates and r.ours.n and r.key.metric == rows[0].key.metric]
    among: dict[tuple[int, ...], dict[str, None]] = {}
    for row in chosen:
        among.setdefault(row.choice.candidates, {})[row.key.model] = None
    notes = [
        f"Look-back chosen by validation MSE among {', '.join(map(str, candidates))}, cell by cell: {', '.join(models)}."
        for candidates, models in among.items()
    ]
    fewer = [r for r in chosen if r.choice.untried]
    if fewer:
        named = "; ".join(
            f"{r.key.dataset} {r.key.horizon} {r.key.model} (not done: {', '.join(map(str, r.choice.untried))})"
            for r in fewer[:MOST_NAMED]
        )
        more = f"; and {len(fewer) - MOST_NAMED} more" if len(fewer) > MOST_NAMED else ""
        notes.append(f"Chosen among fewer look-backs: {named}{more}.")
    return notes


def code_notes(rows: Iterable[Row]) -> list[str]:
    """What a table says where other code than today's made some of it: how many cells, and in which sources it differs."""
    marked = [row for row in rows if row.other_code]
    cells = {replace(row.key, metric="") for row in marked}
    sources = sorted({source for row in marked for source in row.other_code})
    some = ", ".join(sources[:MOST_NAMED]) + (f" and {len(sources) - MOST_NAMED} more" if len(sources) > MOST_NAMED else "")
    return [f"Made by other code than today's: {counted(len(cells), 'cell')} ({some})."] if cells else []


def _choose(cells: list[Planned], done: list[Planned], found: Index, selecting: str) -> _Chosen:
    """Settles the look-back of one row, where its recipe leaves it open: by the metric `selecting`."""
    seeds = frozenset(c.cell.seed for c in cells)
    diverged = [c.cell for c in cells if c.digest in found.diverged]
    candidates = sorted({c.cell.lookback for c in cells if not c.refused})
    if len(candidates) < 2:
        possible = [c for c in cells if not c.refused] or cells
        return _Chosen(possible[0], possible[0].cell.lookback, tuple(done), seeds, tuple(c.seed for c in diverged))
    validation: dict[int, dict[int, float]] = {lookback: {} for lookback in candidates}
    for c in done:
        numbers = found.done[c.digest or ""]
        if selecting in numbers:
            validation[c.cell.lookback][c.cell.seed] = numbers[selecting]
    best = choose_lookback(validation)
    chosen = next(c for c in cells if not c.refused and best in (None, c.cell.lookback))
    choice = Choice(
        candidates=tuple(candidates), untried=tuple(lookback for lookback in candidates if not validation[lookback]),
        passed_over=tuple(c.digest for c in done if c.digest and c.cell.lookback != best),
    )  # fmt: skip
    lost = tuple(c.seed for c in diverged if c.lookback == best)
    return _Chosen(chosen, best or 0, tuple(c for c in done if c.cell.lookback == best), seeds, lost, choice)


def _row(paper: Paper, column: Column, chosen: _Chosen, found: Index, metric: str, filled: bool = False) -> Row:
    cell, recipe = chosen.planned.cell, chosen.planned.recipe
    results = [(c.cell.seed, c.digest, found.done[c.digest]) for c in chosen.done if c.digest]
    by_seed = {seed: numbers[f"test_{metric}"] for seed, _, numbers in results if f"test_{metric}" in numbers}
    ours = Ours.of(by_seed, tuple(digest for _, digest, _ in results), chosen.diverged)
    own_sam = cell.sam == column.sam
    printed = None
    if paper.printed is not None and own_sam:
        key = (cell.dataset, str(cell.horizon or ""), column.printed_as or column.name, metric)
        printed = printed_numbers(paper.printed).get(key)
    variant = recipe.variant if recipe else ""
    same_task = variant == paper.own_variant(column, cell.dataset, cell.horizon)
    parameters = [numbers["n_params"] for *_, numbers in results if "n_params" in numbers]
    seconds = [numbers["seconds"] for *_, numbers in results if numbers.get("seconds")]
    made_by = {id(code): code for _, digest, _ in results if (code := found.code.get(digest))}
    today = code_of(recipe) if recipe and made_by else {}
    other_code = sorted({source for code in made_by.values() for source in changed(code, today)})
    return Row(
        key=Key(paper=paper.name, dataset=cell.dataset, lookback=chosen.lookback, horizon=cell.horizon,
                model=column.name, sam=cell.sam, metric=metric),
        ours=ours, printed=printed, choice=chosen.choice,
        variant=variant, same_task=same_task,
        missing=len(chosen.seeds & set(default_seeds(paper, cell.profile)) - by_seed.keys()),
        recipe_status=recipe.weakest() if recipe else "", switches=recipe.switches if recipe else (),
        main=column.main, own_sam=own_sam, n_params=int(parameters[0]) if parameters else None,
        seconds=statistics.fmean(seconds) if seconds else None, filled=filled, other_code=tuple(other_code),
        recipe=recipe,
    )  # fmt: skip
