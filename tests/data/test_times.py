"""The time axis of one's own data: steps of every kind, dates of every form, gaps filled; and advice that loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.data import readers, shape
from benchmark.data.registry import DataSet
from benchmark.data.text import steps
from benchmark.data.text.steps import Step
from benchmark.errors import DataError

Dates = list[str]


def dates(start: str, rows: int, freq: Any, form: str = "%Y-%m-%d %H:%M:%S") -> Dates:
    return pd.date_range(start, periods=rows, freq=freq).strftime(form).tolist()


def own(path: Path, stamps: Dates, values: Any = None, step: str = "", **options: Any) -> readers.Table:
    """A CSV with these dates, as a data set of one's own reads it; the plan's rows are the reader's."""
    values = [str(i) for i in range(len(stamps))] if values is None else values
    path.write_text("date,a\n" + "".join(f"{d},{v}\n" for d, v in zip(stamps, values, strict=True)))
    dataset = DataSet("mine", str(path), "csv", None, None, step, "ratio", options=options, own=True)
    table = readers.read(dataset, path)
    assert shape.of(dataset, path) == table.values.shape
    return table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.csv"


@pytest.mark.parametrize(
    ("stamps", "step"),
    [
        (dates("2024-01-01", 50, "100ms", "%Y-%m-%d %H:%M:%S.%f"), ""),
        (dates("2024-01-01", 50, "100ms", "%Y-%m-%d %H:%M:%S.%f"), "100 ms"),
        (dates("2024-01-01", 50, "25us", "%Y-%m-%dT%H:%M:%S.%f"), "25 us"),
        (dates("2024-01-01", 50, "D", "%Y-%m-%d"), ""),
        (dates("2024-01-01", 50, "7D", "%Y-%m-%d"), "1 week"),
        (dates("2020-01-01", 50, "MS", "%Y-%m-%d"), "1 month"),
        (dates("2020-01-01", 50, "ME", "%Y-%m-%d"), "1 month"),
        (dates("2020-01-01", 50, "BME", "%Y-%m-%d"), "1 month"),
        (dates("2020-01-01", 50, "MS", "%Y-%m"), "1 month"),
        (dates("1990-01-01", 50, "QE", "%Y-%m-%d"), "1 quarter"),
        (dates("1990-01-01", 50, "6MS", "%Y-%m-%d"), "6 months"),
        (dates("1990-01-01", 50, "YE", "%Y-%m-%d"), "1 year"),
        (dates("2024-01-01", 50, "B", "%Y-%m-%d"), "1 business day"),
        (dates("2024-01-01", 50, "h", "%Y-%m-%dT%H:%M:%SZ"), "1 h"),
    ],
)
def test_steps_of_every_kind_are_read(stamps: Dates, step: str, path: Path) -> None:
    assert own(path, stamps, step=step).values[:, 0].tolist() == list(range(50))


def test_an_hourly_series_across_the_change_of_the_clock_is_read_by_utc(path: Path) -> None:
    local = pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin")
    table = own(path, [str(d) for d in local], step="1 h")
    assert table.times is not None and (np.diff(table.times) == 3600).all() and table.times[0] == 1711753200
    assert table.notes == ("times with an offset are read by UTC",)


def test_days_by_a_clock_that_is_set_are_named_as_such(path: Path) -> None:
    local = pd.date_range("2024-03-25", periods=20, freq="D", tz="Europe/Berlin")
    with pytest.raises(
        DataError, match=r"comes 23 h after .*; times with an offset are read by UTC, where .* without offset"
    ):
        own(path, [str(d) for d in local], step="1 day")


def test_a_form_of_dates_is_the_users(path: Path) -> None:
    stamps = dates("2024-01-01", 20, "D", "%d/%m/%Y")
    table = own(path, stamps, dates="%d/%m/%Y", step="1 day")
    assert table.times is not None and (np.diff(table.times) == 86_400).all() and table.notes == ()
    assert own(path, dates("2024-01-01", 20, "D", "%Y%m%d"), dates="%Y%m%d").values.shape == (20, 1)
    for wrong in (20, 12, 9):
        with pytest.raises(DataError) as error:
            own(path, stamps[:wrong])
        assert "; the month was taken to come first; say which does in your YAML: dates: '%d/%m/%Y' or '%m/%d/%Y'" in str(
            error.value
        )
        assert "fill" not in str(error.value) and "sort" not in str(error.value), "no advice that would lose data"
    told = own(path, dates("2024-01-01", 20, "h", "%m/%d/%Y %H:%M")).notes
    assert "the date '01/01/2024 00:00' is read as 2024-01-01 00:00:00; the month was taken to come first" in told[0]
    with pytest.raises(
        DataError, match=r"line 2, column 'date': cannot tell the form of '01\.01\.24'; say it in your YAML"
    ):
        own(path, dates("2024-01-01", 20, "D", "%d.%m.%y"))
    with pytest.raises(DataError, match=r"for numbers such as 20240131 or 2024 give the form"):
        own(path, dates("2024-01-01", 20, "D", "%Y%m%d"))
    with pytest.raises(DataError, match="fills the 1 row that is missing"):  # a day above 12: the month does come first
        own(path, [d for d in dates("2024-01-01", 20, "D", "%m/%d/%Y") if d != "01/05/2024"])
    assert own(path, dates("1950-01-01", 20, "YS", "%Y"), dates="%Y", step="1 year").values.shape == (20, 1)
    quarters = [f"{year}Q{quarter}" for year in range(2000, 2005) for quarter in (1, 2, 3, 4)]
    assert own(path, quarters, step="1 quarter").values.shape == (20, 1)


@pytest.mark.parametrize(
    ("stamps", "values", "said"),
    [
        (dates("2020-01-01", 9, "MS"), None, "'step: 1 month' fits every row"),
        (dates("2020-01-01", 9, "QS"), None, "'step: 1 quarter' fits every row"),
        (dates("2024-01-01", 9, "B"), None, "'step: 1 business day' fits every row"),
        ([d for d in dates("2024-01-01", 40, "B") if "01-17" not in d], None,
         "'step: 1 business day' with 'fill: previous'"),
        (dates("2024-01-01", 3, "h") + dates("2024-01-01 05:00", 4, "h"), None,
         "fills the 2 rows that are missing in 1 gap, 'step: none' takes the rows as they stand"),
        (dates("2024-01-01", 3, "h") + dates("2024-01-01 05:10", 4, "h"), None,
         "no constant step fits all rows; 'step: none'"),
        (["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"], [1, 2, 2, 3], "the same values: remove one of the two"),
        (["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"], [1, 2, 9, 3],
         "with other values; leave one row for each"),
        (dates("2024-01-01", 9, "D")[::-1], None, "the newest row comes first: turn the rows round"),
        (["2024-01-01", "2024-01-03", "2024-01-02", "2024-01-04"], None, "2024-01-03 00:00:00; sort the rows by time"),
        (["2024-01-01", "2024-01-03", "2024-01-02", "2024-01-03"], None, "and 1 time stands twice"),
        (["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"], None,
         "where a clock was set back, write the times in UTC"),
        (dates("2024-03-31", 2, "h") + dates("2024-03-31 03:00", 4, "h"), None, "where a clock was set forward"),
        (["2024-01-01 00:00:00.0000001", "2024-01-01 00:00:00.0000002"], None, "expected a time of whole microseconds"),
    ],
)  # fmt: skip
def test_the_advice_is_true(stamps: Dates, values: Any, said: str, path: Path) -> None:
    with pytest.raises(DataError) as error:
        own(path, stamps, values)
    assert said in str(error.value) and "\n" not in str(error.value)
    if "month" in said or "stands twice" in said or "newest" in said:
        assert "fill" not in str(error.value)


def test_a_gap_is_not_said_where_rows_share_a_step(path: Path) -> None:
    """Two rows in each month, or on each day: nothing is missing that could be filled."""
    twice_a_month = sorted(dates("2020-01-01", 9, "MS") + dates("2020-01-15", 9, pd.DateOffset(months=1)))
    twice_a_day = sorted(dates("2024-01-01 09:00", 9, "B") + dates("2024-01-01 17:00", 9, "B"))
    for stamps, step in ((twice_a_month, "1 month"), (twice_a_day, "1 day"), (twice_a_day, "1 business day")):
        with pytest.raises(DataError) as error:
            own(path, stamps, step=step)
        assert "no constant step fits all rows; 'step: none'" in str(error.value) and "missing" not in str(error.value)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (1_704_067_200, "if 1704070680 is in seconds since 1970, write it as a date, in Python: "
         "pandas.to_datetime(column, unit='s')"),
        (1_704_067_200.5, "if 1704070680 is in seconds since 1970"),
        (1_704_067_200_000, "if 1704067203480 is in milliseconds since 1970"),
        (2_024_013_100, "for numbers such as 20240131 or 2024 give the form"),
        (45_292.25, "put the column of dates first, and save a workbook's days as dates"),
        (0, "put the column of dates first"),
    ],
)  # fmt: skip
def test_what_a_first_column_of_numbers_may_be(first: float, said: str, path: Path) -> None:
    with pytest.raises(DataError) as error:
        own(path, [str(first + 60 * i) for i in range(59)] if first > 1e6 else [str(first + i) for i in range(59)])
    assert f"has to hold dates such as 2024-01-31 13:00; {said}" in str(error.value)


def test_row_numbers_that_pandas_writes_are_named(path: Path) -> None:
    path.write_text(pd.DataFrame({"date": dates("2024-01-01", 5, "D"), "a": range(5)}).to_csv())
    with pytest.raises(
        DataError, match=r"'Unnamed: 0', .* as row numbers that pandas writes: leave it out \(index=False\)"
    ):
        readers.read_csv(path)


def test_irregular_steps_are_taken_where_the_user_accepts_them_and_told(path: Path) -> None:
    stamps = ["2024-01-01 00:00", "2024-01-01 00:01", "2024-01-01 07:30", "2024-01-01 07:30", "2024-01-01 07:31"]
    table = own(path, stamps, step="none")
    assert table.values[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert table.notes == ("time stamps: 1 twice, 1 gap, 0 steps back; rows used in their order",)
    with pytest.raises(DataError, match=r"line 4, column 1: time does not go forward.*sort the rows by time"):
        own(path, ["2024-01-01", "2024-01-04", "2024-01-03", "2024-01-05"], step="none")


def test_gaps_are_filled_as_the_user_says(path: Path) -> None:
    stamps = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06"]
    previous = own(path, stamps, [1, "", "NaN", 5], fill="previous")
    assert previous.values[:, 0].tolist() == [1, 1, 1, 1, 1, 5]
    assert previous.times is not None and (np.diff(previous.times) == 86_400).all()
    assert previous.notes == ("2 rows in 1 gap and 2 values in 1 channel are missing, filled ('fill: previous')",)
    assert own(path, stamps, [1, "", "", 6], fill="linear").values[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert own(path, stamps, [1, 2, 3, ""], fill="linear").values[:, 0].tolist() == [1, 2, 3, 3, 3, 3]
    monthly = own(path, ["2024-01-31", "2024-02-29", "2024-04-30"], [1, 2, 4], step="1 month", fill="linear")
    assert monthly.values[:, 0].tolist() == [1, 2, 3, 4] and monthly.times is not None
    assert monthly.times.astype("datetime64[s]").astype("datetime64[D]").astype(str).tolist()[2] == "2024-03-31"
    work = own(path, ["2024-01-04", "2024-01-05", "2024-01-09"], [1, 2, 4], step="1 business day", fill="linear")
    assert work.values[:, 0].tolist() == [1, 2, 3, 4]
    assert own(path, stamps, [1, 1, "", 5], step="none", fill="linear").values[:, 0].tolist() == [1, 1, 3, 5]
    whole = own(path, stamps[:3], [1, 2, 3], fill="previous")
    assert whole.notes == () and whole.values[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("stamps", "values", "options", "said"),
    [
        (dates("2024-01-01", 3, "D"), [1, "", 3], {}, "column 'a': expected a number, found nothing; 'fill: previous' or"),
        (dates("2024-01-01", 3, "D"), [1, "x", 3], {"fill": "linear"}, "line 3, column 'a': expected a number, found 'x'"),
        (dates("2024-01-01", 3, "D"), ["", "", 3], {"fill": "previous"},
         "line 2, column 'a': found nothing before its first value, in line 4, so 'fill: previous' would fill it from the "
         "future; begin the file there, or say 'fill: mask'"),
        (dates("2024-01-01", 3, "D"), ["", 2, 3], {"fill": "linear"}, "in line 3, so 'fill: linear' would"),
        (dates("2024-01-01", 20, "B"), None, {"fill": "linear"}, "'step: 1 business day' fits every row"),
        ([d for d in dates("2024-01-01", 40, "B") if "01-17" not in d], None, {"fill": "previous"},
         "'step: 1 business day' fills the 1 day that is missing"),
        (dates("2024-01-01", 3, "D"), ["", "", ""], {"fill": "linear"}, "'a': no number at all; leave the column out"),
        (["2024-01-01", "2024-01-02", "2034-01-03"], None, {"fill": "linear"}, "3 rows would be 3,656, one every 1 day"),
        (["2024-01-01 00", "2024-01-02 00", "2024-01-02 08"], None, {"fill": "linear", "step": "1 day"}, "comes 8 h after"),
    ],
)  # fmt: skip
def test_what_cannot_be_filled(stamps: Dates, values: Any, options: Any, said: str, path: Path) -> None:
    with pytest.raises(DataError) as error:
        own(path, stamps, values, **options)
    assert said in str(error.value)


def test_a_step_that_is_said_is_filled_though_another_fits(path: Path) -> None:
    assert len(own(path, dates("2024-01-01", 10, "B"), step="1 day", fill="linear").values) == 12


def test_a_first_date_that_is_none_is_not_compared_with_itself(path: Path) -> None:
    with pytest.raises(DataError) as error:
        own(path, [f"2024-W{week:02}" for week in range(1, 20)])
    assert "expected a date such as 2024-01-31 13:00, found '2024-W01'; write it so" in str(error.value)


def test_numbers_without_dates_are_filled_too(path: Path) -> None:
    path.write_text("1,2\n,4\n5,6\n")
    dataset = DataSet("mine", str(path), "solar", None, None, "", "ratio", options={"fill": "linear"}, own=True)
    assert readers.read(dataset, path).values.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_steps_in_words() -> None:
    assert steps.parse("15 min") == Step(15, "min") and str(steps.parse(" 2 business days ")) == "2 business day"
    assert [steps.parse(text) for text in ("fast", "0 h", "h", "1.5 h", "-1 day", "")] == [None] * 6
    assert [str(steps.of(n)) for n in (100_000, 25, 5_400_000_000, 86_400_000_000 * 14)] == [
        "100 ms",
        "25 us",
        "90 min",
        "14 day",
    ]
    assert Step(1, "quarter").months == 3 and Step(1, "month").microseconds is None and Step(1, "week").months is None
    seasons = {
        "15 min": 96,
        "1 day": 7,
        "24 h": 7,
        "1 business day": 5,
        "1 month": 12,
        "1 quarter": 4,
        "7 min": 1,
        "2 days": 1,
        "": 1,
    }
    assert {step: steps.season_of(step) for step in seasons} == seasons
