"""Text files as bytes: packed ones are unpacked, what is no text is named, and a line is found by its row."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from benchmark.errors import DataError

PACKED: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
"""How a file is unpacked, by the end of its name."""

UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What unpacking raises where a file is cut off or damaged."""

_TO_CSV = "write it as CSV, in Python: pandas.{reader}('{name}').to_csv('{stem}.csv', index=False)"
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"PAR1", "a parquet file", _TO_CSV.replace("{reader}", "read_parquet")),
    (b"ARROW1", "a feather file", _TO_CSV.replace("{reader}", "read_feather")),
    (b"\x89HDF", "an HDF5 file", _TO_CSV.replace("{reader}", "read_hdf")),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "save its sheet as CSV"),
    (b"SQLite format 3", "an SQLite database", "write its table as CSV"),
    (b"\x93NUMPY", "a NumPy array", "write it as CSV with dates in the first column"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
    (b"\x1f\x8b", "packed by gzip", "let its name end in .gz, or unpack it"),
    (b"BZh", "packed by bzip2", "let its name end in .bz2, or unpack it"),
    (b"\xfd7zXZ", "packed by xz", "let its name end in .xz, or unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "unpack it, or pack it by gzip"),
)
"""The first bytes of files that are often taken for a CSV, what they are, and what to do."""

_ZIPPED = dict.fromkeys((".xlsx", ".xlsm", ".ods"), "a workbook; save its sheet as CSV") | {
    ".npz": "an npz; where it holds 'data' [time, sensors, features], say 'reader: pems'"
}  # fmt: skip
"""What a zip archive is by the end of its name, and what to do."""


def opened(path: Path) -> IO[bytes]:
    """A text file's bytes, unpacked by the end of its name. Raises OSError where it cannot be opened."""
    unpack = PACKED.get(path.suffix.lower())
    file: IO[bytes] = unpack(path) if unpack else path.open("rb")
    return file


def check_text(path: Path) -> None:
    """Raises DataError for a file of another kind, with what to do. What cannot be read is left to who reads it."""
    with path.open("rb") as file:
        head = file.read(64)
    for magic, what, to_do in _OTHERS:
        if head.startswith(magic) and not (path.suffix.lower() in PACKED and "packed" in what):
            raise DataError(f"{path}: expected a CSV, found {what}; {to_do.format(name=path.name, stem=path.stem)}")
    if head.startswith(b"PK\x03\x04"):
        what = _ZIPPED.get(path.suffix.lower(), "a zip archive; unpack it, or pack it by gzip")
        raise DataError(f"{path}: expected a CSV, found {what}")
    if path.suffix.lower() not in PACKED and b"\0" in head:
        raise DataError(f"{path}: expected a CSV, found bytes that are no text; if it is UTF-16, save it as UTF-8")


def line_of(path: Path, index: int) -> int:
    """The line number, from 1, of the index-th (from 0) line that is not blank: blank ones are skipped in reading."""
    with opened(path) as file:
        seen = -1
        for number, line in enumerate(file, start=1):
            seen += bool(line.strip())
            if seen == index:
                return number
    return index + 1


def short(what: object) -> str:
    """What is said of a value, on one line."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(str(what).split()))
    return text if len(text) <= 100 else text[:97] + "…"
