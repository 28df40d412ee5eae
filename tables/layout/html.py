"""A paper's own table, and the list of all cells, as HTML: each number of ours leads to what is behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

from markupsafe import Markup

from benchmark.workloads import METRICS
from tables.layout import celllist
from tables.layout.markdown import HOLE, LAST, MARKS, marks, number, spread
from tables.layout.subject import Subject
from tables.layout.table import Below, ColumnKey, LineKey, PaperTable
from tables.layout.texts import BELOW, below_name, of_lookbacks
from tables.numbers import known
from tables.rows.means import horizon_name
from tables.rows.row import Row

Name = Callable[[Row], str]
"""The name of a row's cell, under which the page shows what is behind it; empty: nothing is."""
FRAME = Markup(
    '<div class="scroll" role="region" tabindex="0" aria-label="{label}">\n<table class="{kind}" data-name="{label}">\n'
    "<caption>{label}</caption>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
)


def own_table(table: PaperTable, label: str, name: Name) -> Markup:
    """A line a data set and horizon, a column a model and metric: ours, below it what is printed, and the verdict."""
    columns = [(column, metric) for column in table.columns for metric in table.layout.metrics]
    steps = "horizon" in table.paper.axes
    heads = [Markup('<th scope="col">{}</th>').format(head) for head in ("data set", "H")[: 1 + steps]]
    heads += [_head(table, column, metric) for column, metric in columns]
    body, last = [], ""
    for line in table.lines:
        cells = [_own_cell(table, line, column, metric, name) for column, metric in columns]
        first = Markup("<th scope=row>{}</th>").format(line[0])
        first += Markup("<td>{}</td>").format(horizon_name(line[1])) if steps else ""
        kind = Markup(' class="first"') if line[0] != last else ""
        body.append(Markup("<tr{}>{}{}</tr>").format(kind, first, Markup("").join(cells)))
        last = line[0]
    for place, below in enumerate(table.below):
        cells = [_below(below, column, metric) for column, metric in columns]
        kind = Markup(' class="first below"') if not place else Markup(' class="below"')
        first = Markup("<th scope=row>{}</th>").format(below_name(below)) + Markup("<td></td>" if steps else "")
        body.append(Markup("<tr{}>{}{}</tr>").format(kind, first, Markup("").join(cells)))
    head = Markup("<tr>{}</tr>").format(Markup("").join(heads))
    said = list(filter(None, [of_lookbacks(table, str)]))
    said += [f"{BELOW[below.row].capitalize()}: {LAST[below.row]}." for below in table.below]
    notes = Markup('\n<p class="hint">{}</p>').format(" ".join(said)) if said else ""
    return FRAME.format(label=label, kind="own", head=head, body=Markup("\n").join(body)) + notes


def _head(table: PaperTable, column: ColumnKey, metric: str) -> Markup:
    model, sam = column
    alone = model not in table.paper.columns
    other = "" if alone or table.own_sam[column] else " with SAM" if sam else " without SAM"
    small = [METRICS[metric].title] if len(table.layout.metrics) > 1 else []
    small += ["printed only"] if alone else []
    said = Markup("<br><small>{}</small>").format(", ".join(small)) if small else ""
    return Markup('<th scope="col">{}{}</th>').format(model + other, said)


def _own_cell(table: PaperTable, line: LineKey, column: ColumnKey, metric: str, name: Name) -> Markup:
    row = table.row(line, column, metric)
    if row is None:
        return Markup('<td class="n">–</td>')
    digits, place = table.options.digits, (line, column, metric)
    emphasis = " best" if place in table.best else " second" if place in table.second else ""
    parts = []
    if column[0] in table.paper.columns:
        text = number(row.ours.mean, digits)
        text += f" ± {number(row.ours.std, digits)}" if known(row.ours.std) else ""
        parts.append(Markup('<span class="ours{}" data-part="ours">{}</span>').format(emphasis, link(row, text, name)))
    if row.printed is not None:
        value = number(row.printed.value, digits) + MARKS.get(row.printed.status, "")
        parts.append(Markup('<small data-part="printed">{}</small>').format(value))
    if row.comparison.verdict and row.printed is not None and column[0] in table.paper.columns:
        parts.append(chip(row))
    return Markup('<td class="n">{}</td>').format(Markup(" ").join(parts))


def _below(below: Below, column: ColumnKey, metric: str) -> Markup:
    digits, parts = 0 if below.row == "first" else 2, []
    if (column, metric) in below.ours:
        value, count = below.ours[column, metric]
        parts.append(Markup('<span data-part="ours">{} ({})</span>').format(number(value, digits), count))
    if (column, metric) in below.printed:
        value = below.printed[column, metric]
        parts.append(Markup('<small data-part="printed">{}</small>').format(number(value, digits)))
    return Markup('<td class="n">{}</td>').format(Markup(" ").join(parts))


def link(row: Row, text: str, name: Name) -> Markup:
    """A text that leads to the row's cell, where there is something behind it; with its marks."""
    cell = name(row)
    shown = Markup('<a class="cell" href="#{}">{}</a>').format(quote(cell, safe="/+~:"), text) if cell else Markup(
        "{}").format(text)  # fmt: skip
    return shown + Markup("{}").format(marks(row))


def chip(row: Row) -> Markup:
    """The verdict in words, and in colour."""
    return Markup('<span class="verdict {}" data-part="verdict">{}</span>').format(
        row.comparison.verdict.replace(" ", "-"), row.comparison.words
    )


def breakable(text: str) -> Markup:
    """A name that may run over several lines, at its joints."""
    return Markup("<wbr>").join(re.split("(?<=[+_])", text))


HEADS = ("paper", "protocol", "data set", "H", "column", "ours (n)", "printed", "deviation, %", "verdict", "would decide",
         "spread", "m", "L", "SAM", "metric")  # fmt: skip
LINE = Markup(
    "<tr><th scope=row>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{}</td>"
    "<td class=n>{}</td><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"
)


def cell_list(subjects: Iterable[Subject], label: str, name: Callable[[Subject, Row], str]) -> Markup:
    """Every cell of the data sets that were run, by its paper's first metric, in a line."""
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(text) for text in HEADS)
    lines = []
    for of in subjects:
        run = {row.key.dataset for row in of.rows if row.ours.n}
        shown = (row for row in of.rows if row.key.dataset in run and row.key.metric == of.paper.metric.name)
        lines += [_line(of, row, name) for row in shown]
    return FRAME.format(label=label, kind="cells", head=Markup("<tr>{}</tr>").format(head), body=Markup("\n").join(lines))


def _line(of: Subject, row: Row, name: Callable[[Subject, Row], str]) -> Markup:
    key, off = row.key, row.comparison.deviation_pct
    printed = HOLE if row.printed is None else number(row.printed.value) + MARKS.get(row.printed.status, "")
    protocol = of.protocol if of.profile == "paper" else f"{of.protocol}, {of.profile}"
    return LINE.format(
        key.paper, breakable(protocol), key.dataset, key.horizon or HOLE, key.model,
        link(row, spread(row), lambda row: name(of, row)),
        printed,
        HOLE if off is None else number(off, 1), chip(row) if row.comparison.verdict else "no printed number",
        celllist.would_decide(row), *celllist.judged_by(row), key.lookback or HOLE, "on" if key.sam else "off",
        METRICS[key.metric].title,
    )  # fmt: skip
