"""Files → tables of numbers, as the papers' loaders read them. numpy and pandas only.

What a file holds beside plain numbers (sentinels, duplicate time stamps, holes that are filled) is used as the papers
used it and told in a note.
"""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.registry import DataSet, in_words, seconds_of
from benchmark.errors import DataError

Array = NDArray[np.float64]
Times = NDArray[np.int64]

VERSION = 2
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
    if dataset.reader == "pems":
        table = read_pems(path)
    elif dataset.reader == "solar":
        table = read_plain(path, header=bool(dataset.options.get("header")))
    else:
        table = read_csv(path, target=dataset.options.get("target"))
        if dataset.own and table.times is not None:
            _check_times(path, table.times, seconds_of(dataset.step))
    if (dataset.rows, dataset.channels) not in ((None, None), table.values.shape):
        raise DataError(
            f"{dataset.name}: {path} has {table.values.shape[0]:,} rows × {table.values.shape[1]} channels, expected "
            f"{dataset.rows:,} × {dataset.channels}; {'no value may hold a line break' if dataset.own else 'replace it'}"
        )
    return Table(table.values, table.times, (*table.notes, *_odd(table)))


def read_csv(path: Path, target: str | None = None) -> Table:
    """A CSV whose first column is the date. The target moves last, the others keep their order (docs/protocols.md).

    The target is the column named, else `OT`, else the last one. Bytes that are no UTF-8 (Weather's degree signs)
    can stand in the header only, since a value has to be a number.
    """
    frame = _frame(path, header=True)
    names = list(frame.columns[1:])
    if len(names) < 1 or not len(frame):
        raise DataError(f"{path}: expected a date column, value columns and rows, found {_size(frame)}; replace it")
    if not pd.isna(pd.to_datetime(str(frame.columns[0]), errors="coerce")):
        raise DataError(f"{path}: line 1: expected a header (names of the columns), found the date '{frame.columns[0]}'")
    last = target or "OT"
    if last in names:
        names = [n for n in names if n != last] + [last]
    elif target is not None:
        raise DataError(f"{path}: no column '{target}' to be the target; columns: {', '.join(map(str, names))[:120]}")
    values = _numbers(path, frame[names], header=True)
    return Table(values, _times(path, frame.iloc[:, 0]))


def read_plain(path: Path, *, header: bool = False) -> Table:
    """Numbers separated by commas, no dates; Solar's file has no header either."""
    frame = _frame(path, header)
    if not len(frame):
        raise DataError(f"{path}: expected rows of numbers, found none; replace it")
    return Table(_numbers(path, frame, header), None)


def read_pems(path: Path) -> Table:
    """An npz with `data` [time, sensors, features]: feature 0, NaN filled with the sensor's last value, else its next."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if "data" not in file.files:
                raise DataError(f"{path}: no array 'data', but {_short(', '.join(file.files)) or 'nothing'}; replace it")
            data: NDArray[Any] = file["data"]
    except (OSError, ValueError, EOFError, AttributeError, TypeError, SyntaxError, MemoryError, OverflowError,
            NotImplementedError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise DataError(f"{path}: not a readable npz ({_short(error)}); replace it") from None
    if data.ndim != 3 or 0 in data.shape or data.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: expected 'data' [time, sensors, features] of numbers, found {data.shape} of {data.dtype}; replace it"
        )
    values: Array = data[:, :, 0].astype(np.float64)
    holes = int(np.isnan(values).sum())
    if holes:
        values = pd.DataFrame(values).ffill().bfill().to_numpy(np.float64)
    _check_finite(path, values, lambda row, column: f"time {row}, sensor {column}", values)
    notes = (f"{holes:,} missing values filled with the sensor's last value, or its next one",) if holes else ()
    return Table(values, None, notes)


def _frame(path: Path, header: bool) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame = pd.read_csv(path, encoding="utf-8", encoding_errors="replace", engine="c", header=0 if header else None,
                                skipinitialspace=True)  # fmt: skip
    except (OSError, ValueError, OverflowError, MemoryError) as error:
        uneven = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if uneven is not None:
            expected, line, found = uneven.groups()
            as_many = "every line has to have as many"
            raise DataError(f"{path}: line {line}: expected {expected} values, found {found}; {as_many}") from None
        raise DataError(f"{path}: not a readable CSV ({_short(error)}); replace it") from None
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"{path}: line 2: more values than the header (line 1) has columns; every line has to have as many")
    return frame


def _numbers(path: Path, frame: pd.DataFrame, header: bool) -> Array:
    """All columns as float64. Raises DataError with line and column of the first value that is no finite number."""
    if all(kind.kind in "iuf" for kind in frame.dtypes):
        values = frame.to_numpy(np.float64)
    else:
        values = frame.apply(_to_numeric).to_numpy(np.float64)

    def place(row: int, column: int) -> str:
        name = f"'{frame.columns[column]}'" if header else str(column + 1)
        return f"line {_line(path, row + header)}, column {name}"

    hint = "" if header else "; a first line of names needs 'header: true'"
    _check_finite(path, values, place, frame, hint)
    return values


def _to_numeric(column: pd.Series[Any]) -> pd.Series[Any]:
    words = column.astype(str) if column.dtype.kind == "b" else column  # True and False are no numbers
    numbers: pd.Series[Any] = pd.to_numeric(words, errors="coerce")
    return numbers


def _check_finite(path: Path, values: Array, place: Any, found: Any, hint: str = "") -> None:
    wrong = ~(np.abs(values) <= _LARGEST)  # NaN too
    if not wrong.any():
        return
    row, column = (int(i) for i in np.argwhere(wrong)[0])
    value: Any = found.iloc[row, column] if isinstance(found, pd.DataFrame) else found[row, column]
    shown = "nothing" if pd.isna(value) else f"'{_short(value)}'" if isinstance(value, str) else str(value)
    hint = hint if row == 0 and isinstance(value, str) else ""
    expected = f"a number up to {_LARGEST:g}" if np.isfinite(values[row, column]) else "a number"
    raise DataError(f"{path}: {place(row, column)}: expected {expected}, found {shown}{hint}")


def _line(path: Path, index: int) -> int:
    """The line number of the index-th (from 0) line that is not blank: blank ones are skipped in reading."""
    with path.open("rb") as file:
        seen = -1
        for number, line in enumerate(file, start=1):
            seen += bool(line.strip())
            if seen == index:
                return number
    return index + 1


def _times(path: Path, dates: pd.Series[Any]) -> Times:
    """The dates as seconds since 1970, by the clock of the file. Raises DataError for the first that is none."""
    parsed = None
    if dates.dtype.kind not in "iufbc":
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parsed = pd.to_datetime(dates, errors="coerce")
        except (ValueError, TypeError, OverflowError):  # mixed time zones
            parsed = None
    if parsed is None or parsed.dtype.kind != "M":
        raise DataError(f"{path}: the first column, '{_short(dates.name)}', has to hold dates such as 2024-01-31 13:00")
    wrong = parsed.isna().to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        found = dates.iloc[row]
        shown = "nothing" if pd.isna(found) else f"'{_short(found)}'"
        raise DataError(
            f"{path}: line {_line(path, row + 1)}, column '{_short(dates.name)}': expected a date in the form of the first "
            f"one, '{_short(dates.iloc[0])}', found {shown}"
        )
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_localize(None)
    seconds: Times = parsed.to_numpy().astype("datetime64[s]").astype(np.int64)
    return seconds


def _check_times(path: Path, times: Times, step: int | None) -> None:
    """Raises DataError, with its line, for the first time that does not follow the one before by one step."""
    steps = np.diff(times)
    if not len(steps):
        return
    expected = step or int(steps[0])
    wrong = (steps != expected) | (steps <= 0)
    if not wrong.any():
        return
    row = int(np.argmax(wrong)) + 1
    before, now = (str(np.datetime64(int(t), "s")).replace("T", " ") for t in times[row - 1 : row + 1])
    place = f"{path}: line {_line(path, row + 1)}, column 1"
    if steps[row - 1] <= 0:
        raise DataError(f"{place}: time does not go forward: {now} after {before}; sort the rows, remove what stands twice")
    whose = "as 'step' says" if step else "as between the first two rows"
    raise DataError(
        f"{place}: {now} comes {in_words(int(steps[row - 1]))} after {before}, expected {in_words(expected)} {whose}; "
        "fill the gaps, every row is one step"
    )


def _odd(table: Table) -> list[str]:
    """What a reader should know of a table: sentinels, time stamps that stand twice, gaps."""
    notes = []
    sentinels = int((table.values == SENTINEL).sum())
    if sentinels:
        channels = int((table.values == SENTINEL).any(axis=0).sum())
        notes.append(f"{sentinels:,} values −9999 in {channels} channels, used as they stand, as the papers did "
                     "(--protocol paper+mask_sentinels masks them)")  # fmt: skip
    constant = int((table.values == table.values[:1]).all(axis=0).sum())
    if constant:
        notes.append(f"{constant} of {table.values.shape[1]} channels never change; they lower the mean error")
    if table.times is not None and len(table.times) > 1:
        steps = np.diff(table.times)
        usual = np.median(steps)
        twice, gaps, back = int((steps == 0).sum()), int((steps > usual).sum()), int((steps < 0).sum())
        if twice or gaps or back:
            notes.append(f"time stamps: {twice:,} twice, {gaps:,} gaps, {back:,} steps back; rows used in their order")
    return notes


def _size(frame: pd.DataFrame) -> str:
    return f"{frame.shape[0]:,} rows × {frame.shape[1]} columns"


def _short(what: object) -> str:
    text = " ".join(str(what).split())
    return text if len(text) <= 100 else text[:97] + "…"
