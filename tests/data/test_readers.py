"""Readers: column order, encodings, line ends, fills, notes, masks, time marks; and what is said of what they refuse."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.data import readers, series, shape, windows
from benchmark.data.registry import DATASETS, DataSet
from benchmark.errors import DataError


def small(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "small.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_target_moves_last_and_the_others_keep_their_order(tmp_path: Path) -> None:
    path = small(tmp_path, "date,OT,b,a\n2020-01-01,1,2,3\n2020-01-02,4,5,6\n")
    assert readers.read_csv(path).values.tolist() == [[2, 3, 1], [5, 6, 4]]
    assert readers.read_csv(path, target="b").values.tolist() == [[1, 3, 2], [4, 6, 5]]
    path = small(tmp_path, "date,x,b,a\n2020-01-01,1,2,3\n")
    assert readers.read_csv(path).values.tolist() == [[1, 2, 3]]


def test_byte_order_mark_crlf_blank_lines_and_wrong_bytes_in_the_header(tmp_path: Path) -> None:
    lines = b"\xef\xbb\xbfdate,T (\xb0C),OT\r\n2020-01-01 00:00:00,1.5,2\r\n\r\n2020-01-01 01:00:00,-3e1,4\r\n\r\n"
    path = small(tmp_path, lines)
    table = readers.read_csv(path)
    assert table.values.tolist() == [[1.5, 2], [-30, 4]]
    assert table.times is not None and table.times.tolist() == [1577836800, 1577840400]


def test_weather_has_81_sentinels_that_a_switch_masks(data_dir: Path) -> None:
    dataset, path = DATASETS["Weather"], data_dir / "weather/weather.csv"
    table = readers.read(dataset, path)
    sentinels, stamps = table.notes
    assert "81 values −9999 in 3 channels" in sentinels and "1 twice, 1 gap," in stamps
    raw, masked = (series.load(dataset, path, 96, 96, mask_sentinels=m).values for m in (False, True))
    assert raw.min() < -40 < -25 < masked.min()


def test_masks_take_the_last_value_and_at_the_start_the_next() -> None:
    values = np.array([[-9999.0, 1], [2, -9999], [-9999, -9999], [3, 4]])
    assert series.masked(values).tolist() == [[2, 1], [2, 1], [2, 1], [3, 4]]
    assert series.masked(values[3:]) is not None


def test_pems_takes_feature_0_and_fills_holes_forwards_then_backwards(tmp_path: Path) -> None:
    flow = np.array([[np.nan, 1.0], [2, np.nan], [np.nan, np.nan], [3, 4]])
    path = tmp_path / "p.npz"
    np.savez(path, data=np.stack([flow, flow * 0, flow * 0], axis=2))
    table = readers.read_pems(path)
    assert table.values.tolist() == [[2, 1], [2, 1], [2, 1], [3, 4]]
    assert table.times is None and table.notes[0].startswith("4 missing values")


def test_partial_files(data_dir: Path) -> None:
    part = data_dir / "partial"
    assert readers.read_csv(part / "electricity_6ch.csv").values.shape == (26_304, 6)
    assert readers.read_csv(part / "traffic_6ch.csv").values.shape == (17_544, 6)
    assert readers.read_plain(part / "solar_12_plants.csv", header=True).values.shape == (52_560, 12)
    assert readers.read_pems(part / "PEMS08_last40.npz").values.shape == (7_156, 170)


def test_time_marks_as_pandas_has_them() -> None:
    """Hour, weekday, day of month, day of year, each in [−0.5, 0.5], by the formulas of the released code's features."""
    dates = pd.date_range("1999-12-30 23:50", periods=4000, freq="7h").to_series()
    dates.iloc[-1] = pd.Timestamp("2000-12-31 23:00")
    found = series.marks(dates.to_numpy().astype("datetime64[s]").astype(np.int64))
    clock = dates.dt
    expected = np.stack([clock.hour / 23, clock.day_of_week / 6, (clock.day - 1) / 30, (clock.day_of_year - 1) / 365], 1)
    assert np.allclose(found, expected - 0.5, atol=1e-6) and found.dtype == np.float32
    assert np.abs(found).max() == 0.5


def test_batches_have_marks_only_where_they_were_asked_for(tmp_path: Path) -> None:
    dates = pd.date_range("2024-01-01", periods=100, freq="h")
    rows = [f"{d},{i},{-i}" for i, d in enumerate(dates)]
    path = small(tmp_path, "\n".join(["date,a,OT", *rows]))
    dataset = DataSet("mine", str(path), "csv", 2, 100, "1 h", "ratio")
    plain = windows.make(series.load(dataset, path, 5, 2), 5, 2, torch.device("cpu"))
    assert plain.train.batch(slice(0, 3)).marks is None
    marked = windows.make(series.load(dataset, path, 5, 2, time_features=True), 5, 2, torch.device("cpu"))
    assert marked.train.marks is not None
    batch = marked.train.batch(torch.tensor([7, 3]))
    assert batch.marks is not None and batch.marks.shape == (2, 5, 4)
    assert torch.equal(batch.marks[1], marked.train.marks[:, 3:8].T)
    assert torch.equal(batch.x, plain.train.batch(torch.tensor([7, 3])).x)
    assert marked.test.evenly(3).batch(slice(0, 1)).marks is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a readable CSV"),
        ("date,a\n", "found 0 rows × 2 columns"),
        ("date\n2020-01-01\n", "found 1 row × 1 column"),
        ("date,a\n2020-01-01,1\n2020-01-02,x\n", "line 3, column 'a': expected a number, found 'x'"),
        ("date,a\n2020-01-01,1\n\n\n2020-01-02,\n", "line 5, column 'a': expected a number, found nothing"),
        ("date,a\n2020-01-01,True\n2020-01-02,False\n", "line 2, column 'a': expected a number, found True"),
        ("date,a\n2020-01-01,1\n2020-01-02,inf\n", "line 3, column 'a': expected a number, found inf"),
        ("date,a\n2020-01-01,1,5\n2020-01-02,2,5\n", "line 2: more values than the header"),
        ("date,a\n2020-01-01,1\n2020-01-02,2,5\n", "line 3: expected 2 values, found 3"),
        ("a,b\n1,2\n3,4\n", "the first column, 'a', has to hold dates"),
        ("date,a\n2020-01-01,1\nsoon,2\n", "line 3, column 'date': expected a date in the form of the first one"),
        ("date,a\n2020-01-01,1\n,2\n", "a date in the form of the first one, '2020-01-01', found nothing"),
        ("date,a\n2020-01-01T00:00+01:00,1\n2020-01-01T00:00,2\n2020-06-01T00:00+02:00,2\n",
         "line 3, column 'date': expected a time with its offset from UTC, as others have, found '2020-01-01T00:00'"),
        ('date,a\n"2020-01-01,1\n', "not a readable CSV"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_csv(text: str, said: str, tmp_path: Path) -> None:
    path = small(tmp_path, text)
    with pytest.raises(DataError) as error:
        readers.read_csv(path)
    assert said in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"flow": np.ones((4, 2, 1))}, "no array 'data', but flow"),
        ({}, "no array 'data', but nothing"),
        ({"data": np.ones((4, 2))}, "expected 'data' [time, sensors, features] of numbers, found (4, 2)"),
        ({"data": np.ones((0, 2, 1))}, "expected 'data'"),
        ({"data": np.full((4, 2, 1), "x")}, "expected 'data'"),
        ({"data": np.ones((4, 2, 1), dtype=complex)}, "expected 'data'"),
        ({"data": np.array([[[None]]], dtype=object)}, "not a readable npz"),
        ({"data": np.full((4, 2, 1), np.inf)}, "time 0, sensor 0: expected a number, found inf"),
        ({"data": np.full((4, 2, 1), np.nan)}, "time 0, sensor 0: expected a number, found nothing"),
    ],
)
def test_what_is_said_of_an_npz(arrays: dict[str, np.ndarray], said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as error:
        readers.read_pems(path)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path, "date,OT\n2020-01-01,1\n")
    with pytest.raises(DataError, match="1 row × 1 channel, expected 17,420 × 7; replace it"):
        readers.read(DATASETS["ETTh1"], path)


@pytest.mark.parametrize(("end", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_packed_files_are_read_and_damaged_ones_named(end: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / f"small.csv.{end}"
    raw = pack(("date,a,OT\n" + "".join(f"2020-01-{day:02},{day},2\n" for day in range(1, 29))).encode())
    dataset = DataSet("mine", str(path), "csv", None, None, "", "ratio", own=True)
    path.write_bytes(raw)
    assert readers.read(dataset, path).values.shape == shape.of(dataset, path) == (28, 2)
    path.write_bytes(raw[:-12])
    for look in (lambda: readers.read(dataset, path), lambda: shape.of(dataset, path)):
        with pytest.raises(DataError, match="not a readable CSV"):
            look()
    path.write_bytes(pack(b"date,a\n2020-01-01,1\n\n2020-01-02,x\n"))
    with pytest.raises(DataError, match="line 4, column 'a': expected a number, found 'x'"):
        readers.read(dataset, path)


def in_a_tar() -> bytes:
    """A CSV in a tar archive."""
    whole, inner = io.BytesIO(), b"date,a\n2020-01-01,1\n"
    with tarfile.open(fileobj=whole, mode="w") as archive:
        part = tarfile.TarInfo("a.csv")
        part.size = len(inner)
        archive.addfile(part, io.BytesIO(inner))
    return whole.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", in_a_tar(), "expected a CSV, found a tar archive; unpack it, and give the file that is in it"),
        ("a.csv", b"date,a\r2020-01-01,1\r2020-01-02,2\r", "found lines that end in carriage returns alone; save it with"),
        ("a.tar.gz", gzip.compress(in_a_tar()), "expected a CSV, found packed in it a tar archive; unpack it"),
        ("a.csv.gz", gzip.compress(gzip.compress(b"date,a\n")), "found one that is packed twice; unpack it once"),
        ("a.csv.xz", b"date,a\n2020-01-01,1\n", "found one that is not packed; take .xz from the end of its name"),
        ("a.csv.gz", bz2.compress(b"date,a\n"), "found packed by bzip2; let its name end in .bz2, or unpack it"),
        ("a.csv.gz", gzip.compress("date,a\n2020-01-01,1\n".encode("utf-16")), "found packed in it text in UTF-16"),
        ("a.parquet.gz", gzip.compress(b"PAR1" + bytes(90)),
         "packed in it a parquet file; write it as CSV, in Python: pandas.read_parquet('a.parquet')"),
    ],
)  # fmt: skip
def test_what_a_packed_file_holds_is_named(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for look in (readers.read_csv, lambda p: shape.of(DataSet("m", str(p), "csv", None, None, "", "ratio", own=True), p)):
        with pytest.raises(DataError) as error:
            look(path)
        assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        (
            "a.parquet",
            b"PAR1",
            "a parquet file; write it as CSV, in Python: pandas.read_parquet('a.parquet').to_csv('a.csv'",
        ),
        ("a.csv", b"\x1f\x8b", "packed by gzip; let its name end in .gz, or unpack it"),
        ("a.zip", b"PK\x03\x04", "a zip archive; unpack it"),
        ("a.xlsx", b"PK\x03\x04", "a workbook; save its sheet as CSV"),
        ("a.npz", b"PK\x03\x04", "an npz; where it holds 'data' [time, sensors, features], say 'reader: pems'"),
        ("a.csv.zst", b"\x28\xb5\x2f\xfd", "packed by zstd"),
    ],
)
def test_a_file_that_is_no_text_is_named_with_what_to_do(name: str, head: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(head + bytes(100))
    for look in (readers.read_csv, lambda p: shape.of(DataSet("m", str(p), "csv", None, None, "", "ratio", own=True), p)):
        with pytest.raises(DataError) as error:
            look(path)
        assert f"expected a CSV, found {said}" in str(error.value)
