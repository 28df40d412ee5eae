"""A good data set of one's own, for tests to spoil."""

from __future__ import annotations

import numpy as np

RECIPE = """
recipes:
  samformer:
    learning_rate: {by: dataset, values: {mine: 1e-3}}
    rho: {by: dataset, values: {mine: 0.5}}
"""


def series(rows: int = 400, columns: str = "a,OT", start: str = "2024-01-01T00:00") -> str:
    """A good CSV: hourly."""
    dates = np.datetime64(start) + np.arange(rows) * np.timedelta64(1, "h")
    width = columns.count(",") + 1
    values = np.random.default_rng(0).standard_normal((rows, width)).round(3)
    lines = [f"{str(d).replace('T', ' ')}:00,{','.join(map(str, v))}" for d, v in zip(dates, values, strict=True)]
    return "\n".join([f"date,{columns}", *lines]) + "\n"
