"""A paper's tables → LaTeX in the paper's layout, to be \\input: captions, labels, legends, on pages that they fit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.config.paper import Paper
from benchmark.judging.verdict import LEAST_SEEDS
from benchmark.workloads import METRICS, Metric
from tables.layout.latexstyle import CODE_MARK, FILLED_MARK, HOLE, MARKS, RECIPE_MARK, VERDICTS, Latex, escape
from tables.layout.pages import Page, pages_of
from tables.layout.table import AS_IT_IS, SAME_CELLS, Options, PaperTable, paper_tables
from tables.layout.texts import (
    TextGrid,
    often_wrong,
    on_average,
    own_lookbacks,
    printed_alone,
    printed_lookbacks,
    transposed,
    upright,
)
from tables.numbers import span
from tables.rows.build import lookback_notes
from tables.rows.row import Row

PACKAGES = ("booktabs", "graphicx", "rotating")

LEGEND = {
    MARKS["sum-checked"]: "printed number not seen itself, but its column reproduces the paper's published totals",
    MARKS["unverified"]: "printed number not seen at the source",
    "(S)": "features S: the target channel alone, in and out; compared with no number of all channels",
    "(MS)": "features MS: all channels in, the target's error alone; compared with no number of all channels",
    RECIPE_MARK: "our recipe rests on values that are not verified at the source",
    FILLED_MARK: "values that the data set lacks are filled or left out",
    CODE_MARK: "made by other code than today's",
}
BELOW = {
    "improvement": "Improvement of the first column over each other one, in percent of the sums over the lines that both "
    "have (their number in brackets); printed: the paper's own figure, where it has one",
    SAME_CELLS: "The same cells: that improvement over the lines of which there are ours and printed numbers of both "
    "columns (their number in brackets), which are not all of the paper's",
    "rank": "Average rank among the columns, over the lines in which all have a number (how many in brackets), ties by "
    "the digits shown; printed: over all lines and columns of the paper's table",
    "first": "First places, ties counted for each; ours and printed each over the lines in which all of its columns have "
    "a number",
}  # fmt: skip


def wrapper(fragment: str) -> str:
    """A minimal document around what `document` returns, for pdflatex."""
    return (
        "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n"
        f"\\usepackage[a4paper,margin=2.2cm]{{geometry}}\n\\usepackage{{{','.join(PACKAGES)}}}\n"
        f"\\begin{{document}}\n{fragment}\\end{{document}}\n"
    )


def document(paper: Paper, rows: Sequence[Row], protocol: str, profile: str, options: Options = AS_IT_IS) -> str:
    """A paper's own tables, each page in an environment of its own."""
    texts = [rf"% needs: \usepackage{{{','.join(PACKAGES)}}}" + "\n"]
    labels: set[str] = set()
    for table in paper_tables(paper, rows, profile, options):
        words = (paper.name, protocol, profile, "avg" if table.layout.horizons == "mean" else "", *table.layout.metrics)
        label = "-".join(word for word in words if word not in ("paper", ""))
        label = next(name for n in range(1, 99) if (name := label + (f"-{n}" if n > 1 else "")) not in labels)
        labels.add(label)
        lay_out = transposed if table.options.transposed else upright
        pages = pages_of(lay_out(table, Latex()))
        texts += [_environment(table, page, protocol, profile, label, i, len(pages)) for i, page in enumerate(pages, 1)]
    if len(texts) == 1:
        done = any(row.ours.n for row in rows)
        reason = "No table has what was asked for" if done else "No cell of this table has been run to its end"
        texts.append(f"% {reason}.\n")
    return "\n".join(texts)


def _environment(table: PaperTable, part: Page, protocol: str, profile: str, label: str, number: int, of: int) -> str:
    """A whole environment: caption, label, tabular no wider than the line, below it in small print what is to be known."""
    kind = "sidewaystable" if part.sideways else "table"
    tabular = _tabular(part.grid)
    metrics = " and ".join(METRICS[metric].title for metric in table.layout.metrics)
    beside = ", ours beside the printed numbers" if printed_lookbacks(table, escape) else ""
    caption = f"{_title(table)} Test {metrics}{beside}." + (f" Part {number} of {of}." if of > 1 else "")
    about = _about(table, protocol, profile) if number == 1 else ""
    return (
        f"\\begin{{{kind}}}\n\\centering\\small\n"
        "\\setlength{\\abovecaptionskip}{0pt}\\setlength{\\belowcaptionskip}{6pt}\n"
        f"\\caption[{escape(table.paper.name)}: test {metrics}]{{{caption}}}\n"
        f"\\label{{tab:{label}{f'-part{number}' if number > 1 else ''}}}\n"
        "\\footnotesize\n\\setlength{\\tabcolsep}{4pt}\n"
        # Shrinks a table that is wider than the line and leaves any other as it is.
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"{tabular}}}\n{_legend(table, tabular, about)}\\end{{{kind}}}\n"
    )


def _tabular(grid: TextGrid) -> str:
    """pandas writes it; the rules between groups, which it does not know, are set by the numbers of its lines."""
    import pandas as pd

    plain = all(group.heads == ("ours",) for group in grid.groups)
    stub = len(grid.named)
    heads = [("", "$H$" if head == "H" else head) for head in grid.named]
    for group in grid.groups:
        # pandas wants heads that differ: spaces, which LaTeX does not print, tell those of one name apart.
        heads += [(group.head, head + " " * i) for i, head in enumerate(group.heads)]
    names = [head if i < stub else group for i, (group, head) in enumerate(heads)]
    body = []
    for i, (group_name, name) in enumerate(grid.lines):
        shown = group_name if not i or group_name != grid.lines[i - 1][0] else ""
        body.append([*[shown, name][:stub], *(cell for group in grid.groups for cell in group.lines[i])])
    frame = pd.DataFrame(body, columns=pd.Index(names) if plain else pd.MultiIndex.from_tuples(heads))
    letters = ("lr" if grid.stub[1] == "H" else "ll")[:stub] + "".join(
        align for group in grid.groups for align in group.aligns
    )
    text = frame.style.hide(axis="index").to_latex(hrules=True, multicol_align="c", column_format=letters)
    lines = [re.sub(" {2,}", " ", line.rstrip()) for line in text.splitlines()]
    first = lines.index(r"\midrule")
    for place in reversed(range(1, len(body))):
        if place == grid.first_below:
            lines.insert(first + 1 + place, r"\midrule")
        elif body[place][0] and place < grid.first_below:
            lines.insert(first + 1 + place, r"\addlinespace")
    if not plain:
        lines.insert(first - 1, _rules(grid))
    return "\n".join(lines) + "\n"


def _rules(grid: TextGrid) -> str:
    start, rules = 1 + len(grid.named), []
    for group in grid.groups:
        end = start + len(group.heads) - 1
        rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
        start = end + 1
    return " ".join(rules)


def _title(table: PaperTable) -> str:
    named = f" {escape(table.layout.table[:1].upper() + table.layout.table[1:])}." if table.layout.table else ""
    return rf"\textbf{{{escape(table.paper.title)}.{named}}}"


def _about(table: PaperTable, protocol: str, profile: str) -> str:
    """What the numbers are: of which scale, horizon and look-back, over how many seeds, by which rule."""
    rows = list(table.cells.values())
    counts = [row.ours.n for row in rows if row.ours.n] or [0]
    seeds = "seed" if max(counts) == 1 else "seeds"
    spread = r"mean $\pm$ sample standard deviation ($\mathrm{ddof} = 1$)" if table.options.std else "mean"
    horizon = {"each": "at horizon $H$", "mean": "mean over all horizons of a data set",
               "both": "at horizon $H$ and over all of them (avg)"}[table.layout.horizons]  # fmt: skip
    where = f", {horizon}; look-back {own_lookbacks(table, escape, '$H = {}$')}"
    text = (
        f"{_scale(table)}{where if table.paper.axes else ''}. Ours: {spread} over "
        f"$n = {span(counts).replace(' to ', r'$ to $')}$ {seeds}; best of ours in bold, second underlined, ties "
        f"alike; {HOLE}: no seed done, or no printed number. Protocol {escape(protocol)}, profile {escape(profile)}."
    )
    if profile != "paper":
        text += f" A smoke run, shortened and on a sample of the {table.paper.examples}: it says nothing about the paper."
    if theirs := printed_lookbacks(table, escape):
        printed = table.paper.printed
        named = escape(", ".join(printed.tables) if printed else "")
        text += f" Printed: {named}{f' (look-back {theirs})' if table.paper.axes else ''}; "
        text += f"a number counts as reproduced where {_rule(table.paper.metric)}."
    return text[:1].upper() + text[1:]


def _scale(table: PaperTable) -> str:
    return escape(" and ".join(dict.fromkeys(METRICS[metric].scale for metric in table.layout.metrics)))


def _rule(metric: Metric) -> str:
    return (
        rf"the 90\,\% interval of our mean over at least {LEAST_SEEDS} seeds, its width by the spread of the whole column, "
        rf"lies within the tolerance ({metric.absolute:g} or {100 * metric.relative:g}\,\%, whichever is more)"
    )


def _legend(table: PaperTable, tabular: str, about: str) -> str:
    """What the numbers are, what marks mean, how look-backs were chosen, what stands below, what was not run."""
    used = [v for v in VERDICTS if any(r.comparison.verdict == v for r in table.cells.values())]
    used = [v for v in used if VERDICTS[v][0] and VERDICTS[v][0] in tabular]
    rule = "; ".join(f"{VERDICTS[v][0]} {VERDICTS[v][1]}" for v in used)
    sentences = [about] if about else []
    sentences += [f"Verdict on the printed number: {rule}."] if rule else []
    sentences += [escape(often_wrong())] if {"better", "worse"} & set(used) else []
    marks = "; ".join(f"{mark} {text}" for mark, text in LEGEND.items() if mark in tabular)
    sentences += [f"{marks}."] if marks else []
    sentences += [said] if (said := on_average(table, Latex())) else []
    sentences += [f"In italics: as printed; {why}."] if (why := printed_alone(table)) else []
    sentences += [f"{BELOW[below.row]}." for below in table.below]
    sentences += [escape(note) for note in lookback_notes(table.cells.values())]
    sentences += [f"Not run: {', '.join(map(escape, table.not_run))}."] if table.not_run else []
    if not sentences:
        return ""
    return "\\par\\medskip\n\\parbox{\\linewidth}{\\scriptsize\\raggedright " + "\n".join(sentences) + "}\n"
