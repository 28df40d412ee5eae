"""Which protocol gives a printed column → ``tables/explain.md``, and what of it a terminal shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.config.paper import Paper
from benchmark.errors import UsageError, counted
from benchmark.grid.plan import in_order, own_protocol
from benchmark.workloads import METRICS
from tables.documents.protocols import switches
from tables.explain.nearness import Column, RowsByKind, Standing, columns, gaps, nearer_in, words
from tables.layout.markdown import HOLE, escape, number
from tables.pipe import pipe
from tables.rows.means import horizon_name
from tables.statistics import over_sets

INTRODUCTION = (
    "How near each protocol's numbers come to a printed column, over the cells that all compared protocols have (three "
    "seeds or more, profile paper, printed numbers that can be compared). Nearness: the mean absolute deviation, in "
    "percent. Seeds alone: what it would be on average if ours and the paper's seeds were of one method (√(2/π) · the "
    "mean of s·√(1/n + 1/m), s: the spread of a seed by all cells of the column, n: our seeds, m: the paper's, 1 where "
    "it does not say). Two protocols are compared by the data sets' means of what one is nearer by, with Student's t "
    "over the data sets (95 %): cells of one data set are alike. Sets that are one recording at two steps (ETTh1 is every "
    "fourth row of ETTm1, ETTh2 of ETTm2) are alike, too: what they give as one stands behind it. `Nearer than paper by`: "
    "in points, the mean over the data sets, which is the difference of two nearnesses only where each data set has as "
    "many cells; under three data sets, in how many cells. What is measured is what each protocol gives here; which one "
    "the authors' own runs followed is not known, and none of those that were run need be it."
)
HEADS = [
    "protocol",
    "nearness, %",
    "mean deviation, %",
    "within 2 %",
    "within 5 %",
    "seeds alone, %",
    "nearer than paper by",
]


def document(papers: Iterable[tuple[Paper, RowsByKind]], figures: bool) -> str:
    """A section a paper that has Results of several protocols. figures: whether their pictures lie beside the document."""
    parts = ["# Which protocol gives a printed column?", INTRODUCTION]
    for paper, rows_of in papers:
        found = columns(paper, rows_of)
        if found:
            parts.append(f"## {escape(paper.name)}")
            names = column_names(paper, found)
            parts += [part for name, column in zip(names, found, strict=True) for part in _section(paper, name, column)]
            if figures:
                parts.append(f"![Deviation by cell and protocol]({paper.name}.explain.png)")
            names = [*(f"paper+{switch}" for switch in paper.switches), *(["released"] if paper.released else [])]
            alone = dict.fromkeys(own_protocol(paper, name) for name in names)
            left = [f"`{name}`" for name in alone if (name, "paper") not in rows_of]
            if left:
                parts.append(f"Without Results, and so not compared: {', '.join(left)}.")
            parts.append("\n".join(switches(paper)))
    if len(parts) == 2:
        parts.append("The store has no printed column with three seeds a cell under two protocols.")
    return "\n\n".join(parts) + "\n"


def summary(paper: Paper, rows_of: RowsByKind) -> str:
    """The words alone, a line a column. Raises UsageError where there are no two protocols to compare."""
    found = columns(paper, rows_of)
    if not found:
        there = ", ".join(sorted({name for name, profile in rows_of if profile == "paper"})) or "none"
        other = f"; `run_all.py --papers {paper.name} --protocol paper+SWITCH` trains another" if paper.switches else ""
        raise UsageError(
            f"explain {paper.name}: expected cells with a printed number and three seeds under two protocols, found "
            f"protocols: {there}{other}"
        )
    return "\n".join(f"{name}: {words(column)}" for name, column in zip(column_names(paper, found), found, strict=True))


def column_names(paper: Paper, found: Sequence[Column]) -> list[str]:
    """Of each its model, its metric where the paper prints several, and its cells where one stands here more than once."""
    several = paper.printed is not None and len(paper.printed.metrics) > 1
    names = [f"{of.model}, {METRICS[of.metric].title}" if several else of.model for of in found]
    return [f"{name} over {_cells(paper, of)}" if names.count(name) > 1 else name
            for name, of in zip(names, found, strict=True)]  # fmt: skip


def _cells(paper: Paper, column: Column) -> str:
    """Its data sets, with the horizons where they are not all that the paper has."""
    of_set: dict[str, list[int]] = {}
    for dataset, horizon in column.cells:
        of_set.setdefault(dataset, []).append(horizon)
    named = []
    for dataset, horizons in of_set.items():
        whole = len(horizons) == len(paper.horizons_of(dataset))
        named.append(dataset if whole else f"{dataset} ({', '.join(map(horizon_name, horizons))})")
    return ", ".join(named)


def _section(paper: Paper, name: str, column: Column) -> list[str]:
    paper_itself = next((s for s in column.standings if "paper" in (s.protocol, *s.same)), None)
    by_name = {standing.protocol: standing for standing in column.standings}
    lines = [_line(column, by_name[name], paper_itself) for name in in_order(paper, by_name)]
    align = ["left"] + ["right"] * (len(HEADS) - 1)
    same = [
        f"The same trainings as `{s.protocol}`, since the switches change none of these cells: "
        f"{', '.join(f'`{name}`' for name in s.same)}."
        for s in column.standings if s.same
    ]  # fmt: skip
    return [f"### {escape(name)}", words(column),
            pipe(lines, HEADS, align), *same]  # fmt: skip


def _line(column: Column, standing: Standing, paper: Standing | None) -> list[str]:
    of = len(column.cells)
    nearer = HOLE
    if paper is not None and paper is not standing:
        found = over_sets(gaps(standing, paper))
        nearer = f"{nearer_in(standing, paper)} of {counted(of, 'cell')}" if found is None else (
            f"{number(found.centre, 1)} [{number(found.low, 1)}, {number(found.high, 1)}]"
        )  # fmt: skip
    name = escape(standing.protocol)
    return [
        f"**{name}**" if standing is column.standings[0] else name, number(standing.nearness, 1),
        number(standing.deviation, 1), f"{standing.within_2} of {of}", f"{standing.within_5} of {of}",
        number(standing.seeds_alone, 1), nearer,
    ]  # fmt: skip
