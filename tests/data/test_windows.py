"""Every row of windows.csv: what the released loaders give, in numbers of windows and in values."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data import readers, series, windows
from benchmark.data.registry import DATASETS, GROUPS, DataSet
from benchmark.data.splits import Ranges, segments

GOLDEN = list(csv.DictReader((Path(__file__).parent.parent / "golden/windows.csv").open()))
SERIES = {d.name for d in DATASETS.values() if d.file and d.split != "given"}
REAL = ("ETTh1", "ETTh2", "ETTm1", "ETTm2", "Weather", "Exchange")


def test_all_counts_of_windows() -> None:
    assert len(GOLDEN) == 208 and {r["dataset"] for r in GOLDEN} == SERIES
    for row in GOLDEN:
        dataset = DATASETS[row["dataset"]]
        assert dataset.rows is not None
        lookback, horizon = int(row["lookback"]), int(row["horizon"])
        found = segments(dataset, dataset.rows, lookback).counts(lookback, horizon)
        assert found == tuple(int(row[f"{s}_windows"]) for s in ("train", "val", "test")), row


@pytest.mark.parametrize("name", REAL)
def test_the_real_files_to_the_last_digit(name: str, data_dir: Path) -> None:
    """Sum of the standardised test segment with its look-back, first test input and last test target: as printed."""
    dataset = DATASETS[name]
    path = data_dir / str(dataset.file)
    table = readers.read(dataset, path)
    for row in (r for r in GOLDEN if r["dataset"] == name):
        lookback, horizon = int(row["lookback"]), int(row["horizon"])
        parts = segments(dataset, len(table.values), lookback)
        part = series.standardise(table.values, *series.moments(table.values, parts))[parts.test.start : parts.test.end]
        assert f"{part.sum():.6f}" == row["test_sum"]
        assert " ".join(f"{v:.6f}" for v in part[0, :3]) == row["test_first_x"]
        assert " ".join(f"{v:.6f}" for v in part[-1, :3]) == row["test_last_y"]
    loaded = series.load(dataset, path, lookback, horizon)
    test = windows.make(loaded, lookback, horizon, torch.device("cpu")).test
    assert len(test) == int(row["test_windows"])
    first, last = test.batch(slice(0, 1)), test.batch(slice(len(test) - 1, None))
    assert first.x[0, 0, :3].tolist() == pytest.approx([float(v) for v in row["test_first_x"].split()], abs=1e-6)
    assert last.y[0, -1, :3].tolist() == pytest.approx([float(v) for v in row["test_last_y"].split()], abs=1e-6)


@pytest.mark.parametrize("name", sorted({row["dataset"] for row in GOLDEN} - set(REAL)))
def test_generated_files_of_the_true_length(name: str, tmp_path: Path) -> None:
    """The sets that are not here, at their length with three channels: read, split, windowed as the released loaders do."""
    dataset = replace(DATASETS[name], channels=3)
    assert dataset.rows is not None
    values = np.random.default_rng(0).integers(0, 100, (dataset.rows, 3)).astype(float)
    path = tmp_path / "file"
    _write(dataset, path, values)
    for row in (r for r in GOLDEN if r["dataset"] == name and r["horizon"] in ("96", "720")):
        lookback, horizon = int(row["lookback"]), int(row["horizon"])
        loaded = series.load(dataset, path, lookback, horizon)
        found = (len(loaded.train), len(loaded.validation), len(loaded.test))
        assert found == tuple(max(0, int(row[f"{s}_windows"])) for s in ("train", "val", "test"))
        if len(loaded.test):
            assert loaded.test[-1] + lookback + horizon == dataset.rows
    train = loaded.values[: int(dataset.rows * (0.6 if dataset.split == "pems" else 0.7))]
    assert np.allclose(train.mean(axis=0), 0, atol=1e-12) and np.allclose(train.std(axis=0), 1)


def _write(dataset: DataSet, path: Path, values: readers.Array) -> None:
    if dataset.reader == "pems":
        with path.open("wb") as file:
            np.savez_compressed(file, data=np.stack([values, values + 1, values - 1], axis=2))
    else:
        dates = np.datetime64("2020-01-01T00:00") + np.arange(len(values)) * np.timedelta64(10, "m")
        prefix = [""] * len(values) if dataset.reader == "solar" else [f"{str(d).replace('T', ' ')}:00," for d in dates]
        lines = [p + ",".join(f"{v:g}" for v in row) for p, row in zip(prefix, values, strict=True)]
        path.write_text("\n".join(lines if dataset.reader == "solar" else ["date,a,b,OT", *lines]) + "\n")


def test_groups_name_data_sets() -> None:
    assert all(set(members) <= set(DATASETS) for members in GROUPS.values())
    assert len(SERIES) == 13


def test_a_channel_that_is_constant_in_the_training_rows_has_the_scale_one() -> None:
    """42 times 1.1 have the deviation 7e-16 or 0, as one sums them: neither is a scale for what comes later."""
    values = np.stack([np.full(60, 1.1), np.sin(np.arange(60.0)), 1e9 + 1e-3 * np.sin(np.arange(60.0))], axis=1)
    values[42:, 0] = 2.1
    parts = segments(replace(DATASETS["ETTh1"], split="ratio"), len(values), 4)
    for laid_out in (np.ascontiguousarray(values), np.asfortranarray(values)):
        scaled = standardised(laid_out, parts)
        assert (scaled[:42, 0] == 0).all() and (scaled[42:, 0] == 2.1 - 1.1).all()
        assert scaled[:42, 1:].std(axis=0) == pytest.approx([1, 1])  # small beside its size, and yet no rounding
    noted = series.note_constant(replace(DATASETS["ETTh1"], split="ratio"), values)
    assert noted == "1 of 3 channels never changes in the training rows; there the scale is 1"


@pytest.mark.parametrize("seed", range(5))
def test_the_standardised_bits_do_not_depend_on_the_memory_layout(seed: int) -> None:
    """A parsed copy lies in row order, a file just read in column order: the same digest has to be the same numbers."""
    values = np.random.default_rng(seed).lognormal(sigma=3, size=(5000, 7))
    parts = segments(replace(DATASETS["ETTh1"], split="ratio"), len(values), 96)
    by_column = np.asfortranarray(values)
    assert (by_column[:3500].mean(axis=0) != values[:3500].mean(axis=0)).any()  # what would otherwise differ
    assert np.array_equal(standardised(by_column, parts), standardised(values, parts))
    assert np.array_equal(standardised(values[:, 2:3], parts), standardised(values, parts)[:, 2:3]), "nor on other channels"


def standardised(values: series.Array, parts: Ranges) -> series.Array:
    return series.standardise(values, *series.moments(values, parts))
