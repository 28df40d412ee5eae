"""The long CSV: a line for each data set, horizon, column, SAM setting and metric of one paper, protocol and profile."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from benchmark.judging.verdict import MOST_SEEDS
from tables.layout.subject import Subject
from tables.numbers import fixed
from tables.rows.means import horizon_name, means
from tables.rows.row import Row

CSV_COLUMNS = ("paper", "protocol", "profile", "dataset", "lookback", "horizon", "model", "sam", "metric", "mean", "std",
               "n", "ddof", "seeds", "published", "published_status", "published_lookback", "deviation_pct", "verdict",
               "recipe_status", "missing", "published_seeds", "spread_pct", "spread_degrees", "tolerance_pct",
               "margin_pct", "seeds_needed")  # fmt: skip


def document(of: Subject) -> str:
    """All rows, and the means over the horizons where a table of the paper's shows them."""
    return long_csv([*of.rows, *_averages(of)], of.protocol, of.profile)


def _averages(of: Subject) -> list[Row]:
    """Means over the horizons, where a table of the paper's shows them."""
    shown = any(layout.horizons != "each" for layout in of.paper.layout)
    return means(of.paper, of.rows, of.profile) if shown else []


def long_csv(table: Sequence[Row], protocol: str = "paper", profile: str = "paper") -> str:
    """The long CSV (docs/interfaces.md) of rows of one protocol and profile: numbers with six digits, empty where there is
    none.

    A mean over the horizons has horizon `avg`, and no look-back where its horizons differ in it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table:
        fields = as_fields(row) | {"protocol": protocol, "profile": profile}
        writer.writerow([_cell(fields[name]) for name in CSV_COLUMNS])
    return out.getvalue()


def as_fields(row: Row) -> dict[str, object]:
    """A row by the CSV's columns, but for protocol and profile."""
    printed = row.printed
    return vars(row.key) | vars(row.ours) | vars(row.comparison) | {
        "horizon": horizon_name(row.key.horizon), "lookback": row.key.lookback or None, "ddof": 1,
        "published": printed.value if printed else None, "published_status": printed.status if printed else "",
        "published_lookback": printed.lookback if printed else "", "recipe_status": row.recipe_status,
        "missing": row.missing, "published_seeds": printed.seeds if printed else None,
        "spread_degrees": row.comparison.degrees, "seeds_needed": _needed(row),
    }  # fmt: skip


def _needed(row: Row) -> str:
    """Seeds that would decide a cell that is undecided; `none` where no number of them would, the least that it takes to be
    judged where no more is known."""
    needed = row.comparison.needed
    if needed is None:
        return ""
    if needed.seeds is None:
        return "none" if needed.why else f">= {needed.to_judge}"
    return f"> {MOST_SEEDS}" if needed.too_many else str(needed.seeds)


def _cell(value: object) -> str:
    """A field; a text that a spreadsheet would take for a formula gets an apostrophe, a number never does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return fixed(value, 6) or ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    text = str(value)
    return "'" + text if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
