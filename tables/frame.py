"""Results beside printed numbers, as one long frame a paper, protocol and profile."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmark.data.files import synthetic_sha256
from benchmark.data.registry import DataSet
from benchmark.grid import Catalogue, Planned, Selection, default_seeds, plan, switches_of
from benchmark.paper import Column, Paper
from benchmark.resolution import PROFILES
from benchmark.store import Result, Store
from tables import published
from tables.digits import known
from tables.verdict import verdict

CSV_COLUMNS = ("paper", "dataset", "lookback", "horizon", "model", "sam", "metric", "mean", "std", "n", "ddof", "seeds",
               "published", "published_status", "published_lookback", "deviation_pct", "verdict", "recipe_status",
               "missing")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One metric of one cell of a paper's table: ours over seeds, the printed number, the verdict.

    What follows `missing` is not in the CSV: our number of each of `seeds`, the digests of their Results, the protocol's
    switches that change this cell, whether its column is one of the main table's, and whether it stands there with the
    column's own SAM setting.
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


@dataclass
class Index:
    """What the store holds, read once: the numbers of what is done by digest, and which seeds, protocols, files occur.

    Of a Result only its four metrics are kept: 20,000 of them with their histories would fill the memory.
    """

    done: dict[str, dict[str, float]] = field(default_factory=dict)
    paper: dict[str, str] = field(default_factory=dict)
    ended: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    kinds: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    seeds: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    files: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    @staticmethod
    def of(results: Iterable[Result]) -> Index:
        """The index of some Results; one whose cell is not said in full is passed over."""
        index = Index()
        for result in results:
            cell = result.cell
            if not isinstance(cell, dict) or not {"paper", "protocol", "profile", "dataset", "seed"} <= cell.keys():
                continue
            index.kinds[cell["paper"]].add((cell["protocol"], cell["profile"]))
            index.seeds[cell["paper"], cell["profile"]].add(cell["seed"])
            if result.data_sha256:
                files = index.files[cell["dataset"]]
                files[result.data_sha256] = max(files.get(result.data_sha256, ""), result.ended)
            if result.status != "done":
                index.ended[cell["paper"]][result.status] += 1
            else:
                index.done[result.digest] = {k: v for k, v in result.metrics.items() if known(v)}
                index.paper[result.digest] = cell["paper"]
        return index

    def kinds_of(self, paper: Paper) -> list[tuple[str, str]]:
        """The protocols and profiles of a paper's Results; switches that the paper does not have are left out."""
        kinds = set()
        for protocol, profile in self.kinds[paper.name]:
            if profile in PROFILES:
                own = switches_of(paper, protocol)
                name = "released" if protocol == "released" and own else "+".join(["paper", *own])
                kinds.add((name, profile))
        return sorted(kinds)

    def checksum(self, dataset: DataSet) -> str | None:
        """The file that a table is about: Results of two files are never mixed.

        It is the file that the registry knows, else the only one, else the one that was used last.
        """
        if dataset.file is None:
            return synthetic_sha256(dataset)
        files = self.files.get(dataset.name, {})
        return dataset.sha256 or max(files, key=lambda sha256: (files[sha256], sha256), default=None)

    def notes(self, paper: Paper, catalogue: Catalogue, shown: Iterable[Row]) -> list[str]:
        """What of a paper's Results stands in none of its tables, and why; `shown`: the rows of all of them."""
        notes = []
        left = {d for d, name in self.paper.items() if name == paper.name} - {d for row in shown for d in row.digests}
        if left:
            notes.append(
                f"Left out: {len(left)} done Results of this paper in the store, because the recipes say something else "
                "now (another --config, another version, or another data file)."
            )
        if self.ended[paper.name]:
            counts = ", ".join(f"{n} {status}" for status, n in sorted(self.ended[paper.name].items()))
            notes.append(f"Ended without a number: {counts}; the folder logs says why, and --retry failed runs them again.")
        if paper.overridden:
            notes.append(f"Recipe values of the user's own file, not of the paper: {', '.join(paper.overridden)}.")
        for name in paper.datasets:
            used = self.checksum(catalogue.datasets[name])
            others = sorted(set(self.files.get(name, ())) - {used})
            if used and others:
                notes.append(f"{name}: the file {used[:12]} (SHA-256); Results of {len(others)} other are left out.")
        return notes


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
        results = [(c.cell.seed, c.digest, found.done[c.digest]) for c in cells if c.digest in found.done]
        if sam != column.sam and all(c.digest in own for c in cells):
            results = []  # the same training stands in another column
        if results or (column.main and sam == column.sam):
            table += [_row(paper, column, cells, results, metric) for metric in ("mse", "mae")]
    return table


def _planned(catalogue: Catalogue, paper: Paper, found: Index, protocol: str, profile: str) -> Iterator[Planned]:
    seeds = sorted(set(default_seeds(paper, profile)) | found.seeds[paper.name, profile])
    alone = Catalogue({paper.name: paper}, catalogue.datasets, catalogue.groups)
    selection = Selection(papers=(paper.name,), models=("all",), sam="both", seeds=tuple(seeds), protocol=protocol,
                          profile=profile)  # fmt: skip
    yield from plan(alone, selection, found.checksum)


def _row(paper: Paper, column: Column, cells: list[Planned], results: list[Seeded], metric: str) -> Row:
    cell, recipe = cells[0].cell, cells[0].recipe
    values = {seed: metrics[f"test_{metric}"] for seed, _, metrics in results if f"test_{metric}" in metrics}
    mean = statistics.fmean(values.values()) if values else None
    std = statistics.stdev(values.values()) if len(values) > 1 else None
    own_sam = cell.sam == column.sam
    number = None
    if paper.printed is not None and own_sam:
        key = (cell.dataset, str(cell.horizon), column.printed_as or column.name, metric)
        number = published.load(paper.printed).get(key)
    words, deviation = "", None
    if number is not None:
        comparable = str(cell.lookback) == number.lookback and not number.quoted and cell.profile == "paper"
        words = verdict(mean, std, len(values), number.value, comparable)
        deviation = None if mean is None or not number.value else 100 * (mean - number.value) / number.value
    return Row(
        paper=paper.name, dataset=cell.dataset, lookback=cell.lookback, horizon=cell.horizon, model=column.name,
        sam=cell.sam, metric=metric, mean=mean, std=std, n=len(values), ddof=1, seeds=tuple(values),
        published=number.value if number else None, published_status=number.status if number else "",
        published_lookback=number.lookback if number else "", deviation_pct=deviation, verdict=words,
        recipe_status=recipe.weakest() if recipe else "",
        missing=len(set(default_seeds(paper, cell.profile)) - values.keys()), values=tuple(values.values()),
        digests=tuple(digest for _, digest, _ in results), switches=recipe.switches if recipe else (),
        main=column.main, own_sam=own_sam,
    )  # fmt: skip


Seeded = tuple[int, str, dict[str, float]]
"""A seed, the digest of its Result, and that one's metrics."""
