"""Claims and what became of them → ``tables/claims.md``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from benchmark.workloads import METRICS
from tables.claims.evaluate import (
    CELL_BY_CELL,
    EVERY,
    EVERY_SET,
    OURS,
    PRINTED,
    RANK_OF_MEANS,
    Finding,
    Part,
    evaluate,
    parts,
)
from tables.claims.evidence import Evidence
from tables.claims.outcome import DIRECTION, OF_CELLS, OF_WEIGHTS, RULE, UNDECIDED
from tables.claims.reader import SUMS, WHOSE, Claim
from tables.layout.markdown import HOLE, escape, number
from tables.numbers import span
from tables.pipe import pipe
from tables.statistics import Estimate, Interval

TITLE = "# Claims, executed"
INTRODUCTION = (
    "What the papers say in a number, checked on the numbers that they print and on ours (test errors {scales}, profile "
    "paper). Improvements by the ratio of the sums over all cells, in which the cells with large errors "
    "weigh most, and by the mean of the improvements cell by cell. A claim is a sentence of its paper, or of its authors "
    "elsewhere. A check of ours is put together by this suite, of the tables of two papers, say: no paper answers for it."
)
HEADS = ("claim", "whose", "says", "on the printed numbers", "on ours", "protocol")
UNITS = {"improvement": " %", "sam": " %", "lower": " %", "rank": "", "parameters": " ×", "measure": " ×", "number": ""}


def document(claims: Iterable[Claim], evidence: Evidence, left: Sequence[Claim] = ()) -> str:
    """An overview of the claims, then their figures one by one; the papers of those that are left out, in a sentence."""
    return "\n\n".join(filter(None, halves(claims, evidence, left))) + "\n"


def halves(claims: Iterable[Claim], evidence: Evidence, left: Sequence[Claim] = ()) -> tuple[str, str]:
    """The document up to its overview, and the figures claim by claim; without a claim these are empty."""
    checked = [(claim, evaluate(claim, evidence), parts(claim, evidence)) for claim in claims]
    elsewhere = [_elsewhere(left, evidence)] if left else []
    if not checked:
        return "\n\n".join([TITLE, *(elsewhere or ["There is no claim."])]), ""
    overview = _table(
        [[escape(cell) for cell in line] for claim, findings, _ in checked for line in _overview(claim, findings)], HEADS
    )
    scales = dict.fromkeys(METRICS[claim.metric].scale for claim, *_ in checked if claim.metric in METRICS)
    introduction = INTRODUCTION.format(scales=" and ".join(scales) or "of a model")
    kinds = {claim.kind for claim, *_ in checked}
    rules = [RULE, *([OF_CELLS] if kinds & set(CELL_BY_CELL) else []), *([OF_WEIGHTS] if "measure" in kinds else [])]
    figures = [_section(claim, findings, steps) for claim, findings, steps in checked]
    return "\n\n".join([TITLE, introduction, *rules, overview, *elsewhere]), "\n\n".join(figures)


def _elsewhere(left: Sequence[Claim], evidence: Evidence) -> str:
    """Which claims are not here, and the command that checks them."""
    known = evidence.catalogue.papers
    counts = Counter(claim.paper for claim in left)
    papers = ", ".join(f"{paper} ({count})" for paper, count in counts.items())
    own = " --config FILE" if any(known[name].claims for name in counts if name in known) else ""
    command = f"`python -m tables claims --papers {','.join(counts)}{own}`"
    checks = f"{command} checks them on the printed numbers, where there are any."
    return f"Left out are the claims of papers without a Result: {papers}. {checks}"


def summary(claims: Iterable[Claim], evidence: Evidence) -> str:
    """The overview alone, for a terminal, and below it how to measure what nobody has."""
    lines, lacking = list[list[str]](), list[str]()
    for claim in claims:
        findings = evaluate(claim, evidence)
        lines += _overview(claim, findings)
        if how := _to_measure(claim, findings):
            lacking.append(f"{claim.name} is measured by {how}")
    table = tabulate(lines, HEADS, tablefmt="simple", disable_numparse=True, maxcolwidths=[None, 14, 40, 28, 28, 24])
    return "\n".join([str(table), *lacking])


def _to_measure(claim: Claim, findings: Sequence[Finding]) -> str:
    """The commands that measure what a claim lacks; empty where nothing is lacking, and of claims about metrics."""
    return next((o.note for o in findings if o.note), "") if claim.kind == "measure" else ""


def _table(lines: Sequence[Sequence[str]], heads: Sequence[str], numbers: int = 0) -> str:
    align = ["left"] * len(heads)
    align[numbers or len(heads) :] = ["right"] * (len(heads) - (numbers or len(heads)))
    return pipe(lines, heads, align)


def headline(claim: Claim, findings: Sequence[Finding], numbers: str, protocol: str) -> Finding:
    """The one figure that stands for a claim: by the paper's own way of averaging; of several models the sum of them."""
    found = [o for o in findings if o.numbers == numbers and o.protocol == protocol]
    if claim.kind in ("sam", "lower"):
        return next((o for o in found if o.what in (EVERY, EVERY_SET)), found[0])
    return next((o for o in found if o.average == claim.average), found[0])


def _overview(claim: Claim, findings: Sequence[Finding]) -> list[list[str]]:
    printed = headline(claim, findings, PRINTED, "")
    lines: list[list[str]] = []
    for protocol in dict.fromkeys(o.protocol for o in findings if o.numbers == OURS):
        ours = headline(claim, findings, OURS, protocol)
        stub = [claim.name, WHOSE[claim.whose], claim.says, _brief(claim, printed)]
        lines.append([*(stub if not lines else [""] * len(stub)), _brief(claim, ours), protocol])
    return lines


def _brief(claim: Claim, finding: Finding) -> str:
    """The outcome with its figure; of printed numbers also whether they give what is claimed, which is arithmetic."""
    if finding.estimate is None:
        return finding.verdict
    asked = "asked for" if claim.is_check else "claimed"
    given = {None: "", True: f", as {asked}", False: f", not the {_said(claim)} {asked}"}
    less = finding.there is not None and finding.estimate.cells < finding.of
    there = f" (printed {_there(claim, finding)} there)" if less else ""
    undecided = finding.verdict.startswith(UNDECIDED) and finding.estimate.interval is not None
    over = "seeds" if claim.kind == "measure" else "data sets"
    why = f", 95 % over {over} {_interval(finding.estimate.interval)}" if undecided else ""
    figure = f"{_figure(claim, finding.estimate)}{given[finding.gives if claim.value else None]}"
    return f"{finding.verdict}{', by' if finding.verdict == DIRECTION else ':'} {figure}{why}{there}"


def _said(claim: Claim) -> str:
    """What is claimed, with its own digits."""
    return number(claim.value, claim.digits) + UNITS[claim.kind]


def _there(claim: Claim, finding: Finding) -> str:
    """What the printed numbers give over the cells of ours."""
    return HOLE if finding.there is None else number(finding.there, 2) + UNITS[claim.kind]


def _figure(claim: Claim, estimate: Estimate | None) -> str:
    return HOLE if estimate is None else number(estimate.value, 2) + UNITS[claim.kind]


def _interval(interval: Interval | None) -> str:
    return HOLE if interval is None else f"{number(interval.low, 2)} to {number(interval.high, 2)}"


def _cells(finding: Finding) -> str:
    """How many cells a figure is over, of how many; nothing for what only sums up other figures."""
    if finding.what in (EVERY, EVERY_SET):
        return HOLE
    found = finding.estimate.cells if finding.estimate else 0
    return f"{found} means" if finding.average == RANK_OF_MEANS else f"{found} of {finding.of}"


def _section(claim: Claim, findings: Sequence[Finding], steps: Sequence[Part]) -> str:
    """Heading, source, what the printed numbers say of it, every figure, the parts."""
    says = escape(claim.says) + ("" if claim.says.endswith("?") else ".")
    if claim.is_check:
        source = f"A check of ours: {escape(claim.source)}."
    else:
        source = f"Said by {WHOSE[claim.whose]}: {escape(claim.source)} ({escape(claim.status)})."
    lines = [f"## {escape(claim.name)}", says, f"{source} {escape(claim.note)}".rstrip()]
    printed = headline(claim, findings, PRINTED, "")
    if printed.gives is False and claim.is_check:
        lines.append(f"**These printed numbers give {_figure(claim, printed.estimate)}, not {_said(claim)}.**")
    elif printed.gives is False:
        lines.append(
            f"**The printed numbers themselves do not bear this out: they give {_figure(claim, printed.estimate)} where "
            f"{_said(claim)} is claimed.**"
        )
    several, measuring = any(o.what for o in findings), _to_measure(claim, findings)
    compared = claim.has_own_cells
    whose = "cell" if claim.kind in CELL_BY_CELL else "models"
    heads = [*([whose] if several else []), "numbers", "protocol", "by", "outcome", "figure", "centre", "95 % interval",
             *(["printed, same cells", "ours less printed"] if compared else []), "cells", "data sets",
             "seeds"]  # fmt: skip
    body = [
        [*([escape(o.what)] if several else []), o.numbers, escape(o.protocol) or HOLE, o.average,
         o.verdict + (f" ({escape(o.note)})" if o.note and not measuring else ""), _figure(claim, o.estimate),
         *_over_sets(o.estimate), *([_there(claim, o), _interval(o.beside)] if compared else []), _cells(o),
         str(o.estimate.sets) if o.estimate else HOLE, span(o.seeds) if o.seeds else HOLE]
        for o in findings
    ]  # fmt: skip
    lines.append(_table(body, heads, numbers=heads.index("figure")))
    if measuring:
        lines.append(f"Measured by {measuring}.")
    if steps:
        lines += [_PARTS, *_paths(steps)]
    return "\n\n".join(lines)


def _over_sets(estimate: Estimate | None) -> list[str]:
    """The centre of the interval over data sets, and the interval."""
    found = estimate.interval if estimate else None
    return [HOLE if found is None else number(found.centre, 2), _interval(found)]


_PARTS = (
    f"Its parts, measured ({SUMS}, in percent of the sum that the path starts from, over the cells in which every step has "
    "Results; negative: the step makes it worse):"
)


def _paths(steps: Sequence[Part]) -> list[str]:
    body = []
    last = ""
    for step in steps:
        cells = f"{step.estimate.cells if step.estimate else 0} of {step.of}"
        figure = HOLE if step.estimate is None else number(step.estimate.value, 2) + " %"
        path = escape(step.path) if step.path != last else ""
        body.append([path, escape(step.part), figure, _interval(step.estimate.interval if step.estimate else None), cells])
        last = step.path
    return [_table(body, ["path", "step", "takes off", "95 % interval", "cells"], numbers=2)]
