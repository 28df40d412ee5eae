"""A claim on its evidence: the figures, and which of the outcomes of `tables.claims.outcome` each has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tables.claims.evidence import AVERAGE, Evidence
from tables.claims.measures import BY_SEED, compared
from tables.claims.outcome import FAILS, HOLDS, NO_INTERVAL, NOT_PRINTED, UNDECIDED, Effect, outcome, too_few, worst
from tables.claims.reader import PER_CELL, SUMS, Claim, Ref, Route
from tables.claims.verdicts import on_ours, on_printed
from tables.numbers import DIGITS
from tables.statistics import (
    CELLS_TIMES,
    LEAST_SETS,
    MEAN_PER_CELL,
    RATIO_OF_SUMS,
    SHARE_OF_START,
    SUMS_TIMES,
    CellKey,
    Estimate,
    Interval,
    Sample,
    Statistic,
    by_set,
    estimate,
    over_sets,
    rank_of,
    rounding,
)

EVERY, EVERY_SET = "every model", "every data set"
CELL_BY_CELL = ("number", "lower")
"""Kinds of claims that are judged cell by cell, by the rule of verdicts."""
PRINTED, OURS = "printed", "ours"
RANK, RANK_OF_MEANS = "rank per cell", "rank per mean over the horizons"
HALF_UNIT = 0.5 * 10**-DIGITS
"""Of the last digit that errors are printed with."""
ABOUT = 0.5
"""'About 4 times' is anything that rounds to 4."""


@dataclass(frozen=True)
class Finding:
    """One figure for a claim: whose numbers, under which protocol, averaged how; `of` cells are what it is about.

    numbers: printed or ours. protocol: of ours. average: how. what: which models, where there are several. estimate: None
    where no cell has a number, or the finding only sums up others. seeds: the least and the most of a cell. verdict: its
    word. there: of ours, what the paper's own printed numbers give over the very cells that ours are of. beside: our
    figure less that, over their data sets. Both are None where the paper does not print the cells, and for printed
    numbers. gives: whether printed cells, as far as their digits say, give the figure that is claimed; None where that
    cannot be said. note: what is lacking.
    """

    numbers: str
    protocol: str
    average: str
    what: str
    estimate: Estimate | None
    of: int
    seeds: tuple[int, ...]
    verdict: str
    there: float | None = None
    beside: Interval | None = None
    gives: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Part:
    """One step of a path: what it takes off the path's start, in percent of it."""

    path: str
    part: str
    estimate: Estimate | None
    of: int


Lookup = Callable[[Ref], Sample]


def evaluate(claim: Claim, evidence: Evidence) -> list[Finding]:
    """Every figure for a claim: on the printed numbers, then on ours under every protocol that has Results."""
    findings = list(_kinds(claim, evidence, PRINTED, "", lambda ref: evidence.printed(ref, claim.metric)))
    for protocol in evidence.protocols(claim.paper) or ["paper"]:
        lookup = _ours(evidence, claim.metric, protocol)
        findings += _kinds(claim, evidence, OURS, protocol, lookup)
    return findings


def _ours(evidence: Evidence, metric: str, protocol: str) -> Lookup:
    return lambda ref: evidence.ours(ref, metric, protocol)


def _kinds(claim: Claim, evidence: Evidence, numbers: str, protocol: str, lookup: Lookup) -> Iterator[Finding]:
    """The figures of one claim on one kind of numbers."""
    cells = evidence.grid(claim)
    blank = Finding(numbers, protocol, "", "", None, len(cells), (), "")
    if claim.kind == "measure":
        yield _measured(claim, evidence, cells, blank)
        return
    if claim.kind == "sam":
        yield from _sam(claim, evidence, cells, blank, lookup)
        return
    if claim.kind in CELL_BY_CELL:
        yield from _cell_by_cell(claim, evidence, cells, blank)
        return
    samples = [evidence.grouped(lookup(ref)) for ref in claim.refs]
    common = [cell for cell in cells if all(cell in sample for sample in samples)]
    if claim.kind == "rank":
        lacking = [ref.column for ref, sample in zip(claim.refs, samples, strict=True) if not sample]
        note = f"no numbers of {', '.join(lacking)}" if lacking and len(lacking) < len(samples) else ""
        yield _rank(claim, replace(blank, average=RANK, note=note), samples, cells, common)
        means = [_means(sample, cells) for sample in samples]
        shared = [cell for cell in dict.fromkeys((d, AVERAGE) for d, _ in cells) if all(cell in m for m in means)]
        if shared and len(common) < len(cells):
            over = _rank(claim, replace(blank, average=RANK_OF_MEANS), means, cells, shared)
            yield replace(over, verdict=_lacking(cells, len(common), LEAST_SETS))
        return
    times = claim.kind == "parameters"
    printed = [evidence.printed(ref, claim.metric) for ref in claim.refs] if claim.has_own_cells else []
    for average in (SUMS, PER_CELL):
        statistic = (SUMS_TIMES if times else RATIO_OF_SUMS) if average == SUMS else CELLS_TIMES if times else MEAN_PER_CELL
        yield _compared(claim, replace(blank, average=average), samples, cells, statistic, printed)


def _cell_by_cell(claim: Claim, evidence: Evidence, cells: Sequence[CellKey], blank: Finding) -> Iterator[Finding]:
    """A figure a cell, and of several cells what becomes of all of them: it is judged by single cells, none by others."""
    printed = blank.numbers == PRINTED
    found = list(on_printed(claim, evidence, cells) if printed else on_ours(claim, evidence, cells, blank.protocol))
    for of in found:
        figure = None if of.figure is None else Estimate(of.figure, None, 1, 1)
        gives = of.verdict == HOLDS if printed and claim.value and figure else None
        name = " ".join(filter(None, of.cell)) if len(found) > 1 else ""
        yield replace(blank, average=claim.average, what=name, estimate=figure, of=1, seeds=of.seeds, verdict=of.verdict,
                      gives=gives)  # fmt: skip
    if len(found) > 1:
        verdicts = list(dict.fromkeys(of.verdict for of in found))
        all_alike = verdicts[0] if len(verdicts) == 1 else f"{UNDECIDED} ({'; '.join(verdicts)})"
        yield replace(blank, average=claim.average, what=EVERY_SET, verdict=all_alike)


def _measured(claim: Claim, evidence: Evidence, cells: Sequence[CellKey], blank: Finding) -> Finding:
    """What analysis has measured of two columns' weights, which no paper prints cell by cell."""
    if blank.numbers == PRINTED:
        return replace(blank, average=BY_SEED, verdict=NOT_PRINTED)
    lower, higher = (evidence.looked(ref, blank.protocol) for ref in claim.refs)
    return compared(claim, blank, cells, (lower, higher))


def _compared(
    claim: Claim, finding: Finding, samples: Sequence[Sample], cells: Sequence[CellKey], statistic: Statistic,
    printed: Sequence[Sample] = (),
) -> Finding:  # fmt: skip
    """Two columns over the cells that both have; `printed`: the paper's own numbers of them, which ours are set beside."""
    common = [cell for cell in cells if all(cell in sample for sample in samples)]
    found = estimate(samples, common, statistic)
    finding = replace(finding, estimate=found, seeds=_seeds(samples, common, finding.numbers))
    if printed and finding.numbers == OURS and all(cell in sample for sample in printed for cell in common):
        there = estimate(printed, common, statistic)
        beside = over_sets(by_set(samples, common, statistic) - by_set(printed, common, statistic)) if common else None
        finding = replace(finding, there=there.value if there else None, beside=beside)
    counted = claim.kind == "parameters"
    few = _lacking(cells, len(common), sets=1 if counted else LEAST_SETS)
    if few or found is None:
        return replace(finding, verdict=few)
    if math.isnan(found.value):
        return replace(finding, verdict=UNDECIDED, note="a mean that would be divided by is 0")
    if counted:
        return replace(finding, verdict=HOLDS if abs(found.value - claim.value) < ABOUT else FAILS)
    favour, half_unit = 0.0, 10**-claim.digits / 2
    if finding.numbers == PRINTED:
        _, most = rounding(samples, cells, statistic, HALF_UNIT)
        favour = 0.0 if most is None else most - found.value
        finding = replace(finding, gives=found.value + favour >= claim.value - half_unit)
    effect = Effect(found.value, found.interval, finding.beside, favour)
    return replace(finding, verdict=outcome(effect, claim.value, half_unit))


def _rank(
    claim: Claim, finding: Finding, samples: Sequence[Sample], cells: Sequence[CellKey], common: Sequence[CellKey]
) -> Finding:
    """The first column's rank: what is judged is how far it lies below the rank in the middle."""
    found = estimate(samples, common, rank_of(0))
    finding = replace(finding, estimate=found, seeds=_seeds(samples, common, finding.numbers))
    few = _lacking(cells, len(common), LEAST_SETS)
    if few or found is None:
        return replace(finding, verdict=few)
    middle, of = (len(samples) + 1) / 2, found.interval
    turned = Interval(middle - of.centre, middle - of.high, middle - of.low) if of else None
    effect = Effect(middle - found.value, turned)
    return replace(finding, verdict=outcome(effect, middle - claim.value, half_unit=10**-claim.digits / 2))


def _lacking(cells: Sequence[CellKey], found: int, sets: int) -> str:
    """The outcome of a claim about fewer than so many data sets, or of whose cells not all are there; else empty."""
    if cells and len({dataset for dataset, _ in cells}) < sets:
        return NO_INTERVAL
    return too_few(found, len(cells)) if found < len(cells) or not cells else ""


def _means(sample: Sample, cells: Sequence[CellKey]) -> Sample:
    """The printed means over the horizons; where there are none, the means of data sets whose every horizon is there."""
    found = {cell: values for cell, values in sample.items() if cell[1] == AVERAGE}
    for dataset in dict.fromkeys(d for d, _ in cells):
        horizons = [cell for cell in cells if cell[0] == dataset]
        if all(cell in sample for cell in horizons):
            least = min(len(sample[cell]) for cell in horizons)
            columns = [sample[cell][:least] for cell in horizons]
            found.setdefault((dataset, AVERAGE), [sum(v) / len(v) for v in zip(*columns, strict=True)])
    return found


def _sam(claim: Claim, evidence: Evidence, cells: Sequence[CellKey], blank: Finding, lookup: Lookup) -> Iterator[Finding]:
    """A figure a pair and average; 'every model' holds where each does."""
    verdicts = []
    for without, with_ in pairs(claim, evidence, blank.protocol):
        samples = [lookup(with_), lookup(without)]
        common = [cell for cell in cells if all(cell in sample for sample in samples)]
        if not common and (without.sam is not None or blank.numbers == PRINTED):
            continue
        name = with_.column if without.sam is None else f"{with_.column} with SAM"
        for average, statistic in ((SUMS, RATIO_OF_SUMS), (PER_CELL, MEAN_PER_CELL)):
            what = f"{name} over {without.column}" + ("" if without.sam is None else " without")
            finding = _compared(claim, replace(blank, average=average, what=what), samples, cells, statistic)
            verdicts += [finding.verdict] if average == claim.average else []
            yield finding
    if len(verdicts) != 1:
        verdict = worst(verdicts) if verdicts else _lacking(cells, 0, LEAST_SETS)
        yield replace(blank, what=EVERY, average=claim.average, verdict=verdict)


def pairs(claim: Claim, evidence: Evidence, protocol: str) -> list[tuple[Ref, Ref]]:
    """What stands without and with SAM: the claim's pairs, X and X+SAM, a column under both settings."""
    found = dict(claim.pairs)
    paper = evidence.catalogue.papers.get(claim.paper)
    columns = list(paper.columns) if paper else []
    for name in columns:
        if f"{name}+SAM" in columns:
            found.setdefault(Ref(claim.paper, name), Ref(claim.paper, f"{name}+SAM"))
    rows = evidence.rows_of.get(claim.paper, {}).get((protocol, "paper"), ())
    settings = {(r.key.model, r.key.sam) for r in rows if r.ours.n}
    for name in columns:
        if {(name, True), (name, False)} <= settings:
            found[Ref(claim.paper, name, sam=False)] = Ref(claim.paper, name, sam=True)
    return list(found.items())


def parts(claim: Claim, evidence: Evidence) -> list[Part]:
    """What each step of a claim's paths has in the whole, over the cells in which every step has Results."""
    return [part for route in claim.routes for part in _parts(route, claim, evidence)]


def _parts(route: Route, claim: Claim, evidence: Evidence) -> Iterator[Part]:
    cells = evidence.grid(claim)
    refs = [route.start, *(step.to for step in route.steps)]
    samples = [evidence.ours(ref, claim.metric, "paper") for ref in refs]
    common = [cell for cell in cells if all(cell in sample for sample in samples)]
    names = [step.part for step in route.steps]
    for place, name in enumerate([*names, "together"]):
        before, after = (place, place + 1) if place < len(names) else (0, len(names))
        found = estimate([samples[before], samples[after], samples[0]], common, SHARE_OF_START)
        yield Part(route.name, name, found, len(cells))


def _seeds(samples: Sequence[Sample], cells: Sequence[CellKey], numbers: str) -> tuple[int, ...]:
    """The least and the largest number of seeds of a cell; nothing for printed numbers."""
    counts = [len(sample[cell]) for sample in samples for cell in cells] if numbers == OURS else []
    return (min(counts), max(counts)) if counts else ()
