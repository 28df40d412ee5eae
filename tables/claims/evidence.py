"""Where a claim's numbers come from: the papers' printed tables, and the rows of our Results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Printed
from benchmark.grid.plan import own_protocol
from benchmark.judging.printed import file_of, printed_numbers
from benchmark.judging.verdict import LEAST_SEEDS
from benchmark.store.measured import Measured
from tables.claims.reader import Claim, Ref
from tables.rows.row import Row
from tables.statistics import CellKey, Sample

RowsByKind = Mapping[tuple[str, str], Sequence[Row]]
"""A paper's rows by protocol and profile."""
AVERAGE = "avg"
"""The horizon of a printed mean over all horizons."""


@dataclass(frozen=True)
class Evidence:
    """All there is to check claims on.

    rows_of: by the paper's name. measured: by digest and command what `python -m benchmark.analysis` has found in the
    trained weights.
    """

    catalogue: Catalogue
    rows_of: Mapping[str, RowsByKind]
    measured: Mapping[str, Mapping[str, Measured]] = field(default_factory=dict)

    def protocols(self, paper: str) -> list[str]:
        """The protocols of a paper that have Results in profile paper, `paper` first; no claim is checked on others."""
        found = [protocol for protocol, profile in self.rows_of.get(paper, {}) if profile == "paper"]
        return sorted(found, key=lambda name: (name != "paper", name))

    def split(self, claims: Iterable[Claim]) -> tuple[list[Claim], list[Claim]]:
        """The claims of papers that have Results, then the others."""
        found: tuple[list[Claim], list[Claim]] = [], []
        for claim in claims:
            found[not self.rows_of.get(claim.paper)].append(claim)
        return found

    def grid(self, claim: Claim) -> list[CellKey]:
        """The cells that a claim is about: its own data sets and horizons, else its paper's; none of an unknown paper."""
        paper = self.catalogue.papers.get(claim.paper)
        datasets = claim.datasets or (paper.datasets if paper else ())
        cells = []
        for name in datasets:
            member = self.members(name)[0]
            horizons = claim.horizons or (paper.horizons_of(member) if paper else ())
            cells += [(name, str(horizon or "")) for horizon in horizons]
        return cells

    def members(self, name: str) -> tuple[str, ...]:
        """The data sets of a group, or the one that has the name."""
        return self.catalogue.groups.get(name, (name,))

    def printed(self, ref: Ref, metric: str) -> Sample:
        """The printed numbers of a column, means over the horizons (`avg`) included."""
        paper = self.catalogue.papers.get(ref.paper)
        model = ref.column
        tables: tuple[str, ...] = (ref.table,) if ref.table else ()
        if paper is not None and paper.printed is not None and not tables:
            tables = paper.printed.tables
        if paper is not None and ref.column in paper.columns:
            model = paper.columns[ref.column].printed_as or ref.column
        path = file_of(ref.paper, self.catalogue.papers)
        if not tables or ref.sam is not None or path is None:
            return {}
        numbers = printed_numbers(Printed(path.name, tables, (metric,), path.parent))
        found = {(d, "" if h == "0" else h): number for (d, h, m, _), number in numbers.items() if m == model}
        return {cell: (number.value,) for cell, number in found.items()}

    def ours(self, ref: Ref, metric: str, protocol: str) -> Sample:
        """Our numbers of a column by seed, of the cells with enough seeds; parameters are counted from one."""
        sample: dict[CellKey, Sequence[float]] = {}
        for row in self._rows(ref, protocol):
            if not row.same_task:  # what a paper says is not about it
                continue
            if metric == "n_params" and row.n_params is not None:
                sample[row.key.dataset, str(row.key.horizon or "")] = (float(row.n_params),)
            elif row.key.metric == metric and row.ours.n >= LEAST_SEEDS:
                values = (
                    row.ours.values or (row.ours.mean or 0.0,) * row.ours.n
                )  # of an imported mean the seeds are not known
                sample[row.key.dataset, str(row.key.horizon or "")] = values
        return sample

    def rows(self, ref: Ref, metric: str, protocol: str) -> dict[CellKey, Row]:
        """The rows of a column by cell, however many seeds they have."""
        found = (row for row in self._rows(ref, protocol) if row.key.metric == metric)
        return {(row.key.dataset, str(row.key.horizon or "")): row for row in found}

    def looked(self, ref: Ref, protocol: str) -> dict[CellKey, dict[int, Mapping[str, Measured]]]:
        """What analysis has found in a column's cells, by seed and command."""
        found: dict[CellKey, dict[int, Mapping[str, Measured]]] = {}
        for row in self._rows(ref, protocol):
            for digest in row.ours.digests if row.same_task else ():
                for command, of in self.measured.get(digest, {}).items():
                    seed = int(str(of.about["key"]).rpartition("/s")[2])
                    cell = found.setdefault((row.key.dataset, str(row.key.horizon or "")), {})
                    cell[seed] = {**cell.get(seed, {}), command: of}
        return found

    def _rows(self, ref: Ref, protocol: str) -> Iterator[Row]:
        """Of a column in all metrics, under its own protocol, else under the one looked at where its paper has that."""
        rows_of = self.rows_of.get(ref.paper, {})
        paper = self.catalogue.papers.get(ref.paper)
        own = own_protocol(paper, ref.protocol) if paper and ref.protocol else ref.protocol
        wanted = own or (protocol if (protocol, "paper") in rows_of else "paper")
        for row in rows_of.get((wanted, "paper"), ()):
            if row.key.model == ref.column and (row.own_sam if ref.sam is None else row.key.sam == ref.sam):
                yield row

    def grouped(self, sample: Sample) -> Sample:
        """A sample in which a group of data sets that has no number of its own has that of its first member with one."""
        found = dict(sample)
        for group, members in self.catalogue.groups.items():
            for name in members:
                for (dataset, horizon), values in sample.items():
                    if dataset == name:
                        found.setdefault((group, horizon), values)
        return found
