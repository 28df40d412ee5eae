"""Parsed tables on disk: read once from their file, then memory-mapped, and shared by all workers.

A copy is a folder ``parsed/<checksum>-<how it was read>`` that gets its name only when whole. A changed file or another
version of the readers has another name. All of it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data import readers
from benchmark.data.files import Checksums, user_cache
from benchmark.data.readers import Table
from benchmark.data.registry import DataSet
from benchmark.errors import DataError


def folder_for(data_dir: Path) -> Path:
    """Where parsed copies stand: in the data folder, or in the user's cache where that cannot be written."""
    here = data_dir / ".cache"
    folder = here if here.exists() else data_dir
    # The mode too: to the superuser nothing is closed, but a folder that nobody may write is meant to stay as it is.
    writable = os.access(folder, os.W_OK | os.X_OK) and folder.stat().st_mode & 0o222
    return here if writable else user_cache()


def table(dataset: DataSet, path: Path, sha256: str | None = None, folder: Path | None = None) -> Table:
    """A data set's table, its values [rows, channels] memory-mapped where a parsed copy stands or can be made.

    Args: `sha256`: what the file's checksum has to be; without it, or without a `folder`, no copy is used. A copy that is
    damaged is made again; where none can be written, the file is read and nothing else happens.

    Raises DataError for a file that is not as it should be, or is another one than `sha256` says.
    """
    if sha256 is None or folder is None:
        return readers.read(dataset, path)
    found = Checksums().of(path)
    if found != sha256:
        what = "is gone" if found is None else "has changed"
        raise DataError(f"{dataset.name}: {path} {what} since the plan was made; run again")
    place = folder / "parsed" / _name(dataset, sha256)
    copy = _open(place)
    if copy is None:
        fresh = readers.read(dataset, path)
        with suppress(OSError):
            _write(place, fresh)
            copy = _open(place)
        copy = copy or fresh
    return copy


def _name(dataset: DataSet, sha256: str) -> str:
    reading = {name: value for name, value in dataset.options.items() if name not in ("split", "month_rows")}
    how = [readers.VERSION, dataset.reader, sorted(reading.items()), dataset.rows, dataset.channels,
           dataset.own and dataset.step]  # fmt: skip
    return f"{sha256[:32]}-{hashlib.sha256(json.dumps(how).encode()).hexdigest()[:16]}"


def _open(place: Path) -> Table | None:
    """A parsed copy; None where there is none, or where it is not what was written."""
    try:
        meta: dict[str, Any] = json.loads((place / "meta.json").read_text("utf-8"))
        values = np.load(place / "values.npy", mmap_mode="r", allow_pickle=False)
        times = np.load(place / "times.npy", allow_pickle=False) if meta["times"] is not None else None
        if (_crc(values), None if times is None else _crc(times)) != (meta["values"], meta["times"]):
            return None
        return Table(values, times, tuple(meta["notes"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _write(place: Path, fresh: Table) -> None:
    """Writes a copy under a temporary name and renames it; one that stands there already, damaged, makes way."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=place.parent, prefix=".draft-"))
    try:
        meta = {"values": _crc(fresh.values), "times": None, "notes": fresh.notes}
        np.save(draft / "values.npy", np.ascontiguousarray(fresh.values))
        if fresh.times is not None:
            np.save(draft / "times.npy", fresh.times)
            meta["times"] = _crc(fresh.times)
        (draft / "meta.json").write_text(json.dumps(meta), "utf-8")
        draft.chmod(0o755)
        with suppress(OSError):
            os.replace(place, draft / "damaged")
        with suppress(OSError):  # another worker may have been as fast: its copy is as good
            os.replace(draft, place)
        shutil.rmtree(place / "damaged", ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _crc(values: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).view(np.uint8).reshape(-1).data)
