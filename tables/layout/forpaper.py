"""A table that goes into a paper as it is: short caption, our numbers in pairs of metrics, notes below in small print.

Only lines and columns that were run; best and second marked. A table that is wider than its page is set in parts, one below
the other, each as wide as the page allows; nothing is shrunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmark.config.paper import Layout, Paper
from benchmark.workloads import METRICS
from tables.layout.latexstyle import HOLE, MARKS, VERDICTS, Latex, escape
from tables.layout.table import ColumnKey, LineKey, Options, PaperTable, paper_tables
from tables.layout.texts import name, often_wrong, own_lookbacks
from tables.numbers import fixed, known, span
from tables.rows.build import lookback_notes
from tables.rows.means import horizon_name
from tables.rows.row import Row

PAGES = {
    "article": (345.0, "table"), "twocolumn": (410.0, "table*"), "neurips": (397.4, "table"), "icml": (487.8, "table*"),
    "column": (234.8, "table"),
}  # fmt: skip
"""By page: its width in points, and the environment. `twocolumn`: both columns of article; `column`: one of ICML's."""
DIGIT, POINT, LETTER, SMALL = 4.26, 2.37, 4.4, 0.7
"""Widths in points at footnote size: of a digit, a point, a letter on average; of what is set smaller, the share."""
GAP = 3.0
"""On each side of a column."""
UNSEEN = {"sum-checked": "not seen itself, its column adds up to published totals", "unverified": "not seen at its source"}
MOST_LINES = 44
"""Of one float: what a page takes."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How it is to look. caption, label: as they stand; empty: short ones are made. page: one of `PAGES`. printed: with the
    printed numbers. verdicts: with a mark of each. siunitx: columns of that package."""

    caption: str = ""
    label: str = ""
    page: str = "article"
    printed: bool = False
    verdicts: bool = False
    siunitx: bool = False


def document(paper: Paper, rows: Sequence[Row], protocol: str, profile: str, options: Options, wish: Wish) -> str:
    """The whole of it, to be \\input; a comment where nothing was run."""
    metrics = options.metrics or paper.metrics
    pairs = replace(paper, layout=(Layout("", tuple(metrics)),))
    found = paper_tables(pairs, rows, profile, replace(options, metrics=()))
    table = _that_was_run(found[0]) if found else None
    packages = ["booktabs", *(["siunitx"] if wish.siunitx else [])]
    head = rf"% needs: \usepackage{{{','.join(packages)}}}" + "\n"
    if table is None or not table.lines:
        return head + "% No cell of this table has been run to its end.\n"
    width, environment = PAGES[wish.page]
    style = _Style(table, wish)
    tabulars = [style.tabular(columns) for columns in _parts(style, width)]
    floats = list(_floats(tabulars, len(table.lines) + 3))
    return head + "".join(
        _float(style, tabulars_, environment, protocol, profile, number, len(floats))
        for number, tabulars_ in enumerate(floats, 1)
    )


def _that_was_run(table: PaperTable) -> PaperTable:
    """Its lines and columns with a number of ours."""
    done = {(line, column) for (line, column, _), row in table.cells.items() if known(row.ours.mean)}
    lines = tuple(line for line in table.lines if any(found == line for found, _ in done))
    columns = tuple(column for column in table.columns if any(found == column for _, found in done))
    return replace(table, lines=lines, columns=columns)


@dataclass(frozen=True)
class _Style:
    """How cells of a table are written, and how wide they come out."""

    table: PaperTable
    wish: Wish

    @property
    def metrics(self) -> tuple[str, ...]:
        return self.table.layout.metrics

    def kinds(self) -> list[tuple[str, str]]:
        """Metric and kind (ours, printed) of each column of a group."""
        return [(metric, kind) for metric in self.metrics for kind in ("ours", "printed")
                if kind == "ours" or (self.wish.printed and self._prints(metric))]  # fmt: skip

    @property
    def stubs(self) -> int:
        """Columns at the left: data set, and horizon where the task has one."""
        return 1 + ("horizon" in self.table.paper.axes)

    def _prints(self, metric: str) -> bool:
        return any(row.printed is not None for (_, _, of), row in self.table.cells.items() if of == metric)

    def width(self, column: ColumnKey) -> float:
        """Of a group, in points."""
        digits, options = self.table.options.digits, self.table.options
        number = (digits + 1) * DIGIT + POINT
        std = 0.0 if not options.std else (digits + 2) * DIGIT if self.wish.siunitx else SMALL * (number + 3 * DIGIT)
        each = [number + (std if kind == "ours" else 0) + (LETTER if self.wish.verdicts and kind == "ours" else 0) + LETTER
                for _, kind in self.kinds()]  # fmt: skip
        return max(sum(each) + 2 * GAP * len(each), LETTER * len(name(self.table, column, Latex())) + 2 * GAP)

    def stub(self) -> float:
        """Of the columns at the left, in points."""
        steps = 3 * DIGIT + 2 * GAP if self.stubs > 1 else 0.0
        return LETTER * max(len(dataset) for dataset, _ in self.table.lines) + 2 * GAP + steps

    def tabular(self, columns: Sequence[ColumnKey]) -> str:
        """One part of the table."""
        kinds = self.kinds()
        ours, plain = "c", "c"
        if self.wish.siunitx:
            digits = self.table.options.digits
            errors = [self._error(row.ours.std) for row in self.table.cells.values()]
            most = max(map(len, filter(None, errors)), default=0)
            std = f"({most})" if most else ""
            of_ours = r"$^{\times}$" if self.wish.verdicts else ""
            used = [MARKS.get(row.printed.status, "") for row in self.table.cells.values() if row.printed is not None]
            ours = f"S[table-format=1.{digits}{std}{_room(of_ours)}]"
            plain = f"S[table-format=1.{digits}{_room(max(used, default='', key=len))}]"
        letters = "lr"[: self.stubs] + "".join(ours if kind == "ours" else plain for _ in columns for _, kind in kinds)
        spans = " & ".join(rf"\multicolumn{{{len(kinds)}}}{{c}}{{{name(self.table, c, Latex())}}}" for c in columns)
        heads = " & ".join(rf"{{{self._head(*kind)}}}" for _ in columns for kind in kinds)
        rules = " ".join(
            rf"\cmidrule(lr){{{1 + self.stubs + i * len(kinds)}-{self.stubs + (i + 1) * len(kinds)}}}"
            for i in range(len(columns))
        )  # fmt: skip
        body: list[str] = []
        for place, line in enumerate(self.table.lines):
            begins = not place or self.table.lines[place - 1][0] != line[0]
            if begins and place:
                body.append(r"\addlinespace[2pt]")
            cells = [self.cell(line, column, *kind) for column in columns for kind in kinds]
            shown = escape(line[0]) if begins else ""
            body.append(" & ".join([*[shown, horizon_name(line[1])][: self.stubs], *cells]) + r" \\")
        first, second = (" & & ", " & $H$ & ") if self.stubs > 1 else (" & ", " & ")
        return "\n".join([
            rf"\begin{{tabular}}{{@{{}}{letters}@{{}}}}", r"\toprule", rf"{first}{spans} \\", rules,
            rf"{second}{heads} \\", r"\midrule", *body, r"\bottomrule", r"\end{tabular}",
        ])  # fmt: skip

    def _error(self, std: float | None) -> str:
        """A deviation in units of the last digit, as siunitx takes it; empty where none is shown."""
        shown = fixed(std, self.table.options.digits) if self.table.options.std else None
        return str(int(shown.replace(".", ""))) if shown is not None else ""

    def _head(self, metric: str, kind: str) -> str:
        title = METRICS[metric].title
        return title if kind == "ours" else "printed" if len(self.metrics) == 1 else f"({title})"

    def cell(self, line: LineKey, column: ColumnKey, metric: str, kind: str) -> str:
        """A number: ours with deviation and marks, or the printed one."""
        row, digits = self.table.row(line, column, metric), self.table.options.digits
        if kind == "printed":
            if row is None or row.printed is None:
                return f"{{{HOLE}}}"
            return (fixed(row.printed.value, digits) or HOLE) + _behind(MARKS.get(row.printed.status, ""))
        if row is None or not known(row.ours.mean):
            return f"{{{HOLE}}}"
        where = (line, column, metric)
        marks = VERDICTS[row.comparison.verdict][0] if self.wish.verdicts and row.comparison.verdict else ""
        mean = fixed(row.ours.mean, digits) or HOLE
        std = fixed(row.ours.std, digits) if self._error(row.ours.std) else None
        behind = _behind(f"$^{{{marks.strip('$')}}}$" if marks else "")
        if self.wish.siunitx:
            error = f"({self._error(row.ours.std)})" if std is not None else ""
            if where in self.table.second:
                return rf"{{\underline{{{mean}}}{error}}}{behind}"
            return (r"\bfseries " if where in self.table.best else "") + mean + error + behind
        mark = r"\textbf" if where in self.table.best else r"\underline" if where in self.table.second else ""
        text = f"{mark}{{{mean}}}" if mark else mean
        return text + (rf"{{\tiny$\pm${std}}}" if std is not None else "") + behind


def _room(mark: str) -> str:
    """That siunitx leaves room for a mark behind its numbers."""
    return f",table-space-text-post={{{mark}}}" if mark else ""


def _behind(mark: str) -> str:
    """A mark behind a number: in braces, so that siunitx leaves it as it is."""
    return f"{{{mark}}}" if mark else ""


def _parts(style: _Style, width: float) -> list[list[ColumnKey]]:
    """The columns of each part, as few parts as that takes, of about the same number."""
    room = width - style.stub()
    parts: list[list[ColumnKey]] = [[]]
    for column in style.table.columns:
        used = sum(style.width(other) for other in parts[-1])
        if parts[-1] and used + style.width(column) > room:
            parts.append([])
        parts[-1].append(column)
    even = -(-len(style.table.columns) // len(parts))
    columns = style.table.columns
    levelled = [list(columns[i : i + even]) for i in range(0, len(columns), even)]
    fits = all(sum(style.width(column) for column in part) <= room for part in levelled)
    return levelled if fits else parts


def _floats(tabulars: Sequence[str], lines: int) -> Iterator[list[str]]:
    """As many parts in a float as a page takes."""
    each = max(1, MOST_LINES // lines)
    for start in range(0, len(tabulars), each):
        yield list(tabulars[start : start + each])


def _float(
    style: _Style, tabulars: Sequence[str], environment: str, protocol: str, profile: str, number: int, of: int
) -> str:  # fmt: skip
    """A whole environment. Of several the first has the notes, and the others say that they go on."""
    table, wish = style.table, style.wish
    metrics = " and ".join(METRICS[metric].title for metric in style.metrics)
    caption = wish.caption or f"Test {metrics} of {escape(table.paper.name)}'s models; best in bold, second underlined."
    label = wish.label or f"tab:{'-'.join([table.paper.name, *(w for w in (protocol, profile) if w != 'paper')])}"
    goes_on = f" ({number} of {of})" if of > 1 else ""
    notes = " ".join(_notes(style, protocol, profile)) if number == 1 else "Notes as below the first part."
    parts = "\n\\par\\medskip\n".join(tabulars)
    siunitx = "\\sisetup{detect-weight=true,mode=text}\n" if wish.siunitx else ""
    return (
        f"\\begin{{{environment}}}[tbp]\n\\centering\n"
        "\\setlength{\\abovecaptionskip}{0pt}\\setlength{\\belowcaptionskip}{5pt}\n"
        f"\\caption{{{caption}{goes_on}}}\n"
        f"\\label{{{label}{f'-{number}' if number > 1 else ''}}}\n"
        f"\\footnotesize\\setlength{{\\tabcolsep}}{{{GAP:g}pt}}\n{siunitx}{parts}\n"
        f"\\par\\smallskip\n\\begin{{minipage}}{{\\linewidth}}\\scriptsize\n{notes}\n\\end{{minipage}}\n"
        f"\\end{{{environment}}}\n"
    )


def _notes(style: _Style, protocol: str, profile: str) -> Iterator[str]:
    """What has to be known of the numbers, in a sentence each."""
    table, rows = style.table, [row for row in style.table.cells.values() if row.ours.n]
    counts = [row.ours.n for row in rows]
    seeds = f"{span(counts)} {'seed' if max(counts) == 1 else 'seeds'}"
    spread = "" if not table.options.std or max(counts) == 1 else (
        ", in brackets the standard deviation in units of the last digit" if style.wish.siunitx
        else r" $\pm$ standard deviation")  # fmt: skip
    scale = escape(" and ".join(dict.fromkeys(METRICS[metric].scale for metric in style.metrics)))
    steps = f"; $H$: horizon, look-back {own_lookbacks(table, escape, '$H = {}$')}" if style.stubs > 1 else ""
    yield f"Mean over {seeds}{spread}, {scale}{steps}."
    yield from map(escape, lookback_notes(rows))
    if protocol != "paper" or profile != "paper":
        smoke = "" if profile == "paper" else ", a smoke run that says nothing of the paper"
        yield f"Protocol {escape(protocol)}, profile {escape(profile)}{smoke}."
    if any(HOLE in style.cell(line, column, *kind)
           for line in table.lines for column in table.columns for kind in style.kinds()):  # fmt: skip
        yield f"{HOLE}: not run, or not printed."
    weak = sorted({row.key.model for row in rows if row.recipe_status != "verified"})
    if weak:
        yield f"Recipe values that are not verified at their source: {escape(', '.join(weak))}."
    if any(row.other_code for row in rows):
        yield "Some cells were made by other code than today's."
    if any(row.filled for row in rows):
        yield "Values that a data set lacks are filled or left out."
    if style.wish.printed and any(kind == "printed" for _, kind in style.kinds()):
        printed = table.paper.printed
        if printed is not None:
            yield f"Printed numbers, in the columns in brackets or so headed: {escape(', '.join(printed.tables))}."
        used = {row.printed.status for row in table.cells.values() if row.printed is not None}
        what = {
            "sum-checked": "not seen itself, its column adds up to published totals",
            "unverified": "not seen at its source",
        }
        yield from (f"{MARKS[status]}: {what[status]}." for status in MARKS if status in used)
    if style.wish.verdicts:
        found = [v for v in VERDICTS if VERDICTS[v][0] and any(row.comparison.verdict == v for row in rows)]
        if found:
            words = {verdict: VERDICTS[verdict][1] for verdict in found} | {"within": "neither is shown"}
            yield f"Against the printed number: {'; '.join(f'{VERDICTS[v][0]} {words[v]}' for v in found)}."
        if {"better", "worse"} & set(found):
            yield escape(often_wrong())
