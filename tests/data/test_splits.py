"""Splits of one's own data: by ratio, by months, by dates; and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from samples import series

from benchmark.config.catalogue import catalogue
from benchmark.data.registry import DATASETS, DataSet
from benchmark.data.series import load
from benchmark.data.splits import segments
from benchmark.errors import UsageError


def own(folder: Path, entry: str, content: str | None = None) -> DataSet:
    """A data set of one's own; `entry`: what its YAML says beside the file."""
    (folder / "mine.csv").write_text(series(1000) if content is None else content)
    (folder / "my.yaml").write_text(f"datasets: {{mine: {{file: mine.csv, papers: [samformer], {entry}}}}}\n")
    return catalogue([folder / "my.yaml"]).datasets["mine"]


def edges(dataset: DataSet, lookback: int = 0) -> tuple[int, ...]:
    """Where train ends, and where validation and test begin and end."""
    assert dataset.rows is not None
    parts = segments(dataset, dataset.rows, lookback)
    assert parts.train.start == 0
    return (parts.train.end, parts.validation.start, parts.validation.end, parts.test.start, parts.test.end)


def every(freq: str, rows: int, start: str = "2020-01-01") -> str:
    return "date,a\n" + "".join(f"{d},{i % 7}\n" for i, d in enumerate(pd.date_range(start, periods=rows, freq=freq)))


@pytest.mark.parametrize("shares", ["[60, 10, 30]", "[0.6, 0.1, 0.3]"])
def test_by_ratio(shares: str, tmp_path: Path) -> None:
    dataset = own(tmp_path, f"split: {{ratio: {shares}}}")
    assert edges(dataset) == (600, 600, 700, 700, 1000)
    assert edges(dataset, lookback=48) == (600, 552, 700, 652, 1000)
    loaded = load(dataset, tmp_path / "mine.csv", 48, 24)
    assert [len(part) for part in (loaded.train, loaded.validation, loaded.test)] == [600 - 71, 100 - 23, 300 - 23]


def test_the_papers_own_numbers_written_out_are_the_papers_split(tmp_path: Path) -> None:
    plain = own(tmp_path, "step: 1 h")
    assert own(tmp_path, "step: 1 h, split: {ratio: [70, 10, 20]}").identity() == plain.identity()
    text = every("h", 20 * 720)
    ett = own(tmp_path, "step: 1 h, split: months", text)
    assert own(tmp_path, "step: 1 h, split: {months: [12, 4, 4]}", text).identity() == ett.identity()
    assert edges(ett, 96) == edges(DATASETS["ETTh1"], 96)
    other = own(tmp_path, "step: 1 h, split: {months: [10, 4, 4]}", text)
    assert other.identity() != ett.identity() and edges(other) == (7200, 7200, 10_080, 10_080, 12_960)


@pytest.mark.parametrize(
    ("freq", "step", "rows", "found"),
    [
        ("D", "1 day", 150, (60, 60, 90, 90, 150)),
        ("6h", "6 h", 600, (240, 240, 360, 360, 600)),
        ("MS", "1 month", 40, (2, 2, 3, 3, 5)),
        ("15min", "15 min", 5 * 2880, (5760, 5760, 8640, 8640, 14_400)),
    ],
)
def test_by_months_of_any_step(freq: str, step: str, rows: int, found: tuple[int, ...], tmp_path: Path) -> None:
    assert edges(own(tmp_path, f"step: {step}, split: {{months: [2, 1, 2]}}", every(freq, rows))) == found


def test_by_dates(tmp_path: Path) -> None:
    text = every("D", 100)
    dataset = own(tmp_path, "split: {dates: {validation: 2020-03-01, test: 2020-03-20}}", text)
    assert edges(dataset, 10) == (60, 50, 79, 69, 100)
    moments = "split: {dates: {validation: 2020-03-01 12:00, test: '2020-03-20T00:00+02:00', end: 2020-03-30}}"
    assert edges(own(tmp_path, moments, text)) == (61, 61, 79, 79, 89)
    assert len(load(dataset, tmp_path / "mine.csv", 10, 5).test) == 21 - 5 + 1


def test_by_dates_where_gaps_are_filled_counts_the_filled_rows(tmp_path: Path) -> None:
    text = "".join(line for line in every("D", 100).splitlines(True) if not line.startswith(("2020-01-1", "2020-03-01")))
    filled = "fill: linear, split: {dates: {validation: 2020-03-01, test: 2020-03-20}}"
    dataset = own(tmp_path, filled, text)
    assert dataset.rows == 100 and edges(dataset) == (60, 60, 79, 79, 100)
    assert load(dataset, tmp_path / "mine.csv", 10, 5).values.shape == (100, 1)


def test_another_split_is_another_cell_and_no_other_parsed_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    from benchmark.data import cache
    from benchmark.data.files import Checksums

    one = own(tmp_path, "split: {ratio: [50, 25, 25]}")
    two = own(tmp_path, "split: {ratio: [40, 30, 30]}")
    assert one.identity() != two.identity()
    for dataset in (one, two):
        path = Path(str(dataset.file))
        cache.table(dataset, path, Checksums().of(path), tmp_path / "copies")
    assert len(list((tmp_path / "copies/parsed").iterdir())) == 1


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("split: {ratio: [60, 20]}", "expected three numbers, of train, validation and test, in shares or percent"),
        ("split: {ratio: [60, 20, 30]}", "percent that make 100, found 110"),
        ("split: {ratio: [1, 0, 0]}", "each above 0"),
        ("split: {ratio: [a, b, c]}", "in shares or percent, found 'a'"),
        ("split: {months: [1.5, 1, 1]}, step: 1 h", "in whole months, found 1.5"),
        ("split: {months: [12, 4, 4]}", "split months needs 'step'"),
        ("split: {months: [12, 4, 4]}, step: 7 min", "whole steps in a month of 30 days"),
        ("split: {months: [12, 4, 4]}, step: 1 h", "needs 14,400 rows (20 months of 30 days), the file has 1,000"),
        ("split: {month: [12, 4, 4]}", "unknown key 'month'; did you mean 'months'?"),
        ("split: {ratio: [60, 20, 20], months: [1, 1, 1]}", "expected one of '{ratio:"),
        ("split: dates", "expected the dates too"),
        ("split: {dates: {test: 2024-02-01}}", "'validation' is missing"),
        ("split: {dates: {validation: 2024-02-01, test: soon}}", "expected a date such as 2024-01-31 13:00, found 'soon'"),
        ("split: {dates: {validation: 2024-02-01, test: 3}}", "expected a date such as 2024-01-31 13:00, found 3"),
        ("split: {dates: {validation: 2024-02-03, test: 2024-02-01}}", "expected a date after that of 'validation'"),
        (
            "split: {dates: {validation: 2023-02-03, test: 2024-02-01}}",
            "validation begins at 2023-02-03 00:00:00, but the file",
        ),
        (
            "split: {dates: {validation: 2024-02-03, test: 2025-02-01}}",
            "file has 2024-01-01 00:00:00 to 2024-02-11 15:00:00",
        ),
        ("reader: solar, split: {dates: {validation: 2024-02-03, test: 2024-02-05}}", "only a csv has dates"),
        ("split: pems, step: 0 h", "expected a number and us"),
        ("dates: '%H:%M'", "with the year and, for less, the month, found '%H:%M'"),
        (
            "dates: '%d/%m/%Y %H:%M %p'",
            "expected '%I' and '%p' together, an hour up to 12 and its half of the day, or '%H'",
        ),
        ("dates: '%d/%m/%Y %I:%M'", "expected '%I' and '%p' together"),
        ("dates: '%Q'", "expected a form such as '%d/%m/%Y %H:%M', found '%Q'"),
        ("reader: pems, fill: linear", "reader pems fills what is missing by itself"),
        ("fill: zero", "unknown fill 'zero'"),
    ],
)
def test_what_cannot_be(entry: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        own(tmp_path, entry)
    assert said in str(error.value) and "my.yaml:1: datasets.mine" in str(error.value)


def test_a_plan_of_a_split_by_dates_without_its_file_knows_no_rows(tmp_path: Path) -> None:
    dataset = own(tmp_path, "split: {dates: {validation: 2024-02-01, test: 2024-02-05}}")
    there: Any = dataset.identity()
    (tmp_path / "mine.csv").unlink()
    gone = catalogue([tmp_path / "my.yaml"]).datasets["mine"]
    assert gone.rows is None and gone.bounds is None and gone.identity() == there
