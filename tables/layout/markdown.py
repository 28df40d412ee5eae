"""RowsByKind → Markdown, for people."""

from __future__ import annotations

import re

from benchmark.workloads import METRICS
from tables.layout.table import SAME_CELLS, PaperTable
from tables.layout.texts import BELOW, Style, of_lookbacks, on_average, printed_alone, transposed, upright
from tables.numbers import DIGITS, fixed, known
from tables.pipe import pipe
from tables.rows.row import Row

HOLE = "–"
MARKS = {"sum-checked": "†", "unverified": "‡"}
LEGEND = {
    "†": "† printed number not seen itself, but its column reproduces the paper's published totals (sum-checked).",
    "‡": "‡ printed number not seen at the source (unverified).",
    "§": "§ our recipe rests on values that are not verified at the source: `python -m benchmark.show KEY` lists them.",
    "¶": "¶ values that the data set lacks are filled or left out; a line below says which.",
    "◊": "◊ made by other code than today's, which may give another number: `run_all.py --retry stale` runs it again.",
}
VARIANTS = {
    "(S)": "(S) features S: the target channel alone, in and out; compared with no number of all channels.",
    "(MS)": "(MS) features MS: all channels in, the target's error alone; compared with no number of all channels.",
}
"""What the marks of other tasks mean."""


def escape(text: str) -> str:
    """Text that stands in a Markdown table as it is: no markup, no HTML, no formula, no second line."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    text = re.sub(r"([\\|*_`\[\]~$])", r"\\\1", text)
    return " ".join(text.replace("<", "&lt;").replace(">", "&gt;").split())


def number(value: float | None, digits: int = DIGITS) -> str:
    """A number with fixed digits, minus as a sign; a dash for a hole."""
    return (fixed(value, digits) or HOLE).replace("-", "−")


def spread(row: Row) -> str:
    """Our mean ± sample standard deviation, with n."""
    if not known(row.ours.mean):
        return HOLE
    return number(row.ours.mean) + (f" ± {number(row.ours.std)}" if known(row.ours.std) else "") + f" ({row.ours.n})"


def marks(row: Row) -> str:
    """What a reader should know of our number, as signs of `LEGEND` and `VARIANTS`; nothing where there is none."""
    if not known(row.ours.mean):
        return ""
    said = {"§": row.weak, "¶": row.filled, "◊": bool(row.other_code)}
    signs = "".join(sign for sign, holds in said.items() if holds)
    return (f" ({row.variant})" if row.variant else "") + (f" {signs}" if signs else "")


def printed(row: Row) -> str:
    """The printed number with its mark."""
    return HOLE if row.printed is None else number(row.printed.value) + MARKS.get(row.printed.status, "")


SIGNS = {"reproduced": "=", "better": "↓", "worse": "↑", "within": "~", "too few seeds": "○", "not finite": "!",
         "not comparable": "×"}  # fmt: skip
EMPHASIS = ("", "**", "_")


class Markdown(Style):
    """How Markdown writes what stands in a cell of a paper's own table."""

    hole, marks = HOLE, MARKS

    def escape(self, text: str) -> str:
        """As the function of that name."""
        return escape(text)

    def ours(self, row: Row | None, place: int, digits: int = DIGITS, std: bool = True) -> str:
        """Our mean ± deviation; bold where it is the best of its line, in italics where second."""
        if row is None or not known(row.ours.mean):
            return HOLE
        text = f"{EMPHASIS[place]}{number(row.ours.mean, digits)}{EMPHASIS[place]}"
        text += f" ± {number(row.ours.std, digits)}" if std and known(row.ours.std) else ""
        return text + marks(row)

    def sign(self, row: Row | None) -> str:
        """The sign of the verdict."""
        return SIGNS.get(row.comparison.verdict, "") if row is not None and row.printed is not None else ""

    def alone(self, text: str) -> str:
        """Italics: the column is printed only."""
        return f"_{text}_"

    def plain(self, value: float | None, digits: int) -> str:
        """A number."""
        return number(value, digits)


def own_table(table: PaperTable) -> str:
    """A paper's own table, with its name and what its signs mean."""
    lay_out = transposed if table.options.transposed else upright
    found = lay_out(table, Markdown())
    stub = len(found.named)
    heads, aligns = list(found.named), ["left", "right" if found.stub[1] == "H" else "left"][:stub]
    for group in found.groups:
        heads += [f"{group.head} {head}".strip() if not i else head for i, head in enumerate(group.heads)]
        aligns += [{"l": "left", "r": "right", "c": "center"}[align] for align in group.aligns]
    lines = []
    for i, (name, second) in enumerate(found.lines):
        shown = name if not i or name != found.lines[i - 1][0] else ""
        lines.append([*[shown, second][:stub], *(cell for group in found.groups for cell in group.lines[i])])
    metrics = " and ".join(METRICS[metric].title for metric in table.layout.metrics)
    text = pipe(lines, heads, aligns)
    used = {row.comparison.verdict for row in table.cells.values()}
    signs = [f"{sign} {verdict}{' X %' * (verdict == 'within')}" for verdict, sign in SIGNS.items() if verdict in used]
    notes = [f"Best of ours in bold, second in italics. {'Verdicts: ' + ', '.join(signs) + '. ' if signs else ''}"]
    if why := printed_alone(table):
        notes.append(f"Heads in italics: as printed, {why}. ")
    if said := of_lookbacks(table, escape):
        notes.append(f"{said} ")
    notes += [f"{BELOW[below.row].capitalize()}: {LAST[below.row]}. " for below in table.below]
    notes += [f"{on_average(table, Markdown())} "] if table.verdicts else []
    title = escape(table.layout.table[:1].upper() + table.layout.table[1:]) or "Table"
    return f"## {title}: test {metrics}\n\n{text}\n\n{''.join(notes).strip()}"


LAST = {
    "improvement": "of the first column over each other one, by the sums over the lines that both have (how many); "
    "printed: the paper's own figure, where it has one",
    SAME_CELLS: "that improvement over the lines of which there are ours and printed numbers of both columns (how many), "
    "which are not all of the paper's",
    "rank": "among the columns, over the lines in which all have a number (how many), ties by the digits shown; printed: "
    "over all lines and columns of the paper's table",
    "first": "ties counted for each; ours and printed each over the lines in which all of its columns have a number",
}
