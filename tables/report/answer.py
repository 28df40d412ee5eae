"""The answer first: which printed columns hold, under which protocol, in a sentence each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.config.paper import Paper
from benchmark.grid.plan import switches_of
from benchmark.judging.verdict import VERDICTS
from benchmark.workloads import METRICS
from tables.documents.explain import column_names
from tables.explain.nearness import RowsByKind
from tables.explain.nearness import columns as explained_columns
from tables.explain.nearness import words as explained
from tables.layout.markdown import number
from tables.numbers import span
from tables.rows.judge import OfColumn, column_verdicts
from tables.rows.means import cell_name, judged
from tables.rows.row import Row

PHRASES = {
    "reproduced": "holds",
    "better": "does not hold, our error is smaller",
    "worse": "does not hold, our error is larger",
    "within": "is neither shown to hold nor shown not to",
}
NO_VERDICT = "no cell of it has three seeds and a printed number that can be compared"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of a column under one protocol.

    protocol: its name. verdict: the first word of it; empty: there is none. words: the verdict as it is read. sentence:
    all of it.
    """

    protocol: str
    verdict: str
    words: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said of a paper: columns by name with what is said of each, how many cells got which verdict under which
    protocol, which protocol comes nearest, and what the switches of the protocols do."""

    paper: Paper
    columns: Mapping[str, Sequence[Said]]
    counts: Mapping[str, Mapping[str, int]]
    nearest: Sequence[tuple[str, str]]
    switches: Sequence[tuple[str, str]] = ()


def answer(paper: Paper, rows_of: RowsByKind) -> Answer | None:
    """By the Results of profile paper; None where none of them has a printed number beside it."""
    columns: dict[str, list[Said]] = {}
    counts: dict[str, Mapping[str, int]] = {}
    for (protocol, profile), rows in sorted(rows_of.items(), key=lambda item: (item[0][0] != "paper", item[0])):
        if profile == "paper":
            for column, said in _of_protocol(paper, protocol, rows):
                columns.setdefault(column, []).append(said)
            run = {row.key.dataset for row in rows if row.ours.n}
            found = [row for row in judged(paper, rows, profile) if row.key.dataset in run]
            counted = Counter(row.comparison.verdict for row in found)
            counts[protocol] = {verdict: counted[verdict] for verdict in VERDICTS if counted[verdict]}
    if not columns:
        return None
    compared = explained_columns(paper, rows_of)
    nearest = list(zip(column_names(paper, compared), map(explained, compared), strict=True))
    on = dict.fromkeys(name for protocol in counts for name in switches_of(paper, protocol))
    switches = [(name, paper.switches[name].what) for name in on]
    return Answer(paper=paper, columns=columns, counts=counts, nearest=nearest, switches=switches)


def _of_protocol(paper: Paper, protocol: str, rows: Sequence[Row]) -> Iterator[tuple[str, Said]]:
    """Every column that has a number of ours beside a printed one, by its name."""
    several = paper.printed is not None and len(paper.printed.metrics) > 1
    for metric in paper.metrics:
        found = judged(paper, rows, "paper", metric)
        verdicts = column_verdicts(found, "paper")
        done = dict.fromkeys((row.key.model, row.key.sam) for row in found if row.ours.n or row.ours.not_finite)
        for model, sam in done:
            column = f"{model}, {METRICS[metric].title}" if several else model
            of = verdicts.get((model, sam, metric))
            decided = [row for row in found if row.comparison.spread_pct is not None]
            cells = Counter(row.comparison.verdict for row in decided if (row.key.model, row.key.sam) == (model, sam))
            yield column, _none(protocol) if of is None else _said(protocol, of, cells)


def _none(protocol: str) -> Said:
    sentence = f"There is no verdict on it yet under protocol `{protocol}`: {NO_VERDICT}."
    return Said(protocol=protocol, verdict="", words="no verdict", sentence=sentence)


def _said(protocol: str, of: OfColumn, cells: Mapping[str, int]) -> Said:
    found, key = of.found, of.largest.key
    side, off = "above" if found.deviation_pct > 0 else "below", number(abs(found.deviation_pct), 1)
    lies = f"lies {off} % {side}" if float(off) else "lies less than 0.05 % off"
    several, phrase = found.cells > 1, PHRASES.get(found.verdict, found.words)
    if several and found.verdict == "reproduced":
        phrase += " on average"  # a mean hides cells that cancel
    judged = ", ".join(f"{cells[verdict]} {verdict}" for verdict in VERDICTS if cells[verdict])
    by_cell = f"; cell by cell {judged}" if several else ""
    where = f"over the {found.cells} cells that are judged" if several else "in the one cell that is judged"
    largest = number(of.largest.comparison.deviation_pct, 1)
    most = f"; the largest deviation is {largest} % ({cell_name(key.dataset, key.horizon)})" if several else ""
    sentence = (
        f"Under protocol `{protocol}` it {phrase}: {where} "
        f"our mean {lies} the printed number (90 % interval of the deviation, over seeds, "
        f"{number(found.low_pct, 1)} to {number(found.high_pct, 1)} %, {span(found.seeds)} seeds a cell){by_cell}{most}."
    )
    return Said(protocol=protocol, verdict=found.verdict, words=found.words, sentence=sentence)
