"""The grid: which cells there are, which of them are asked for, which cannot exist, and the digest of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from baselines import misfit
from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Column, Paper
from benchmark.config.recipe import PROFILE, Recipe
from benchmark.config.resolve import Refusal, candidates, resolve
from benchmark.data.registry import DataSet
from benchmark.errors import UsageError, nearest
from benchmark.grid import cost
from benchmark.grid.cells import Cell, Planned, Selection
from benchmark.grid.digest import Digester
from benchmark.machine import size_in_words
from benchmark.store.judged import column_key
from benchmark.workloads import WORKLOADS


def expand_subset(names: Sequence[str], papers: Mapping[str, Paper], datasets: Mapping[str, DataSet],
                  groups: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:  # fmt: skip
    """`--subset` → names of data sets, in the registry's order. Raises UsageError for a name that is none."""
    known: dict[str, tuple[str, ...]] = {name: (name,) for name in datasets} | dict(groups)
    known |= {name: paper.datasets for name, paper in papers.items() if name not in known}
    named = {d for paper in papers.values() if not paper.synthetic for d in paper.datasets}
    known["all"] = tuple(d for d in datasets if d in named)
    folded = {name.casefold(): value for name, value in known.items()}
    wanted: set[str] = set()
    for name in names:
        if name.casefold() not in folded:
            raise UsageError(f"--subset: unknown data set '{name}'{nearest(name, known)}")
        wanted |= set(folded[name.casefold()])
    return tuple(d for d in datasets if d in wanted)


def parse_protocol(text: str, papers: Mapping[str, Paper]) -> str:
    """A protocol's canonical name: ``paper`` or ``released``, or either with switches, sorted: ``paper+A+B``.

    Raises UsageError for a switch that no paper has.
    """
    base, *names = text.split("+")
    if base not in ("paper", "released") or "" in names:
        raise UsageError(f"--protocol: expected paper or released, or one of them with +SWITCH[+SWITCH…], found '{text}'")
    known = [s for paper in papers.values() for s in paper.switches]
    for name in names:
        if name not in known:
            raise UsageError(f"--protocol: unknown switch '{name}'{nearest(name, known)}")
    return "+".join([base, *sorted(set(names))])


def switches_of(paper: Paper, protocol: str) -> tuple[str, ...]:
    """The switches that a protocol asks of a paper; those that the paper does not have are not its own."""
    base, *names = protocol.split("+")
    both = dict.fromkeys([*(paper.released if base == "released" else ()), *names])
    return tuple(name for name in both if name in paper.switches)


def in_order(paper: Paper, protocols: Iterable[str]) -> list[str]:
    """Protocols as every document lists them: the paper's own, then those of one switch, then of more."""
    return sorted(protocols, key=lambda name: (name != "paper", len(switches_of(paper, name)), name))


def own_protocol(paper: Paper, protocol: str) -> str:
    """A protocol by its name among a paper's own: without the switches that the paper does not have; `released` where it
    has all that the paper's released code is, with what it has besides."""
    own = switches_of(paper, protocol)
    as_released = bool(paper.released) and set(paper.released) <= set(own)
    besides = [name for name in own if not (as_released and name in paper.released)]
    return "+".join(["released" if as_released else "paper", *besides])


def plan(catalogue: Catalogue, selection: Selection, checksum: Callable[[DataSet], str | None],
         memory_limit: int | None = None) -> list[Planned]:  # fmt: skip
    """Every cell that the selection asks for, in order. `checksum`: of a data set's file, None where it is not there.

    `memory_limit` (bytes): cells that are estimated to need more are refused; None: none is.

    Raises UsageError for a name or number that no selected paper has, and where nothing is selected.
    """
    papers = _selected_papers(catalogue, selection)
    columns = _selected_columns(papers, selection)
    if selection.papers and not selection.subset:  # not by their names: a paper may be called as a data set is
        datasets = tuple(d for d in catalogue.datasets if any(d in paper.datasets for paper in papers.values()))
    else:
        datasets = expand_subset(selection.subset or ("all",), catalogue.papers, catalogue.datasets, catalogue.groups)
    _check_horizons(papers, datasets, selection)
    sums = {name: checksum(catalogue.datasets[name]) for name in datasets}
    cells = [
        planned
        for paper in papers.values()
        for name in paper.datasets
        if name in datasets
        for horizon in paper.horizons_of(name)
        if selection.horizons is None or horizon in selection.horizons
        for column in columns[paper.name]
        for planned in _cells(paper, column, catalogue.datasets[name], horizon, sums[name], selection, memory_limit)
    ]
    if not cells:
        raise UsageError(
            f"nothing is selected: no paper among {', '.join(papers)} has such cells; see --dry-run without filters"
        )
    return cells


def _selected_papers(catalogue: Catalogue, selection: Selection) -> dict[str, Paper]:
    if selection.papers is None:
        return dict(catalogue.papers)
    folded = {name.casefold(): name for name in catalogue.papers}
    for name in selection.papers:
        if name.casefold() not in folded:
            raise UsageError(f"--papers: unknown paper '{name}'{nearest(name, catalogue.papers)}")
    wanted = {folded[name.casefold()] for name in selection.papers}
    return {name: paper for name, paper in catalogue.papers.items() if name in wanted}


def _selected_columns(papers: Mapping[str, Paper], selection: Selection) -> dict[str, list[Column]]:
    if selection.models is None:
        return {p.name: [c for c in p.columns.values() if c.main] for p in papers.values()}
    known = [c for p in papers.values() for c in p.columns]
    wanted = {name.casefold() for name in selection.models}
    for name in selection.models:
        if name.casefold() not in {k.casefold() for k in known} | {"all"}:
            raise UsageError(f"--models: unknown model '{name}'{nearest(name, [*known, 'all'])}")
    everything = "all" in wanted
    return {p.name: [c for n, c in p.columns.items() if everything or n.casefold() in wanted] for p in papers.values()}


def _check_horizons(papers: Mapping[str, Paper], datasets: Sequence[str], selection: Selection) -> None:
    known = sorted({h for p in papers.values() for d in p.datasets if d in datasets for h in p.horizons_of(d)})
    for horizon in selection.horizons or ():
        if known and horizon not in known:
            close = min(known, key=lambda h: abs(h - horizon))
            raise UsageError(
                f"--horizons: no selected paper has horizon {horizon}; did you mean {close}? "
                f"(known: {', '.join(map(str, known))})"
            )


def default_seeds(paper: Paper, profile: str) -> tuple[int, ...]:
    """The seeds of a paper's recipe; in profile quick the first of them."""
    return paper.default_seeds()[:1] if profile == "quick" else paper.default_seeds()


def _cells(
    paper: Paper,
    column: Column,
    dataset: DataSet,
    horizon: int,
    data_sha256: str | None,
    selection: Selection,
    memory_limit: int | None,
) -> Iterator[Planned]:
    """The cells of one row and column: every SAM setting, look-back and seed that is asked for."""
    settings = {"on": (True,), "off": (False,), "both": (True, False)}.get(selection.sam or "", (column.sam,))
    switches = switches_of(paper, selection.protocol)

    def cells(lookback: int, sam: bool, candidate: bool = False) -> Iterator[Cell]:
        for seed in _seeds(paper, column, sam, selection):
            yield Cell(paper.name, selection.protocol, selection.profile, dataset.name, lookback, horizon,
                       column.name, sam, seed, candidate)  # fmt: skip

    for sam in settings:
        try:
            recipes = candidates(resolve(paper, column, dataset.name, horizon, sam, switches, selection.profile))
        except Refusal as refusal:
            yield from (Planned(cell, None, None, str(refusal)) for cell in cells(0, sam))
            continue
        for recipe in (affordable(r, cost.channels_of(dataset, r), horizon) for r in recipes):
            lookback = recipe.lookback
            reason = misfit(lookback, horizon, recipe.arguments) if column.own is None else None
            reason = reason or _uncountable(dataset, column, recipe)
            reason = reason or WORKLOADS[recipe.workload].infeasible(dataset, lookback, horizon)
            reason = reason or too_big(dataset, horizon, recipe, memory_limit)
            digester = None
            if reason is None and data_sha256 is not None:
                digester = Digester(recipe, dataset, horizon, selection.profile, data_sha256)
            for cell in cells(lookback, sam, len(recipes) > 1):
                yield Planned(cell, recipe, digester.of(cell.seed) if digester else None, reason, digester)


def _seeds(paper: Paper, column: Column, sam: bool, selection: Selection) -> Sequence[int]:
    """Those that are asked for; one of a model in which nothing is drawn."""
    if column.info.closed_form:
        return (0,)
    if selection.seeds_of is not None:
        protocol = own_protocol(paper, selection.protocol)
        key = column_key(paper.name, protocol, selection.profile, column.name, sam)
        return range(selection.seeds_of.get(key, selection.least_seeds))
    return selection.seeds or default_seeds(paper, selection.profile)


def _uncountable(dataset: DataSet, column: Column, recipe: Recipe) -> str | None:
    """That some targets alone are to count, and the model cannot do that, if it is so."""
    why = WORKLOADS[recipe.workload].partial(dataset, recipe.variant)
    if why is None or column.info.partial_targets:
        return None
    what = "what it is fitted to" if column.info.closed_form else "its training loss"
    return f"{column.name} cannot have {why}: {what} is over all targets, and not the MSE of some alone"


def too_big(dataset: DataSet, horizon: int, recipe: Recipe, limit: int | None) -> str | None:
    """That a cell is estimated to need more memory (bytes) than the limit, if it is."""
    needed = cost.estimate(dataset, horizon, recipe) if limit is not None else None
    if limit is None or needed is None or needed <= limit:
        return None
    axes = (("look-back", recipe.lookback), ("horizon", horizon))
    of_cell = "".join(f", {name} {steps}" for name, steps in axes if steps)
    return f"not enough memory: about {size_in_words(needed)} needed, {size_in_words(limit)} there: {dataset.name}{of_cell}"


QUICK_BYTES = 12 * 10**9
"""Of activations that a quick cell's steps may take in all: a smoke run of the largest model is minutes, too."""


LEAST_STEPS = 5


def affordable(recipe: Recipe, channels: int | None, horizon: int) -> Recipe:
    """The recipe with fewer steps, if its profile bounds them and a step's activations (of `channels`) are large."""
    name = PROFILE + "max_steps"
    bound = recipe.values.get(name)
    if bound is None or channels is None or recipe.training is None:
        return recipe
    each = cost.of_step(channels, horizon, recipe)[0] * recipe.training.accumulation
    most = max(LEAST_STEPS, QUICK_BYTES // max(1, each))
    if most >= bound.value:
        return recipe
    return replace(recipe, values={**recipe.values, name: replace(bound, value=most)})
