"""``paper_configs/claims.yaml`` → claims: what papers say in a number, as statements that can be checked. Strict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.config.catalogue import Catalogue
from benchmark.config.reader import CLAIMS
from benchmark.config.recipe import STATUSES
from benchmark.config.yamlfile import Section, load
from benchmark.errors import nearest
from benchmark.judging.printed import printed_models
from benchmark.workloads import DECIDING
from tables.claims.measures import MEASURES

SUMS = "ratio of sums"
PER_CELL = "mean per cell"
AVERAGES = (SUMS, PER_CELL)

PAPER, AUTHORS, OWN = "paper", "authors", "own"
WHOSE = {PAPER: "its paper", AUTHORS: "its authors, elsewhere", OWN: "a check of ours"}
"""Who says a claim, in words."""
_ALWAYS = ("paper", "says", "kind", "average", "note", "metric", "datasets", "horizons")
_OF_CLAIMS = ("whose", "version", "place", "status")
_OF_CHECKS = ("source",)
KINDS: dict[str, tuple[str, ...]] = {
    "improvement": ("of", "over", "value", "paths"),
    "rank": ("of", "others", "value"),
    "parameters": ("of", "over", "value"),
    "sam": ("pairs",),
    "number": ("of", "value"),
    "lower": ("of", "over"),
    "measure": ("of", "over", "measure"),
}
"""The kinds of claim, each with the keys that it has beside those of all."""
_OPTIONAL = ("note", "metric", "datasets", "horizons", "paths", "pairs")


@dataclass(frozen=True)
class Ref:
    """A column whose numbers a claim is about. `table`: where they are printed, None: where the recipe says.

    `protocol` None: the one that is looked at. `sam` None: as the column has it.
    """

    paper: str
    column: str
    table: str | None = None
    protocol: str | None = None
    sam: bool | None = None


@dataclass(frozen=True)
class Step:
    """One change on a path, and the column that it leads to."""

    part: str
    to: Ref


@dataclass(frozen=True)
class Route:
    """A way from one column to another, a change at a time, so that the parts add up to the whole."""

    name: str
    start: Ref
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Claim:
    """One claim, or one check of ours, which is made of printed numbers that no paper puts together so.

    name, says: in a word, in a sentence. paper: that it is about. whose: one of `WHOSE`. kind: one of `KINDS`. average: one
    of `AVERAGES`. source: version and place where it was read; of a check, what it is made of. status: how surely it was
    read; of a check always `ours`. note: what else is to say. metric: of the numbers. value: in percent, ranks, or as a
    ratio. digits: of it, after the point. refs: what it is of, then what it is over or among. pairs: columns without and
    with SAM. routes: its parts. datasets, horizons: the cells that it is about; None: its paper's. measure: of trained
    weights, one of `MEASURES`; empty where it is about metrics.
    """

    name: str
    paper: str
    says: str
    whose: str
    kind: str
    average: str
    source: str
    status: str
    note: str
    metric: str
    value: float
    digits: int
    refs: tuple[Ref, ...]
    pairs: tuple[tuple[Ref, Ref], ...]
    routes: tuple[Route, ...]
    datasets: tuple[str, ...] | None
    horizons: tuple[int, ...] | None
    measure: str = ""

    @property
    def is_check(self) -> bool:
        """Whether it is put together by this suite, so that no paper answers for it."""
        return self.whose == OWN

    @property
    def has_own_cells(self) -> bool:
        """Whether its own paper's printed cells show its size, so that ours can be set beside them."""
        return self.kind == "improvement" and not self.is_check and all(ref.paper == self.paper for ref in self.refs)


def load_claims(catalogue: Catalogue, path: Path | None = None) -> list[Claim]:
    """Every claim of a file (that of the suite), in its order, then every check; then those of the user's own papers.

    Raises UsageError (file, line, what was expected, the nearest known name) for the first thing that is not as it
    should be: an unknown key, kind, paper, column, data set, a claim without version, place and status, a check without
    source.
    """
    path = path or CLAIMS
    files = [load(path, f"paper_configs/{path.name}")]
    files += [load(paper.claims) for paper in catalogue.papers.values() if paper.claims is not None]
    return [claim for file in files for claim in _of_file(catalogue, file.known(["claims", "checks"]))]


def _of_file(catalogue: Catalogue, root: Mapping[str, Section]) -> list[Claim]:
    return [
        _Reader(catalogue, str(name), section, check=part == "checks").claim()
        for part in ("claims", "checks") if part in root
        for name, section in root[part].mapping().children().items()
    ]  # fmt: skip


class _Reader:
    """Reads one claim, or one check."""

    def __init__(self, catalogue: Catalogue, name: str, section: Section, check: bool) -> None:
        self.catalogue, self.name, self.section, self.check = catalogue, name, section, check
        children = section.mapping().children()
        if "kind" not in children:
            raise section.fail(f"'kind' is missing: one of {', '.join(KINDS)}")
        self.kind = children["kind"].one_of(KINDS, "kind of claim")
        keys = (*_ALWAYS, *KINDS[self.kind], *(_OF_CHECKS if check else _OF_CLAIMS))
        self.part = section.known(keys)
        for key in keys:
            if key not in self.part and key not in _OPTIONAL:
                raise section.fail(f"'{key}' is missing")
        self.paper = self.part["paper"].of(str, "a paper")

    def claim(self) -> Claim:
        """The claim, checked."""
        value, digits = self._value()
        metric = self.part["metric"].one_of(DECIDING, "metric") if "metric" in self.part else self._first_metric()
        return Claim(
            name=self.name, paper=self.paper, says=self._text("says"), kind=self.kind,
            whose=OWN if self.check else self.part["whose"].one_of((PAPER, AUTHORS), "author of a claim"),
            average=self.part["average"].one_of(AVERAGES, "way of averaging"),
            source=self._text("source") if self.check else f"{self._text('version')}, {self._text('place')}",
            status="ours" if self.check else self.part["status"].one_of(STATUSES, "status"),
            note=self._text("note") if "note" in self.part else "",
            metric="n_params" if self.kind == "parameters" else metric, value=value, digits=digits,
            refs=self._refs(), pairs=self._pairs(), routes=self._routes(),
            datasets=self._datasets(), horizons=self._horizons(),
            measure=self.part["measure"].one_of(MEASURES, "measure") if "measure" in self.part else "",
        )  # fmt: skip

    def _value(self) -> tuple[float, int]:
        """What is claimed, and how many digits it has after the point, as the file writes it: to these it is judged."""
        if "value" not in self.part:
            return 0.0, 0
        value = float(self.part["value"].of((int, float), "a number"))
        return value, len(str(self.part["value"].node.value).partition(".")[2])

    def _first_metric(self) -> str:
        paper = self.catalogue.papers.get(self.paper)
        return paper.metric.name if paper else next(iter(DECIDING))

    def _text(self, key: str) -> str:
        return " ".join(str(self.part[key].of(str, "a text")).split())

    def _refs(self) -> tuple[Ref, ...]:
        single = [self.part[key] for key in ("of", "over") if key in self.part]
        many = self.part.get("others")
        if many is not None:
            single += many.items("a list of columns")
        return tuple(self._ref(section) for section in single)

    def _ref(self, section: Section, protocol: str | None = None) -> Ref:
        """A column's name, or {column, paper, table, protocol}; `protocol`: where none is said."""
        if isinstance(section.data, str):
            ref = Ref(self.paper, section.data, protocol=protocol)
        else:
            part = {k: c.of(str, "a text") for k, c in section.known(["column", "paper", "table", "protocol"]).items()}
            if "column" not in part:
                raise section.fail("'column' is missing")
            ref = Ref(part.get("paper", self.paper), part["column"], part.get("table"), part.get("protocol", protocol))
        paper = self.catalogue.papers.get(ref.paper)
        if paper is None and ref.table is None:
            raise section.fail(f"unknown paper '{ref.paper}'{nearest(ref.paper, self.catalogue.papers)}")
        columns = [*(paper.columns if paper else ()), *printed_models(ref.paper, self.catalogue.papers)]
        if ref.column not in columns:
            raise section.fail(f"unknown column '{ref.column}' of {ref.paper}{nearest(ref.column, columns)}")
        if paper and ref.protocol:
            for switch in ref.protocol.split("+")[1:]:
                if switch not in paper.switches:
                    raise section.fail(f"unknown switch '{switch}'{nearest(switch, paper.switches)}")
        return ref

    def _pairs(self) -> tuple[tuple[Ref, Ref], ...]:
        if "pairs" not in self.part:
            return ()
        pairs: dict[Any, Section] = self.part["pairs"].mapping().children()
        names = self.part["pairs"].mapping().node.value
        return tuple(
            (self._ref(Section(str(without), key, with_.file, with_.name)), self._ref(with_))
            for (without, with_), (key, _) in zip(pairs.items(), names, strict=True)
        )

    def _routes(self) -> tuple[Route, ...]:
        if "paths" not in self.part:
            return ()
        paths = []
        for section in self.part["paths"].items("a list of paths"):
            part = section.known(["path", "from", "steps"])
            for key in ("path", "from", "steps"):
                if key not in part:
                    raise section.fail(f"'{key}' is missing")
            steps = []
            for child in part["steps"].children().values():
                step = child.known(["part", "to"])
                steps.append(Step(step["part"].of(str, "a text"), self._ref(step["to"], "paper")))
            paths.append(Route(part["path"].of(str, "a text"), self._ref(part["from"], "paper"), tuple(steps)))
        return tuple(paths)

    def _datasets(self) -> tuple[str, ...] | None:
        if "datasets" not in self.part:
            return None
        known = [*self.catalogue.datasets, *self.catalogue.groups]
        return tuple(c.one_of(known, "data set") for c in self.part["datasets"].items("a list of data sets"))

    def _horizons(self) -> tuple[int, ...] | None:
        if "horizons" not in self.part:
            return None
        return tuple(c.of(int, "a whole number") for c in self.part["horizons"].items("a list of horizons"))
