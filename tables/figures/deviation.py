"""Ours against printed, as a heat map: a line a data set and horizon, a column a column, the deviation in percent."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.config.paper import Paper
from tables.figures.data import Axis, Figure, Heat, HeatCell, Panel, Rule
from tables.figures.style import Style
from tables.numbers import fixed
from tables.rows.means import cell_name, judged
from tables.rows.row import Row

MOST = 20.0
"""Percent at which the colours end."""
BRACKETED = ("not comparable", "too few seeds", "not finite", "within")
DIVIDER = Style(colour="white", line="solid", width=1.5)


def figure(paper: Paper, rows: Sequence[Row], profile: str, about: str) -> Figure | None:
    """None where no printed number has one of ours beside it. `about`: how the title begins."""
    found = [row for row in judged(paper, rows, profile) if row.comparison.deviation_pct is not None]
    if not found:
        return None
    lines = list(dict.fromkeys((row.key.dataset, row.key.horizon) for row in found))
    columns = [name for name in paper.columns if any(row.key.model == name for row in found)]
    cells = {(row.key.dataset, row.key.horizon, row.key.model): _cell(row) for row in found}
    heat = Heat(
        cells=tuple(tuple(cells.get((*line, column)) for column in columns) for line in lines),
        label="deviation, %", most=MOST, meaning="(ours − printed) / printed, in percent",
    )  # fmt: skip
    dividers = [
        Rule(across="y", at=place - 0.5, style=DIVIDER, meaning="between two data sets")
        for place in range(1, len(lines)) if lines[place][0] != lines[place - 1][0]
    ]  # fmt: skip
    panel = Panel(
        x=Axis(categories=tuple(columns)), marks=(heat, *dividers),
        y=Axis(categories=tuple(cell_name(dataset, horizon, "  ") for dataset, horizon in lines)),
    )  # fmt: skip
    return Figure(
        name="deviation", title=f"{about}: ours against printed", panels=(panel,),
        panel_size=(2.2 + 0.95 * len(columns), max(1.2, 0.4 + 0.2 * len(lines))),
        notes=("In brackets: neither reproduced nor better nor worse; grey: nothing to compare",),
    )  # fmt: skip


def _cell(row: Row) -> HeatCell:
    """The deviation with its sign, which a zero does not have."""
    deviation, verdict = row.comparison.deviation_pct or 0.0, row.comparison.verdict
    text = fixed(deviation, 1) or ""
    text = text.replace("-", "−") if text.startswith("-") or float(text) == 0 else f"+{text}"
    return HeatCell(value=deviation, text=text, bracketed=verdict in BRACKETED, remark=verdict)
