"""Files → tables of numbers, as the papers' loaders read them. numpy and pandas only.

What a file holds beside plain numbers (sentinels, duplicate time stamps, holes that are filled) is used as the papers
used it and told in a note.
"""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.registry import DataSet
from benchmark.data.text import dates, gaps
from benchmark.data.text.gaps import Rules
from benchmark.data.text.opened import UNREADABLE, check_text, line_of, opened, short
from benchmark.data.text.steps import IRREGULAR
from benchmark.errors import DataError, counted, either

Array = NDArray[np.float64]
Times = NDArray[np.int64]

VERSION = 5
"""Of the readers. A change that alters what is read raises it, so that no parsed copy of before is used."""

_LARGEST = 1e150
"""Larger numbers have no finite squares, and a channel of them no standard deviation."""
SENTINEL = -9999.0
"""What Weather has where an instrument gave nothing. The papers use it as a value."""


@dataclass(frozen=True)
class Table:
    """values [rows, channels]; times [rows], seconds since 1970 as the file's clock has them, None without dates."""

    values: Array
    times: Times | None
    notes: tuple[str, ...] = ()


def read(dataset: DataSet, path: Path) -> Table:
    """A data set's file as a table.

    Raises DataError, one sentence with row and column where there is one, for a file that is not as it should be.
    """
    rules = rules_of(dataset)
    if dataset.reader == "pems":
        table = read_pems(path)
    elif dataset.reader == "solar":
        table = read_plain(path, header=bool(dataset.options.get("header")), rules=rules)
    else:
        table = read_csv(path, target=dataset.options.get("target"), rules=rules)
    rows, channels = table.values.shape
    if (dataset.rows, dataset.channels) not in ((None, None), (rows, channels)):
        raise DataError(
            f"{dataset.name}: {path} has {counted(rows, 'row')} × {counted(channels, 'channel')}, expected "
            f"{dataset.rows:,} × {dataset.channels}; {'no value may hold a line break' if dataset.own else 'replace it'}"
        )
    return Table(table.values, table.times, (*_odd(table.values), *table.notes))


def rules_of(dataset: DataSet) -> Rules | None:
    """What a set of the user's own has to keep; None for one of the papers', which is used as it stands."""
    options = dataset.options
    return Rules(dataset.step, options.get("dates"), options.get("fill")) if dataset.own else None


def read_csv(path: Path, target: str | None = None, rules: Rules | None = None) -> Table:
    """A CSV whose first column is the date. The target moves last, the others keep their order (docs/protocols.md).

    The target is the column named, else `OT`, else the last one. Bytes that are no UTF-8 (Weather's degree signs)
    can stand in the header only, since a value has to be a number. `rules`: what the times have to keep, and what fills
    a hole; None: times are used as they stand, and holes are refused.
    """
    frame = _frame(path, header=True)
    names = list(frame.columns[1:])
    if len(names) < 1 or not len(frame):
        raise DataError(f"{path}: expected a date column, value columns and rows, found {_size(frame)}; replace it")
    if not pd.isna(pd.to_datetime(str(frame.columns[0]), errors="coerce")):
        raise DataError(f"{path}: line 1: expected a header (names of the columns), found the date '{frame.columns[0]}'")
    names = in_order(path, names, target)
    found = dates.read(path, frame.iloc[:, 0], rules.dates if rules else None, own=rules is not None)
    values, stamps, notes = _numbers(path, frame[names], True, rules), found.stamps, found.notes
    if rules is not None:

        def alike(row: int) -> bool:
            return bool(np.array_equal(values[row], values[row - 1], equal_nan=True))

        place = gaps.places(stamps, rules, _row(path), alike, found.doubt)
        values, stamps, filled = gaps.fill(values, stamps, place, rules)
        notes += filled
    if rules is None or rules.step == IRREGULAR:
        notes += gaps.note(stamps)
    return Table(values, stamps.astype("datetime64[s]").astype(np.int64), notes)


def in_order(path: Path, names: list[str], target: str | None) -> list[str]:
    """The channels of a CSV, the target last. Raises DataError where there is no column of its name."""
    last = target or "OT"
    if last in names:
        return [n for n in names if n != last] + [last]
    if target is not None:
        raise DataError(f"{path}: no column '{target}' to be the target; columns: {', '.join(map(str, names))[:120]}")
    return names


def header(path: Path) -> tuple[str, list[str]]:
    """The name of a CSV's column of dates, and those of its channels as they stand. Raises DataError for what is no CSV."""
    date, *names = map(str, _frame(path, header=True, rows=1).columns)
    return date, names


def axis_of(dataset: DataSet, path: Path) -> dates.Stamps:
    """The moments of a CSV's rows, its gaps filled where the user says so; its numbers are not looked at.

    Raises DataError where its times are not as they should be.
    """
    rules = rules_of(dataset) or Rules()
    found = dates.column(path, rules.dates)
    place = gaps.places(found.stamps, rules, _row(path), lambda row: False, found.doubt)
    return gaps.axis(found.stamps, place, rules)


def read_plain(path: Path, *, header: bool = False, rules: Rules | None = None) -> Table:
    """Numbers separated by commas, no dates; Solar's file has no header either. `rules`: what fills a hole."""
    frame = _frame(path, header)
    if not len(frame):
        raise DataError(f"{path}: expected rows of numbers, found none; replace it")
    values = _numbers(path, frame, header, rules)
    axis = np.arange(len(values))
    values, _, notes = gaps.fill(values, axis.astype("datetime64[us]"), axis, rules or Rules())
    return Table(values, None, notes)


def _row(path: Path) -> Callable[[int], str]:
    """How the date of a row is named in messages."""
    return lambda row: f"{path}: line {line_of(path, row + 1)}, column 1"


def read_pems(path: Path) -> Table:
    """An npz with `data` [time, sensors, features]: feature 0, NaN filled with the sensor's last value, else its next."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if "data" not in file.files:
                raise DataError(f"{path}: no array 'data', but {short(', '.join(file.files)) or 'nothing'}; replace it")
            data: NDArray[Any] = file["data"]
    except (OSError, ValueError, EOFError, AttributeError, TypeError, SyntaxError, MemoryError, OverflowError,
            NotImplementedError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise DataError(f"{path}: not a readable npz ({short(error)}); replace it") from None
    if data.ndim != 3 or 0 in data.shape or data.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: expected 'data' [time, sensors, features] of numbers, found {data.shape} of {data.dtype}; replace it"
        )
    values: Array = data[:, :, 0].astype(np.float64)
    holes = int(np.isnan(values).sum())
    if holes:
        values = pd.DataFrame(values).ffill().bfill().to_numpy(np.float64)
    _check_finite(path, values, lambda row, column: f"time {row}, sensor {column}", values)
    notes = (f"{counted(holes, 'missing value')} filled with the sensor's last value, or its next one",) if holes else ()
    return Table(values, None, notes)


def _frame(path: Path, header: bool, rows: int | None = None) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_text(path)
            with opened(path) as file:
                frame = pd.read_csv(file, encoding="utf-8", encoding_errors="replace", engine="c",
                                    header=0 if header else None, skipinitialspace=True,
                                    nrows=rows)  # fmt: skip
    except (*UNREADABLE, ValueError, OverflowError, MemoryError) as error:
        uneven = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if uneven is not None:
            expected, line, found = uneven.groups()
            differs = f"expected {counted(int(expected), 'value')}, found {found}"
            raise DataError(f"{path}: line {line}: {differs}; every line has to have as many") from None
        raise DataError(f"{path}: not a readable CSV ({short(error)}); replace it") from None
    whole = isinstance(frame.index, pd.RangeIndex)
    if len(frame) and frame.iloc[:, -1].isna().all() and (not whole or str(frame.columns[-1]).startswith("Unnamed: ")):
        raise DataError(f"{path}: every row ends in a comma, after which nothing stands; take these commas away")
    if not whole:
        raise DataError(f"{path}: line 2: more values than the header (line 1) has columns; every line has to have as many")
    return frame


def _numbers(path: Path, frame: pd.DataFrame, header: bool, rules: Rules | None) -> Array:
    """All columns as float64, NaN for what is missing and may be, as it will be filled.

    Raises DataError with line and column of the first value that is no finite number, and for a column without any.
    """
    if all(kind.kind in "iuf" for kind in frame.dtypes):
        values = frame.to_numpy(np.float64)
    else:
        values = frame.apply(_to_numeric).to_numpy(np.float64)
    may_be_missing = rules is not None and rules.fill is not None

    def name(column: int) -> str:
        return f"column '{frame.columns[column]}'" if header else f"column {column + 1}"

    def place(row: int, column: int) -> str:
        return f"line {line_of(path, row + header)}, {name(column)}"

    hint = "" if header else "; a first line of names needs 'header: true'"
    holes = frame.isna().to_numpy()
    ours = rules is not None and not may_be_missing
    _check_finite(path, values, place, frame, hint, holes if may_be_missing else None, filling=ours)
    if may_be_missing and holes.all(axis=0).any():
        raise DataError(f"{path}: {name(int(np.argmax(holes.all(axis=0))))}: no number at all; leave the column out")
    if rules is not None and rules.fill not in (None, "mask") and holes[0].any():
        _refuse_empty_start(path, holes, name, lambda row: f"line {line_of(path, row + header)}", str(rules.fill))
    return values


def _refuse_empty_start(
    path: Path, holes: NDArray[np.bool_], name: Callable[[int], str], line: Callable[[int], str], how: str
) -> NoReturn:
    """Raises DataError: before a channel's first value nothing is known, and the value itself is of a later time."""
    starts = np.argmin(holes, axis=0)
    first = int(np.argmax(starts))
    raise DataError(
        f"{path}: {line(0)}, {name(first)}: found nothing before its first value, in {line(int(starts[first]))}, so "
        f"'fill: {how}' would fill it from the future; begin the file there, or say 'fill: mask'"
    )


def _to_numeric(column: pd.Series[Any]) -> pd.Series[Any]:
    words = column.astype(str) if column.dtype.kind == "b" else column  # True and False are no numbers
    numbers: pd.Series[Any] = pd.to_numeric(words, errors="coerce")
    return numbers


def _check_finite(
    path: Path, values: Array, place: Any, found: Any, hint: str = "", allowed: NDArray[np.bool_] | None = None,
    *, filling: bool = False,
) -> None:  # fmt: skip
    """`allowed` [rows, channels]: what may be missing. `filling`: the user may say how holes are filled."""
    wrong = ~(np.abs(values) <= _LARGEST)  # NaN too
    if allowed is not None:
        wrong &= ~allowed
    if not wrong.any():
        return
    row, column = (int(i) for i in np.argwhere(wrong)[0])
    value: Any = found.iloc[row, column] if isinstance(found, pd.DataFrame) else found[row, column]
    missing = bool(pd.isna(value))
    shown = "nothing" if missing else f"'{short(value)}'" if isinstance(value, str) else str(value)
    hint = hint if row == 0 and isinstance(value, str) else ""
    if filling and missing:
        hint = f"; {gaps.FILLING} in your YAML fills what is missing"
    expected = f"a number up to {_LARGEST:g}" if np.isfinite(values[row, column]) else "a number"
    raise DataError(f"{path}: {place(row, column)}: expected {expected}, found {shown}{hint}")


def _odd(values: Array) -> list[str]:
    """What a reader should know of values [rows, channels]: sentinels."""
    notes = []
    sentinels = int((values == SENTINEL).sum())
    if sentinels:
        channels = int((values == SENTINEL).any(axis=0).sum())
        they, them = either(sentinels, "it stands", "they stand"), either(sentinels, "it", "them")
        found = f"{counted(sentinels, 'value')} −9999 in {counted(channels, 'channel')}"
        notes.append(f"{found}, used as {they}, as the papers did "
                     f"(--protocol paper+mask_sentinels masks {them})")  # fmt: skip
    return notes


def _size(frame: pd.DataFrame) -> str:
    return f"{counted(frame.shape[0], 'row')} × {counted(frame.shape[1], 'column')}"
