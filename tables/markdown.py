"""Frames → Markdown, for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tabulate import tabulate

from benchmark.data import optimum
from benchmark.paper import Paper
from tables.digits import DIGITS, fixed, known
from tables.frame import Row
from tables.verdict import RULE

HOLE = "–"
MARKS = {"sum-checked": "†", "unverified": "‡"}
LEGEND = {
    "†": "† printed number not seen itself, but its column reproduces the paper's published totals (sum-checked).",
    "‡": "‡ printed number not seen at the source (unverified).",
    "§": "§ our recipe rests on values that are not verified at the source: `python -m benchmark.show KEY` lists them.",
}


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
    if not known(row.mean):
        return HOLE
    return number(row.mean) + (f" ± {number(row.std)}" if known(row.std) else "") + f" ({row.n})"


def printed(row: Row) -> str:
    """The printed number with its mark."""
    return HOLE if row.published is None else number(row.published) + MARKS.get(row.published_status, "")


def table(rows: Sequence[Row], *, synthetic: bool = False) -> str:
    """The MSE of each cell beside the printed number, our MAE behind; of synthetic sets the least MSE possible."""
    mae = {(r.dataset, r.horizon, r.model, r.sam): r for r in rows if r.metric == "mae"}
    lines = []
    for row in rows:
        if row.metric != "mse":
            continue
        lookback = row.published_lookback if row.published is not None else ""
        mark = " §" if known(row.mean) and row.recipe_status != "verified" else ""
        other = mae[row.dataset, row.horizon, row.model, row.sam]
        lines.append([
            escape(row.dataset), str(row.lookback or HOLE), str(row.horizon), escape(row.model), "on" if row.sam else "off",
            spread(row) + mark, printed(row), escape(lookback),
            HOLE if row.deviation_pct is None else f"{number(row.deviation_pct, 1)} %", row.verdict or "no printed number",
            spread(other),
        ])  # fmt: skip
    headers = ["data set", "L", "H", "model", "SAM", "MSE, ours (n)", "printed", "its L", "deviation", "verdict",
               "MAE, ours (n)"]  # fmt: skip
    align = ("left", "right", "right", "left", "left", "right", "right", "right", "right", "left", "right", "right")
    if synthetic:
        best = [optimum(row.dataset, row.lookback, row.horizon) for row in rows if row.metric == "mse"]
        lines = [[*line, number(value)] for line, value in zip(lines, best, strict=True)]
        headers.append("optimum")
    return str(tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=align[: len(headers)]))


def document(paper: Paper, rows: Sequence[Row], protocol: str, profile: str, notes: Sequence[str] = ()) -> str:
    """A paper's table with its caption, the rule of its verdicts, `notes` and what was not run."""
    run = [d for d in paper.datasets if any(r.dataset == d and r.n for r in rows)]
    shown = [r for r in rows if r.dataset in run]
    parts = [f"# {paper.name}: {escape(paper.title)}"]
    if profile != "paper":
        parts.append(
            f"**Profile {profile}: a smoke run with a shortened training and a sample of the windows. These numbers say "
            "that the way works, nothing about the paper.**"
        )
    parts.append(
        f"Protocol `{protocol}`, profile `{profile}`. Test MSE and MAE on the standardised scale, over all windows, steps "
        "and channels: mean ± sample standard deviation (n − 1) over n seeds. L: look-back, H: horizon, in steps."
    )
    parts.append(table(shown, synthetic=paper.synthetic) if shown else "No cell of this table has been run to its end.")
    verdicts = [r.verdict for r in shown if r.metric == "mse" and r.published is not None]
    if verdicts:
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(sorted(verdicts)))
        parts.append(f"Of {len(verdicts)} printed numbers here: {counts}.")
    if paper.printed:
        parts.append(f"Printed: {escape(', '.join(paper.printed.tables))}. {RULE}")
    text = "\n".join(parts)
    legend = [line for mark, line in LEGEND.items() if mark in text]
    if legend:
        parts.append("\\\n".join(legend))
    parts += [escape(note) for note in notes]
    missing = [d for d in paper.datasets if d not in run]
    if missing:
        parts.append(f"No cell done: {', '.join(escape(d) for d in missing)}.")
    return "\n\n".join(parts) + "\n"
