"""What a store holds, read once and kept small: the numbers of what is done, and which seeds, protocols, files occur."""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Paper
from benchmark.config.resolve import PROFILES
from benchmark.data.files import own_files, synthetic_sha256
from benchmark.data.registry import DataSet
from benchmark.errors import counted
from benchmark.grid.cells import Planned
from benchmark.grid.code import Code
from benchmark.grid.digest import semantics_note
from benchmark.grid.plan import own_protocol
from benchmark.store.exchange import CHANGED
from benchmark.store.result import Result
from benchmark.store.store import Store
from tables.numbers import known


@dataclass(frozen=True)
class Curve:
    """A training's metric on validation by epoch, and its best epoch, from 1."""

    validation: array[float]
    best_epoch: int | None


@dataclass
class Index:
    """What the store holds, read once. Of a Result only its metrics, parameters, seconds and learning curve are kept:
    20,000 of them whole would fill the memory.

    done: the numbers of what is done, by digest. diverged: the digests of what is not, since its loss was no finite number
    any more. paper, seed: of a digest. environments: in which what is done was made, by digest; of equal ones there is one
    object. curves: by digest. ended: of a paper, the status of each digest that ended otherwise; planned: those of them
    that are cells of today's recipes. kinds: of a paper, the protocols and profiles that occur; seeds: of a paper and
    profile. earlier: of a paper, the digests made under earlier training semantics, by version. files: of a data set, the
    checksums of the files that occur, with when each was last used. own: of a set of the user's, the checksum of the file
    that is there
    today. code: that made what is done, by digest, where that is known.
    machines: what a digest was trained with, in words, where that is known. datasets: of a digest. made: of a digest, the
    training semantics and the commit, where they are known. mixing: the columns of those whose forecasts depend on other
    windows than their own, as their training found.
    """

    done: dict[str, dict[str, float]] = field(default_factory=dict)
    diverged: set[str] = field(default_factory=set)
    paper: dict[str, str] = field(default_factory=dict)
    seed: dict[str, int] = field(default_factory=dict)
    environments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    ended: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    planned: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    kinds: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    seeds: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    earlier: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    files: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    own: Mapping[str, str] = field(default_factory=dict)
    code: dict[str, Code] = field(default_factory=dict)
    machines: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)
    made: dict[str, tuple[int, str]] = field(default_factory=dict)
    mixing: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(results: Iterable[Result], own: Mapping[str, str] = MappingProxyType({})) -> Index:
        """The index of some Results; one whose cell is not said in full is passed over. `own`: as the field."""
        index = Index(own=own)
        codes: dict[tuple[tuple[str, str], ...], Code] = {}
        environments: dict[str, Mapping[str, Any]] = {}
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
                index.ended[cell["paper"]][result.digest] = result.status
                if result.status == "diverged":
                    index.diverged.add(result.digest)
            else:
                numbers = {**result.metrics, **result.extra_metrics, "n_params": result.n_params, "seconds": result.seconds}
                index.done[result.digest] = {k: v for k, v in numbers.items() if v is not None and known(v)}
                index.paper[result.digest] = cell["paper"]
                index.datasets[result.digest] = sys.intern(cell["dataset"])
                index.seed[result.digest] = cell["seed"]
                said = json.dumps(result.environment, sort_keys=True, default=str)
                index.environments[result.digest] = environments.setdefault(said, result.environment)
                if machine := _machine(result.environment):
                    index.machines[result.digest] = sys.intern(machine)
                if (commit := result.environment.get("git_commit")) and result.semantics:
                    index.made[result.digest] = result.semantics, sys.intern(str(commit))
                if str(result.checks.get("own_window", "")).startswith("broken"):
                    index.mixing[result.digest] = str(cell.get("model"))
                if result.code:
                    index.code[result.digest] = codes.setdefault(tuple(result.code.items()), result.code)
                if result.epochs:
                    values = array("d", [_validation(epoch) for epoch in result.epochs])
                    index.curves[result.digest] = Curve(values, result.best_epoch)
        return index

    def kinds_of(self, paper: Paper) -> list[tuple[str, str]]:
        """The protocols and profiles of a paper's Results; switches that the paper does not have are left out."""
        kinds = set()
        for protocol, profile in self.kinds[paper.name]:
            if profile in PROFILES:
                kinds.add((own_protocol(paper, protocol), profile))
        return sorted(kinds)

    def checksum(self, dataset: DataSet) -> str | None:
        """The file that a table is about: Results of two files are never mixed.

        It is the file that the registry knows; of the user's own sets the one that is there, as a plan has it; else the
        only one, else the one that was used last.
        """
        if dataset.file is None:
            return synthetic_sha256(dataset)
        files = self.files.get(dataset.name, {})
        return (
            dataset.sha256
            or self.own.get(dataset.name)
            or max(files, key=lambda sha256: (files[sha256], sha256), default=None)
        )

    def note_planned(self, paper: Paper, cells: Sequence[Planned]) -> None:
        """Remembers which Results are of these cells: not done, or under earlier training semantics."""
        self.planned[paper.name] |= {p.digest for p in cells if p.digest in self.ended[paper.name]}
        others = {d for d in self.done if self.paper.get(d) == paper.name} - {planned.digest for planned in cells}
        for planned in cells if others else ():
            for digest, version in planned.earlier().items():
                if digest in others:
                    self.earlier[paper.name][version].add(digest)

    def left_out(self, paper: Paper, used: Set[str]) -> str | None:
        """One sentence on a paper's done Results that no table of today's recipes has; None where all are `used`."""
        older = set().union(*self.earlier[paper.name].values())
        left = {d for d, name in self.paper.items() if name == paper.name} - used - older
        if not left:
            return None
        return (
            f"Left out: {counted(len(left), 'done Result')} of this paper in the store, because the recipes say something "
            "else now (another --config, another version, or another data file)."
        )

    def older(self, paper: Paper) -> str | None:
        """One sentence on a paper's Results that were made under earlier training semantics; None without one."""
        note = semantics_note({version: len(found) for version, found in self.earlier[paper.name].items()})
        return f"{note}." if note else None

    def trained_with(self, used: Iterable[str]) -> str | None:
        """One sentence on what these digests were trained with, and which data sets on which; None where none says so."""
        sets: dict[str, Counter[str]] = defaultdict(Counter)
        for digest in used:
            if digest in self.machines:
                sets[self.machines[digest]][self.datasets[digest]] += 1
        if len(sets) < 2:
            return f"Trained with {next(iter(sets))}." if sets else None
        each = "; ".join(
            f"{of.total()} with {machine} ({', '.join(f'{name} {count}' for name, count in sorted(of.items()))})"
            for machine, of in sorted(sets.items())
        )
        return f"Trained on {len(sets)} kinds of machine, between which the bits of a cell differ: {each}."

    def made_by(self, used: Iterable[str]) -> str | None:
        """One sentence on the training semantics and the commits that these digests were made under; None where none says
        so."""
        made = [self.made[digest] for digest in used if digest in self.made]
        if not made:
            return None
        semantics = ", ".join(map(str, sorted({version for version, _ in made})))
        commits = ", ".join(sorted({commit for _, commit in made}))
        return f"Made under training semantics {semantics} by code at {commits}{CHANGED if '+' in commits else ''}."

    def notes(self, paper: Paper, catalogue: Catalogue, used: Set[str]) -> list[str]:
        """What of a paper's Results stands in none of its tables, and why, and what to know of its data sets.

        `used`: the digests that stand in a table.
        """
        notes = [note for note in (self.left_out(paper, used), self.older(paper)) if note]
        notes += self._ended(paper)
        if paper.overridden:
            notes.append(f"Recipe values of the user's own file, not of the paper: {', '.join(paper.overridden)}.")
        own = [column for column in paper.columns.values() if column.own is not None and column.main]
        if own:
            which = ", ".join(f"{column.name} ({column.own.source.name})" for column in own if column.own is not None)
            notes.append(f"Columns of the user's own, not of the paper: {which}.")
        for name, count in Counter(self.mixing[digest] for digest in used if digest in self.mixing).items():
            notes.append(
                f"{name}: in {counted(count, 'Result')} a window's forecast depends on other windows beside it, so that "
                "these numbers compare with no other column's; `python -m benchmark.check` says more."
            )
        varied = [column for column in paper.columns.values() if column.variant_of is not None and column.main]
        if varied:
            which = ", ".join(f"{column.name} ({column.what})" for column in varied)
            notes.append(
                f"Variants of the user's own, with other values than the column that they are named after: {which}."
            )
        for name in paper.datasets:
            if name in self.files:
                dataset = catalogue.datasets[name]
                notes += [f"{name}: {told}." for told in dataset.told()] + self._of_which_file(dataset)
        return notes

    def _ended(self, paper: Paper) -> list[str]:
        """What ended without a number: the cells of today's recipes, which can be run again, and the others, which nobody
        runs."""
        today, others = list[str](), list[str]()
        for digest, status in self.ended[paper.name].items():
            (today if digest in self.planned[paper.name] else others).append(status)
        notes = []
        if today:
            again = "the folder logs says why, and --retry failed runs them again"
            notes.append(f"Ended without a number: {counted_by(today)}; {again}.")
        if others:
            of = "recipes, training semantics or data files that are not today's"
            notes.append(f"Ended without a number, of {of}: {counted_by(others)}; no run trains these again.")
        return notes

    def _of_which_file(self, dataset: DataSet) -> list[str]:
        """Which file of a data set its numbers are from, where that is not plain."""
        file = self.checksum(dataset)
        if file is None:
            return []
        gone = dataset.own and dataset.file is not None and dataset.name not in self.own
        others = len(self.files[dataset.name].keys() - {file})
        which = f"{dataset.name}: the file {file[:12]} (SHA-256)"
        which += f", which is not at {Path(dataset.file).name} today" if gone and dataset.file else ""
        which += f"; Results of {others} other are left out" if others else ""
        return [f"{which}."] if gone or others else []


def _machine(environment: Mapping[str, Any]) -> str | None:
    """The version of torch, and the processor or CUDA device: on one kind of them a cell has the same bits."""
    device = environment.get("device", "cpu")
    place = environment.get("processor") if device == "cpu" else device
    torch = environment.get("torch")
    return f"torch {torch} on {place}" if torch and place else None


def _validation(epoch: Mapping[str, float]) -> float:
    """What of an epoch's history selects the weights."""
    return next((value for name, value in epoch.items() if name.startswith("val_")), None) or math.nan


def index(store: Store, datasets: Iterable[DataSet] = ()) -> Index:
    """The index of a store. `datasets`: of those that are the user's, the file that is there counts."""
    return Index.of(store.results(), own_files(datasets))


def counted_by(statuses: Iterable[str]) -> str:
    """``2 failed, 1 killed``: how many there are of each status."""
    return ", ".join(f"{count} {status}" for status, count in sorted(Counter(statuses).items()))
