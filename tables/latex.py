"""The frame → LaTeX in the paper's layout, to be \\input: rows data set × horizon, a group of columns a model."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from benchmark.paper import Paper
from tables.digits import best_and_second, fixed, known, span
from tables.frame import Row
from tables.verdict import LEAST_SEEDS, MOST_ABSOLUTE, MOST_RELATIVE

PACKAGES = ("booktabs", "graphicx", "rotating")
WIDEST = 5
"""Models side by side on an upright page; with more of them the table lies on its side."""

HOLE = "--"
MARKS = {"sum-checked": r"$^{\dagger}$", "unverified": r"$^{\ddagger}$"}
RECIPE_MARK = r"$^{\S}$"
LEGEND = {
    MARKS["sum-checked"]: "printed number not seen itself, but its column reproduces the paper's published totals",
    MARKS["unverified"]: "printed number not seen at the source",
    RECIPE_MARK: "our recipe rests on values that are not verified at the source",
}
RULE = (
    rf"our mean over at least {LEAST_SEEDS} seeds, whose 95\,\% interval is no wider than that, deviates by at most "
    rf"{MOST_ABSOLUTE} or {100 * MOST_RELATIVE:g}\,\%, whichever is more"
)
VERDICTS = {
    "reproduced": ("$=$", "reproduced"),
    "better": (r"$\downarrow$", "better (lower than printed)"),
    "worse": (r"$\uparrow$", "worse (higher than printed)"),
    "inconclusive": (r"$\sim$", "inconclusive (the interval is wider than the tolerance)"),
    "too few seeds": (r"$\circ$", "too few seeds"),
    "not comparable": (r"$\times$", "not comparable (other look-back, a quoted number, or other windows)"),
    "missing": ("", ""),
}

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": "`", "–": "--", "—": "---", "−": "$-$", "±": r"$\pm$",
    "×": r"$\times$", "·": r"$\cdot$", "‘": "`", "’": "'",
    "[": "{[}", "]": "{]}", "*": "{*}", "“": "``", "”": "''", "…": r"\ldots{}", "→": r"$\to$",
}  # fmt: skip


def escape(text: str) -> str:
    """Text that pdflatex prints as it is. What its fonts do not have is printed by its code point, never dropped."""
    return "".join(map(_character, " ".join(text.split())))


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    letter = character.isascii() or ("À" <= character <= "ž" and unicodedata.category(character)[0] == "L")
    return character if letter and character.isprintable() else f"[U+{ord(character):04X}]"


def wrapper(fragment: str) -> str:
    """A minimal document around what `document` returns, for pdflatex."""
    return (
        "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n"
        f"\\usepackage[a4paper,margin=2.2cm]{{geometry}}\n\\usepackage{{{','.join(PACKAGES)}}}\n"
        f"\\begin{{document}}\n{fragment}\\end{{document}}\n"
    )


def document(paper: Paper, rows: Sequence[Row], protocol: str, profile: str) -> str:
    """A paper's main table, once with the MSE and once with the MAE, each in an environment of its own."""
    parts = [rf"% needs: \usepackage{{{','.join(PACKAGES)}}}" + "\n"]
    for metric in ("mse", "mae"):
        table = _Table(paper, [r for r in rows if r.metric == metric and r.main], metric)
        if table.cells:
            parts.append(table.environment(protocol, profile))
    if len(parts) == 1:
        parts.append("% No cell of this table has been run to its end.\n")
    return "\n".join(parts)


class _Table:
    """One metric of a paper's main table: the data sets that have a Result, every horizon, every main column."""

    def __init__(self, paper: Paper, rows: Sequence[Row], metric: str) -> None:
        run = {r.dataset for r in rows if r.n}
        self.paper, self.metric = paper, metric
        self.missing = [d for d in paper.datasets if d not in run]
        self.cells = {(r.dataset, r.horizon, r.model, r.sam): r for r in rows if r.dataset in run}
        self.lines = list(dict.fromkeys((d, h) for d, h, _, _ in self.cells))
        order = list(paper.columns)
        pairs = {(r.model, r.sam): r.own_sam for r in self.cells.values()}
        self.columns = sorted(pairs, key=lambda c: (order.index(c[0]), not pairs[c]))
        self.own = pairs
        self.printed = {c for c in self.columns if any(r.published is not None for r in self._of(c))}

    def _of(self, column: tuple[str, bool]) -> list[Row]:
        return [r for (_, _, model, sam), r in self.cells.items() if (model, sam) == column]

    def environment(self, protocol: str, profile: str) -> str:
        """The whole environment: caption, label, tabular no wider than the line, legend."""
        kind = "sidewaystable" if len(self.columns) > WIDEST else "table"
        tabular = self._tabular()
        label = "-".join(p for p in (self.paper.name, protocol, profile, self.metric) if p != "paper")
        return (
            f"\\begin{{{kind}}}\n\\centering\\small\n"
            "\\setlength{\\abovecaptionskip}{0pt}\\setlength{\\belowcaptionskip}{6pt}\n"
            f"\\caption[{escape(self.paper.name)}: test {self.metric.upper()}]{{{self._caption(protocol, profile)}}}\n"
            f"\\label{{tab:{label}}}\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{4pt}}\n"
            # Shrinks a table that is wider than the line and leaves any other as it is.
            "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
            f"{tabular}}}\n{self._legend(tabular)}\\end{{{kind}}}\n"
        )

    def _tabular(self) -> str:
        """pandas writes it; the rules between groups, which it does not know, are set by the numbers of its lines."""
        import pandas as pd

        heads = [("", "data set"), ("", "$H$")]
        for column in self.columns:
            heads += [(self._name(column), sub) for sub in self._subcolumns(column)]
        body = list(self._body())
        grouped = pd.MultiIndex.from_tuples(heads) if self.printed else pd.Index([group or name for group, name in heads])
        frame = pd.DataFrame(body, columns=grouped)
        letters = "lr" + "".join("l" + "rc" * (c in self.printed) for c in self.columns)
        text = frame.style.hide(axis="index").to_latex(hrules=True, multicol_align="c", column_format=letters)
        lines = text.splitlines()
        first = next(i for i, line in enumerate(lines) if line == r"\midrule")
        for place in reversed(range(1, len(body))):
            if body[place][0]:
                lines.insert(first + 1 + place, r"\addlinespace")
        if self.printed:
            lines.insert(first - 1, self._rules())
        return "\n".join(lines) + "\n"

    def _subcolumns(self, column: tuple[str, bool]) -> tuple[str, ...]:
        return ("ours", "printed", "") if column in self.printed else ("ours",)

    def _rules(self) -> str:
        start, rules = 3, []
        for column in self.columns:
            end = start + len(self._subcolumns(column)) - 1
            rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
            start = end + 1
        return " ".join(rules)

    def _name(self, column: tuple[str, bool]) -> str:
        model, sam = column
        return escape(model) + ("" if self.own[column] else " with SAM" if sam else " without SAM")

    def _body(self) -> Iterator[list[str]]:
        last = None
        for dataset, horizon in self.lines:
            rows = [self.cells.get((dataset, horizon, *column)) for column in self.columns]
            best, second = best_and_second([row.mean if row else None for row in rows])
            line = [escape(dataset) if dataset != last else "", str(horizon)]
            for place, (column, row) in enumerate(zip(self.columns, rows, strict=True)):
                line.append(_ours(row, r"\textbf" if place in best else r"\underline" if place in second else ""))
                if column in self.printed:
                    line += _printed(row)
            last = dataset
            yield line

    def _caption(self, protocol: str, profile: str) -> str:
        counts = [r.n for r in self.cells.values() if r.n]
        seeds = "seed" if max(counts) == 1 else "seeds"
        of = ""
        if self.paper.printed and self.printed:
            of = f" Printed: {escape(', '.join(self.paper.printed.tables))}; a number counts as reproduced where {RULE}."
        smoke = " A smoke run, shortened and on a sample of the windows: it says nothing about the paper."
        return (
            rf"\textbf{{{escape(self.paper.title)}.}} Test {self.metric.upper()} on the standardised scale at horizon $H$; "
            f"look-back {self._lookback()}. Ours: mean $\\pm$ sample standard deviation ($\\mathrm{{ddof}} = 1$) over "
            f"$n = {span(counts).replace(' to ', r'$ to $')}$ {seeds}; best of ours in bold, second underlined, ties "
            f"alike; {HOLE}: no seed done, or no printed number. Protocol {escape(protocol)}, profile {escape(profile)}."
            + (smoke if profile != "paper" else "") + of
        )  # fmt: skip

    def _lookback(self) -> str:
        """One look-back, or what it depends on: the horizon, else the model, else the range."""
        rows = [r for r in self.cells.values() if r.lookback]
        if len({r.lookback for r in rows}) == 1:
            return str(rows[0].lookback)
        for name in ("horizon", "model"):
            found: dict[str, set[int]] = {}
            for row in rows:
                found.setdefault(str(getattr(row, name)), set()).add(row.lookback)
            if all(len(v) == 1 for v in found.values()):
                unit = "$H = {}$" if name == "horizon" else "{}"
                return ", ".join(f"{v.pop()} ({unit.format(escape(k))})" for k, v in found.items())
        return span([r.lookback for r in rows]) + ", cell by cell" if rows else "unknown"

    def _legend(self, tabular: str) -> str:
        """What the marks in the table mean, and what was not run."""
        used = [v for v in VERDICTS if any(r.verdict == v for r in self.cells.values())]
        rule = "; ".join(f"{VERDICTS[v][0]} {VERDICTS[v][1]}" for v in used if VERDICTS[v][0])
        sentences = [f"Verdict on the printed number: {rule}."] if rule else []
        marks = "; ".join(f"{mark} {text}" for mark, text in LEGEND.items() if mark in tabular)
        sentences += [f"{marks}."] if marks else []
        sentences += [f"Not run: {', '.join(map(escape, self.missing))}."] if self.missing else []
        if not sentences:
            return ""
        return "\\par\\medskip\n\\parbox{\\linewidth}{\\raggedright " + "\n".join(sentences) + "}\n"


def _ours(row: Row | None, emphasis: str) -> str:
    """Our mean ± deviation, three digits each; a dash for a hole."""
    mean = fixed(row.mean) if row else None
    if row is None or mean is None:
        return HOLE
    shown = mean.replace("-", "$-$")
    text = f"{emphasis}{{{shown}}}" if emphasis else shown
    if known(row.std):
        text += rf" {{\scriptsize$\pm$ {fixed(row.std)}}}"
    return text + ("" if row.recipe_status == "verified" else RECIPE_MARK)


def _printed(row: Row | None) -> list[str]:
    """The printed number with its mark, and the sign of the verdict."""
    number = fixed(row.published) if row else None
    if row is None or number is None:
        return [HOLE, ""]
    return [number.replace("-", "$-$") + MARKS.get(row.published_status, ""), VERDICTS[row.verdict][0]]
