"""Results beside printed numbers, as one long frame a paper, protocol and profile."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmark.config import Column, Paper
from benchmark.data.registry import DataSet
from benchmark.grid import Catalogue, Planned, Selection, plan
from benchmark.store import Result, Store
from tables import published
from tables.verdict import verdict

CSV_COLUMNS = ("paper", "dataset", "lookback", "horizon", "model", "sam", "metric", "mean", "std", "n", "ddof", "seeds",
               "published", "published_status", "published_lookback", "deviation_pct", "verdict", "recipe_status",
               "missing")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One metric of one cell of a paper's table: ours over seeds, the printed number, the verdict."""

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


@dataclass
class Index:
    """What the store holds, read once: the done Results by digest, and which seeds, protocols and files occur."""

    done: dict[str, Result] = field(default_factory=dict)
    kinds: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    seeds: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    files: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @staticmethod
    def of(results: Iterable[Result]) -> Index:
        """The index of some Results."""
        index = Index()
        for result in results:
            cell = result.cell
            index.kinds[cell["paper"]].add((cell["protocol"], cell["profile"]))
            index.seeds[cell["paper"]].add(cell["seed"])
            files = index.files[cell["dataset"]]
            if result.data_sha256 and result.data_sha256 not in files:
                files.append(result.data_sha256)
            if result.status == "done":
                index.done[result.digest] = result
        return index

    def checksum(self, dataset: DataSet) -> str | None:
        """The file that a table is about: the one that the registry knows, else the only one that Results are of.

        Raises ValueError where Results of several unknown files would have to be mixed.
        """
        found = sorted(self.files.get(dataset.name, ()))
        if dataset.sha256 or len(found) <= 1:
            return dataset.sha256 or (found[0] if found else None)
        raise ValueError(f"{dataset.name}: the store holds Results of {len(found)} different files; keep those of one")


def index(store: Store) -> Index:
    """The index of a store."""
    return Index.of(store.results())


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
        results = [(c.cell.seed, found.done[c.digest]) for c in cells if c.digest in found.done]
        if sam != column.sam:
            results = [] if all(r.digest in own for _, r in results) else results  # they stand in another column
        if results or (column.main and sam == column.sam):
            table += [_row(paper, column, cells, results, metric) for metric in ("mse", "mae")]
    return table


def _planned(catalogue: Catalogue, paper: Paper, found: Index, protocol: str, profile: str) -> Iterator[Planned]:
    seeds = set(paper.default_seeds()[:1] if profile == "quick" else paper.default_seeds()) | found.seeds[paper.name]
    alone = Catalogue({paper.name: paper}, catalogue.datasets, catalogue.groups)
    selection = Selection(papers=(paper.name,), models=("all",), sam="both", seeds=tuple(sorted(seeds)),
                          protocol=protocol, profile=profile)  # fmt: skip
    yield from plan(alone, selection, found.checksum)


def _row(paper: Paper, column: Column, cells: list[Planned], results: list[tuple[int, Result]], metric: str) -> Row:
    cell, recipe = cells[0].cell, cells[0].recipe
    values = [r.metrics[f"test_{metric}"] for _, r in results]
    mean = statistics.fmean(values) if values else None
    std = statistics.stdev(values) if len(values) > 1 else None
    number = None
    if paper.printed is not None and cell.sam == column.sam:
        key = (cell.dataset, str(cell.horizon), column.printed_as or column.name, metric)
        number = published.load(paper.printed).get(key)
    words, deviation = "", None
    if number is not None:
        comparable = str(cell.lookback) == number.lookback and not number.quoted and cell.profile == "paper"
        words = verdict(mean, std, len(values), number.value, comparable)
        deviation = None if mean is None else 100 * (mean - number.value) / number.value
    wanted = set(paper.default_seeds()[:1] if cell.profile == "quick" else paper.default_seeds())
    have = tuple(seed for seed, _ in results)
    return Row(
        paper=paper.name, dataset=cell.dataset, lookback=cell.lookback, horizon=cell.horizon, model=column.name,
        sam=cell.sam, metric=metric, mean=mean, std=std, n=len(values), ddof=1, seeds=have,
        published=number.value if number else None, published_status=number.status if number else "",
        published_lookback=number.lookback if number else "", deviation_pct=deviation, verdict=words,
        recipe_status=recipe.weakest() if recipe else "", missing=len(wanted - set(have)),
    )  # fmt: skip
