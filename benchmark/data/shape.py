"""Rows and channels of a file without reading its numbers: a plan needs them at once, and without numpy."""

from __future__ import annotations

import ast
import csv
import struct
import zipfile
from collections import Counter
from pathlib import Path

from benchmark.data.registry import DataSet
from benchmark.data.text.opened import UNREADABLE, check_text, opened, short
from benchmark.data.text.steps import IRREGULAR
from benchmark.errors import DataError


def of(dataset: DataSet, path: Path) -> tuple[int, int]:
    """Rows and channels that a data set's file seems to have. Raises DataError for one that does not look like it."""
    if dataset.split == "given":
        return bounds(dataset, path)[2], 3
    try:
        if dataset.reader == "pems":
            return _npz(path)
        check_text(path)
        header = dataset.reader == "csv" or bool(dataset.options.get("header"))
        rows, channels = _text(path, header=header, dates=dataset.reader == "csv")
        if rows and channels and dataset.reader == "csv" and dataset.options.get("fill") and dataset.step != IRREGULAR:
            from benchmark.data.readers import axis_of  # needs numpy and pandas, for such a set alone

            rows = len(axis_of(dataset, path))
        return rows, channels
    except (*UNREADABLE, ValueError, SyntaxError, KeyError, TypeError, struct.error, zipfile.BadZipFile,
            NotImplementedError, RuntimeError, RecursionError, MemoryError, csv.Error) as error:  # fmt: skip
        kind = "npz with an array 'data' [time, sensors, features]" if dataset.reader == "pems" else "CSV"
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:100]
        raise DataError(f"{dataset.name}: {path}: not a readable {kind} ({reason}); replace it") from None


def bounds(dataset: DataSet, path: Path) -> tuple[int, int, int]:
    """Of a split by dates, the first rows of validation and test, and the first that is not used; of one that is given, the
    same.

    Raises DataError where one of the dates lies outside the file, and for images that are not as they should be.
    """
    if dataset.split == "given":
        from benchmark.data import images  # needs numpy, for such a set alone

        train, test = images.counts(dataset, path)
        return train, train, train + test
    import numpy as np

    from benchmark.data.readers import axis_of

    axis, wanted = axis_of(dataset, path), dataset.options["split"]
    places = {name: int(np.searchsorted(axis, np.datetime64(moment))) for name, moment in wanted.items()}
    for name, place in places.items():
        if name != "end" and not 0 < place < len(axis):  # with an end after the last row, all rows are used
            first, last = (str(moment).replace("T", " ").removesuffix(".000000") for moment in (axis[0], axis[-1]))
            raise DataError(f"{path}: by 'split' {name} begins at {wanted[name]}, but the file has {first} to {last}")
    return places["validation"], places["test"], places.get("end", len(axis))


def separator_note(path: Path) -> str:
    """What to do about a CSV of one column whose header has another separator than commas; nothing else."""
    with opened(path) as file:
        first = file.readline(65_536)
    for name, sign in (("semicolons", b";"), ("tabs", b"\t")):
        if sign in first and b"," not in first:
            return f"; its header has {name}: separate the values by commas, with points for decimals"
    return ""


def _text(path: Path, *, header: bool, dates: bool) -> tuple[int, int]:
    with opened(path) as file:
        first = next((line for line in file if line.strip()), b"")
        names = next(csv.reader([first.decode("utf-8", "replace")], skipinitialspace=True), [])
        fields = len(names)
        twice = [name for name, count in Counter(name for name in names if name.strip()).items() if count > 1]
        if header and twice:
            raise DataError(
                f"{path}: line 1: the name '{short(twice[0])}' stands twice; give each column a name of its own"
            )
        rows = sum(1 for line in file if line.strip()) + (not header and fields > 0)
    return rows, max(0, fields - dates)


def _npz(path: Path) -> tuple[int, int]:
    with zipfile.ZipFile(path) as archive, archive.open("data.npy") as file:
        magic = file.read(8)
        if magic[:6] != b"\x93NUMPY":
            raise ValueError("its 'data' is no array")
        size = struct.unpack("<H", file.read(2))[0] if magic[6] == 1 else struct.unpack("<I", file.read(4))[0]
        if size > 65_536:
            raise ValueError("its header is too long")
        described = ast.literal_eval(file.read(size).decode("latin-1"))
        if len(described["shape"]) != 3:
            raise ValueError(f"its 'data' has {len(described['shape'])} axes, not three: [time, sensors, features]")
        rows, channels, _ = described["shape"]
    if not (isinstance(rows, int) and isinstance(channels, int)):
        raise ValueError("its shape is no shape")
    return rows, channels
