"""The papers' printed numbers, with their status and provenance: ``paper_configs/published/*.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmark.config.paper import Printed
from benchmark.config.reader import CONFIG_DIR
from benchmark.errors import UsageError


@dataclass(frozen=True)
class PrintedNumber:
    """One printed number; `lookback` as the file states it: steps, words, or empty."""

    value: float
    std: float | None
    lookback: str
    status: str
    provenance: str

    @property
    def quoted(self) -> bool:
        """Whether the paper took the number from another paper."""
        return "quoted" in self.provenance


Key = tuple[str, str, str, str]
"""Data set, horizon, model as printed, metric."""


@cache
def printed_numbers(printed: Printed) -> Mapping[Key, PrintedNumber]:
    """The numbers of the tables. Raises UsageError for a file that is not as it should be, or two values for one cell."""
    path = CONFIG_DIR / "published" / printed.file
    return _read(path, printed.tables, printed.metrics)


@cache
def printed_models(paper: str) -> tuple[str, ...]:
    """Every model that a file of printed numbers (``published/<paper>.csv``) names; none where there is no such file."""
    path = CONFIG_DIR / "published" / f"{paper}.csv"
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(dict.fromkeys(row.get("model") or "" for row in csv.DictReader(file)))


def _read(path: Path, tables: tuple[str, ...], metrics: tuple[str, ...]) -> dict[Key, PrintedNumber]:
    numbers: dict[Key, PrintedNumber] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["table"] not in tables or row["metric"] not in metrics:
                    continue
                key = (row["dataset"], row["horizon"], row["model"], row["metric"])
                if key in numbers:
                    raise UsageError(f"{path.name}: two numbers for {' '.join(key)} in {', '.join(tables)}; keep one")
                std = _number(row["std"]) if row["std"] else None
                numbers[key] = PrintedNumber(_number(row["value"]), std, row["lookback"], row["status"], row["provenance"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: not a file of printed numbers ({error})") from None
    return numbers


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is no number")
    return value
