"""The papers' printed numbers, with their status and provenance: ``paper_configs/published/*.csv``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from benchmark.config.paper import Paper, Printed
from benchmark.config.reader import CONFIG_DIR
from benchmark.errors import UsageError
from benchmark.files import read


@dataclass(frozen=True)
class PrintedNumber:
    """One printed number.

    value, std: the number, and the deviation that the paper gives with it. lookback: as the file states it: steps, words,
    or empty. status, provenance: how surely, and where it was read. seeds: over which the paper took it; None where that is
    not said. half_unit: half a unit of the last printed digit, of the number's own size. differs: what sets its task apart
    from the suite's, in words; empty where nothing does.
    """

    value: float
    std: float | None
    lookback: str
    status: str
    provenance: str
    seeds: int | None = None
    half_unit: float = 0.0
    differs: str = ""

    @property
    def seeds_behind(self) -> int:
        """The paper's seeds; one where it does not say."""
        return self.seeds or 1

    @property
    def quoted(self) -> bool:
        """Whether the paper took the number from another paper."""
        return "quoted" in self.provenance


def stated(lookback: int | None) -> str:
    """A look-back in steps as a file of printed numbers states it; nothing where the task has none."""
    return "" if lookback is None else str(lookback)


Key = tuple[str, str, str, str]
"""Data set, horizon (0 where the task has none, and the file leaves it empty), model as printed, metric."""


def place_of(printed: Printed) -> Path:
    """Where a file of printed numbers lies."""
    return (printed.folder or CONFIG_DIR / "published") / printed.file


def file_of(name: str, papers: Mapping[str, Paper]) -> Path | None:
    """The file of a paper's printed numbers, of one too that has no recipe (``published/<name>.csv``); None without one."""
    paper = papers.get(name)
    path = place_of(paper.printed) if paper and paper.printed else CONFIG_DIR / "published" / f"{name}.csv"
    return path if path.is_file() else None


def printed_numbers(printed: Printed) -> Mapping[Key, PrintedNumber]:
    """The numbers of the tables. Raises UsageError for a file that is not as it should be, or two values for one cell.

    A column `seeds` says over how many the paper took a number, a column `differs` what sets its task apart from the
    suite's; they may be empty, or not there at all. The last printed
    digit is that of the table and metric: its numbers are printed with equally many, and a file may leave zeros out.
    """
    path = place_of(printed)
    return _read(path, printed.tables, printed.metrics, _stamp(path))


def printed_models(name: str, papers: Mapping[str, Paper]) -> tuple[str, ...]:
    """Every model that a paper's file of printed numbers names; none where there is no such file."""
    path = file_of(name, papers)
    return _models(path, _stamp(path)) if path is not None else ()


@cache
def _models(path: Path, _of: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.get("model") or "" for row in _rows(path)))


def _stamp(path: Path) -> object:
    """By what a file is known to be the one that was read: the user's may change while a notebook is open."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _rows(path: Path) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(read(path).decode(), newline=""))


@cache
def _read(path: Path, tables: tuple[str, ...], metrics: tuple[str, ...], _of: object) -> Mapping[Key, PrintedNumber]:
    numbers: dict[Key, PrintedNumber] = {}
    try:
        rows = [row for row in _rows(path) if row["table"] in tables and row["metric"] in metrics]
        digits: dict[tuple[str, str], int] = {}
        for row in rows:
            of_table = row["table"], row["metric"]
            digits[of_table] = max(digits.get(of_table, 0), _decimals(row["value"]))
        for row in rows:
            key = (row["dataset"], row["horizon"] or "0", row["model"], row["metric"])
            if key in numbers:
                raise UsageError(f"{path.name}: two numbers for {' '.join(key)} in {', '.join(tables)}; keep one")
            numbers[key] = PrintedNumber(
                _number(row["value"]), _number(row["std"]) if row["std"] else None, row["lookback"], row["status"],
                row["provenance"], _seeds(row.get("seeds")), 0.5 * 10.0 ** -digits[row["table"], row["metric"]],
                row.get("differs") or "",
            )  # fmt: skip
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: not a file of printed numbers ({error})") from None
    return numbers


def _decimals(text: str) -> int:
    """Digits behind the point; of 1e-3 three. Raises ValueError for what is no number."""
    _number(text)
    return max(0, -int(Decimal(text.strip()).as_tuple().exponent))


def _seeds(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"'{text}' is no number of seeds; expected a whole number from 1, or nothing where it is not said")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is no number")
    return value
