"""A claim on its evidence: holds, does not hold, or cannot be said."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tables.claims.evidence import AVERAGE, Evidence
from tables.claims.reader import PER_CELL, SUMS, Claim, Ref, Route
from tables.numbers import DIGITS
from tables.statistics import (
    CellKey,
    Estimate,
    Sample,
    Statistic,
    average_rank,
    cells_times,
    estimate,
    mean_per_cell,
    ratio_of_sums,
    rounding,
    share_of_start,
    sums_times,
)

HOLDS, FAILS, UNDECIDED, TOO_FEW = "holds", "does not hold", "inconclusive", "not enough cells"
EVERY = "every model"
PRINTED, OURS = "printed", "ours"
RANK, RANK_OF_MEANS = "rank per cell", "rank per mean over the horizons"
SLACK = 0.005
"""Half of the last digit that claims are printed with."""
HALF_UNIT = 0.5 * 10**-DIGITS
ABOUT = 0.5
"""'About 4 times' is anything that rounds to 4."""

RULE = (
    "A claim `holds` where the figure reaches what is claimed and the evidence excludes that there is nothing to it (an "
    "improvement of 0 %, a rank in the middle); it `does not hold` where even the favourable end of the interval falls "
    "short; else it is `inconclusive`. 'About 4 times' holds where the figure rounds to 4. Where not all cells of the "
    "claim are there: `not enough cells (k of N)`, whatever the figure over the k. Our interval is a bootstrap over cells "
    "and seeds (95 %; a cell counts from three seeds). Printed numbers have no seeds: on them a claim is judged by what "
    "their last digits leave possible, so that rounding is never taken for a mistake; the interval shown is a bootstrap "
    "over cells."
)


@dataclass(frozen=True)
class Finding:
    """One figure for a claim: whose numbers, under which protocol, averaged how; `of` cells are what it is about.

    numbers: printed or ours. protocol: of ours. average: how. what: which models, where there are several. estimate: None
    where no cell has a number, or the finding only sums up others. seeds: the least and the most of a cell. verdict: its
    word. note: what is lacking.
    """

    numbers: str
    protocol: str
    average: str
    what: str
    estimate: Estimate | None
    of: int
    seeds: tuple[int, ...]
    verdict: str
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
    if claim.kind == "sam":
        yield from _sam(claim, evidence, cells, blank, lookup)
        return
    samples = [evidence.grouped(lookup(ref)) for ref in claim.refs]
    common = [cell for cell in cells if all(cell in sample for sample in samples)]
    if claim.kind == "rank":
        lacking = [ref.column for ref, sample in zip(claim.refs, samples, strict=True) if not sample]
        note = f"no numbers of {', '.join(lacking)}" if lacking and len(lacking) < len(samples) else ""
        yield _rank(claim, replace(blank, average=RANK, note=note), samples, common)
        means = [_means(sample, cells) for sample in samples]
        shared = [cell for cell in dict.fromkeys((d, AVERAGE) for d, _ in cells) if all(cell in m for m in means)]
        if shared and len(common) < len(cells):
            over = _rank(claim, replace(blank, average=RANK_OF_MEANS), means, shared)
            yield replace(over, verdict=_too_few(len(common), len(cells)))
        return
    times = claim.kind == "parameters"
    for average in (SUMS, PER_CELL):
        statistic = (sums_times if times else ratio_of_sums) if average == SUMS else cells_times if times else mean_per_cell
        yield _compared(claim, replace(blank, average=average), samples, common, statistic)


def _compared(
    claim: Claim, finding: Finding, samples: Sequence[Sample], cells: Sequence[CellKey], statistic: Statistic
) -> Finding:
    """Two columns over the cells that both have."""
    found = estimate(samples, cells, statistic)
    finding = replace(finding, estimate=found, seeds=_seeds(samples, cells, finding.numbers))
    if found is None or len(cells) < finding.of:
        return replace(finding, verdict=_too_few(len(cells), finding.of))
    if math.isnan(found.value):
        return replace(finding, verdict=UNDECIDED, note="a mean that would be divided by is 0")
    if claim.kind == "parameters":
        return replace(finding, verdict=HOLDS if abs(found.value - claim.value) < ABOUT else FAILS)
    low, high = found.low, found.high
    if finding.numbers == PRINTED:
        low, high = rounding(samples, cells, statistic, HALF_UNIT)
    return replace(finding, verdict=_judged(low, high, claim.value, 0.0))


def _judged(low: float | None, high: float | None, claimed: float, nothing: float) -> str:
    """The verdict on 'at least `claimed`', where `nothing` would be no effect at all."""
    if low is None or high is None:
        return UNDECIDED
    if high < claimed - SLACK or high <= nothing:
        return FAILS
    return HOLDS if low > nothing else UNDECIDED


def _rank(claim: Claim, finding: Finding, samples: Sequence[Sample], cells: Sequence[CellKey]) -> Finding:
    found = estimate(samples, cells, average_rank)
    finding = replace(finding, estimate=found, seeds=_seeds(samples, cells, finding.numbers))
    if found is None or len(cells) < finding.of:
        return replace(finding, verdict=_too_few(len(cells), finding.of))
    low, high = (found.value, found.value) if finding.numbers == PRINTED else (found.low, found.high)
    middle = (len(samples) + 1) / 2
    # A low rank is a good one: the signs are turned round.
    return replace(finding, verdict=_judged(high and -high, low and -low, -claim.value, -middle))


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
        for average, statistic in ((SUMS, ratio_of_sums), (PER_CELL, mean_per_cell)):
            what = f"{name} over {without.column}" + ("" if without.sam is None else " without")
            finding = _compared(claim, replace(blank, average=average, what=what), samples, common, statistic)
            verdicts += [finding.verdict] if average == claim.average else []
            yield finding
    if len(verdicts) > 1:
        order = [FAILS, *(v for v in verdicts if v.startswith(TOO_FEW)), UNDECIDED, HOLDS]
        yield replace(blank, what=EVERY, average=claim.average, verdict=min(verdicts, key=order.index))
    elif not verdicts:
        yield replace(blank, what=EVERY, average=claim.average, verdict=_too_few(0, len(cells)))


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
        found = estimate([samples[before], samples[after], samples[0]], common, share_of_start)
        yield Part(route.name, name, found, len(cells))


def _seeds(samples: Sequence[Sample], cells: Sequence[CellKey], numbers: str) -> tuple[int, ...]:
    """The least and the largest number of seeds of a cell; nothing for printed numbers."""
    counts = [len(sample[cell]) for sample in samples for cell in cells] if numbers == OURS else []
    return (min(counts), max(counts)) if counts else ()


def _too_few(found: int, of: int) -> str:
    return f"{TOO_FEW} ({found} of {of})"
