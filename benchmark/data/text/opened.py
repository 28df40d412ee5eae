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

_PACKING = {".gz": b"\x1f\x8b", ".bz2": b"BZh", ".xz": b"\xfd7zXZ"}
"""The bytes with which a packed file begins, by the end of its name."""

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

_HEAD = 512
"""Bytes by which a kind is told: a tar archive says so at the 257th."""

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
    """Raises DataError for a file of another kind, packed or not, with what to do. What cannot be read raises what opening
    it does, and is left to who reads it."""
    end = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head and end in PACKED:
        if not head.startswith(_PACKING[end]):
            what = _other(path, head) or f"one that is not packed; take {path.suffix} from the end of its name"
            raise DataError(f"{path}: its name says a packed file, found {what}")
        with opened(path) as file:
            head = file.read(_HEAD)
        if any(head.startswith(magic) for magic in _PACKING.values()):
            raise DataError(f"{path}: expected a packed CSV, found one that is packed twice; unpack it once")
    packed = end in PACKED
    if what := _other(path.with_suffix("") if packed else path, head):
        raise DataError(f"{path}: expected a CSV, found {'packed in it ' if packed else ''}{what}")


def _other(path: Path, head: bytes) -> str:
    """What a file is that begins so and is no text, and what to do; nothing for a text."""
    for magic, what, to_do in _OTHERS:
        if head.startswith(magic):
            return f"{what}; {to_do.format(name=path.name, stem=path.stem)}"
    if head.startswith(b"PK\x03\x04"):
        return _ZIPPED.get(path.suffix.lower(), "a zip archive; unpack it, or pack its file by gzip")
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it, and give the file that is in it"
    if b"\r" in head[:-1] and b"\n" not in head:  # one at the end may be half of a line's end
        return "lines that end in carriage returns alone; save it with line feeds"
    return "bytes that are no text; if it is UTF-16, save it as UTF-8" if b"\0" in head else ""


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
