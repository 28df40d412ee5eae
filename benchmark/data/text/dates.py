"""The dates of a CSV's first column → moments, to the microsecond."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.api import guess_datetime_format

from benchmark.data.text.opened import line_of, short
from benchmark.errors import DataError

Stamps = NDArray[np.datetime64]
"""Moments [rows], datetime64[us]."""

_QUARTER = re.compile(r"\s*\d{4}-?Q[1-4]\s*")
_CLOCK = re.compile(r"[T ](\d\d:\d\d)")
_SINCE_1970 = {
    10: ("seconds", "s"), 13: ("milliseconds", "ms"), 16: ("microseconds", "us"), 19: ("nanoseconds", "ns"),
}  # fmt: skip
"""In what a moment of our time is counted since 1970, by the digits of the number."""
_YEAR_2030 = 1.9e9
"""In seconds since 1970, roughly: what is more, of as many digits, is rather written as 2024013113."""
_OFFSET = re.compile(r"(Z|[+-]\d\d:?(\d\d)?)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Dates:
    """stamps [rows]; notes: how they were read, where it is not plain; doubt: what to try where they seem wrong."""

    stamps: Stamps
    notes: tuple[str, ...] = ()
    doubt: str = ""


def read(path: Path, column: pd.Series[Any], form: str | None = None, *, own: bool = True) -> Dates:
    """A column of dates: by `form` (as strptime has it), else in the form of the first one; with offsets, as UTC.

    Args: `own`: of the user's, so that a form that cannot be told has to be given; else each is read as it seems to be.

    Raises DataError with the line of the first that is no date, or of another form.
    """
    if column.dtype.kind in "iufbc" and form is None:
        raise _none(path, column)
    texts = column if form is None else column.astype("string")
    parsed = _parsed(path, texts, form)
    notes: tuple[str, ...] = ()
    doubt = "" if form or not own else _doubt(path, texts, parsed)
    doubt_of_days = ""
    wrong = parsed.isna().to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        found = column.iloc[row]
        shown = "nothing" if pd.isna(found) else f"'{short(found)}'"
        expected = f"by 'dates: {form}'" if form else f"in the form of the first one, '{short(column.iloc[0])}'"
        if row == 0 and form is None:
            expected = "such as 2024-01-31 13:00"
            doubt = doubt or ("write it so, a week by its first day" if own else "")
        place = f"{path}: line {line_of(path, row + 1)}, column '{short(column.name)}'"
        raise DataError(f"{place}: expected a date {expected}, found {shown}{'; ' if doubt else ''}{doubt}")
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_convert("UTC").dt.tz_localize(None)
        notes = ("times with an offset are read by UTC",)
        doubt_of_days = _days_of_a_clock(texts, parsed)
    if doubt:
        first = texts.iloc[0]
        notes = (*notes, f"the date '{short(first)}' is read as {parsed.iloc[0]}; {doubt}")
    exact = parsed.to_numpy()
    stamps: Stamps = exact.astype("datetime64[us]")
    if (finer := stamps != exact).any():
        row = int(np.argmax(finer))
        place = f"{path}: line {line_of(path, row + 1)}, column '{short(column.name)}'"
        raise DataError(f"{place}: expected a time of whole microseconds, found '{short(column.iloc[row])}'; round it")
    return Dates(stamps, notes, doubt or doubt_of_days)


def _days_of_a_clock(column: pd.Series[Any], utc: pd.Series[Any]) -> str:
    """What to do about days that all begin by the clock of a place, which is set: by UTC they are of 23 to 25 hours."""
    if utc.dt.time.nunique() == 1 or column.astype(str).str.extract(_CLOCK, expand=False).nunique() != 1:
        return ""
    return "times with an offset are read by UTC, where a clock that is set makes days of 23 h; write dates without offset"


def column(path: Path, form: str | None = None) -> Dates:
    """The dates of a CSV alone, its numbers not looked at. Raises DataError as `read` does."""
    try:
        frame = pd.read_csv(path, encoding="utf-8", encoding_errors="replace", usecols=[0], skipinitialspace=True)
    except (ValueError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: not a readable CSV ({short(error)}); replace it") from None
    return read(path, frame.iloc[:, 0], form)


def _parsed(path: Path, column: pd.Series[Any], form: str | None) -> pd.Series[Any]:
    options: dict[str, Any] = {"errors": "coerce", "format": form}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = pd.to_datetime(column, **options)
        except (ValueError, TypeError, OverflowError):  # several offsets
            bare = ~column.astype(str).str.contains(_OFFSET).to_numpy()
            if bare.any() and not bare.all():
                row = int(np.argmax(bare))
                place = f"{path}: line {line_of(path, row + 1)}, column '{short(column.name)}'"
                expected = "expected a time with its offset from UTC, as others have"
                raise DataError(f"{place}: {expected}, found '{short(column.iloc[row])}'") from None
            try:
                parsed = pd.to_datetime(column, utc=True, **options)
            except (ValueError, TypeError, OverflowError):
                raise _none(path, column) from None
    if parsed.dtype.kind != "M":
        raise _none(path, column)
    found: pd.Series[Any] = parsed
    return found


def _none(path: Path, column: pd.Series[Any]) -> DataError:
    advice = _of_numbers(column) if column.dtype.kind in "iuf" else ""
    return DataError(
        f"{path}: the first column, '{short(column.name)}', has to hold dates such as 2024-01-31 13:00{advice}"
    )


def _of_numbers(column: pd.Series[Any]) -> str:
    """What to do about a first column of numbers, by what such numbers mostly are."""
    if str(column.name).startswith("Unnamed: "):
        return "; it has no name, as row numbers that pandas writes: leave it out (index=False), so that dates come first"
    largest = float(column.abs().max())
    whole = str(int(largest)) if np.isfinite(largest) else ""
    if len(whole) in _SINCE_1970 and (len(whole) > 10 or largest < _YEAR_2030):
        unit, short_unit = _SINCE_1970[len(whole)]
        return (
            f"; if {whole} is in {unit} since 1970, write it as a date, in Python: "
            f"pandas.to_datetime(column, unit='{short_unit}')"
        )
    if column.dtype.kind != "f" and largest >= 1000:
        return "; for numbers such as 20240131 or 2024 give the form, dates: '%Y%m%d' or '%Y'"
    return "; put the column of dates first, and save a workbook's days as dates"


def _doubt(path: Path, column: pd.Series[Any], parsed: pd.Series[Any]) -> str:
    """What to try where day and month may have been taken for each other; nothing where the year comes first.

    Raises DataError for dates that are read, each in a form of its own.
    """
    first = str(column.iloc[0])
    taken = guess_datetime_format(first)
    if taken is None and not _QUARTER.fullmatch(first) and not parsed.isna().any():
        place = f"{path}: line {line_of(path, 1)}, column '{short(column.name)}'"
        raise DataError(
            f"{place}: cannot tell the form of '{short(first)}'; say it in your YAML, such as dates: '%d.%m.%y'"
        )
    if taken is None or not taken.startswith("%m"):
        return ""
    if not parsed.isna().any() and (parsed.dt.day > 12).any():
        return ""  # no month has such a number: the month does come first
    other = guess_datetime_format(first, dayfirst=True)
    if other is None or other == taken:
        return ""
    return f"the month was taken to come first; say which does in your YAML: dates: '{other}' or '{taken}'"
