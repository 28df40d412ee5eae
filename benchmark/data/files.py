"""Files of data sets: where they lie, and their checksums, cached by path, size and modification time."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shlex
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark.data.registry import CIFAR, IDX, DataSet
from benchmark.errors import DataError, UsageError
from benchmark.files import write_atomically

RECORD = ".checksums.json"
"""Beside the data: the checksums of files that were fetched and that the registry knows none of."""


def data_dir(option: str | None) -> Path:
    """The data folder: the option, else BENCHMARK_DATA_DIR, else ``data``. It need not be there.

    Raises UsageError for a path that the system does not take, such as one that is too long.
    """
    folder = Path(option or os.environ.get("BENCHMARK_DATA_DIR") or "data")
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        where = "--data-dir" if option else "BENCHMARK_DATA_DIR"
        raise UsageError(f"{where}: {str(folder)[:100]} cannot be read ({error.strerror}); give another folder") from None
    return folder


def user_cache() -> Path:
    """The user's cache folder of this project."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forecast-benchmark"


def locate(dataset: DataSet, folder: Path) -> Path | None:
    """The path at which a data set's file has to lie; None for a synthetic set. One's own files have whole paths.

    Where nothing lies there, and a package of the system has the set, its folder.
    """
    if dataset.file is None:
        return None
    path = folder / dataset.file
    there = dataset.installed is not None and not path.exists() and Path(dataset.installed).is_dir()
    return Path(str(dataset.installed)) if there else path


def how_to_get(dataset: DataSet, folder: Path) -> str:
    """One line for a file that is not there: the path expected, where to get it, and the command that does."""
    path = locate(dataset, folder)
    if not dataset.sources:
        return f"{dataset.name}: no file at {path}; it is the path that your YAML file gives"
    source = dataset.sources[0].page()
    return f"{dataset.name}: no file at {path}; get it from {source}, or with: {fetch_command(dataset.name, folder)}"


def fetch_command(names: str, folder: Path) -> str:
    """The command that fetches data sets, their names separated by spaces, into a folder."""
    option = "" if folder == data_dir(None) else f" --data-dir {shlex.quote(str(folder))}"
    return f"python -m benchmark.data fetch {names}{option}"


def recorded(folder: Path) -> dict[str, str]:
    """The checksums recorded beside the data, by data set."""
    known: Any = None
    with suppress(OSError, ValueError):
        known = json.loads((folder / RECORD).read_text("utf-8"))
    return {k: v for k, v in known.items() if isinstance(v, str)} if isinstance(known, dict) else {}


def record(folder: Path, name: str, sha256: str) -> None:
    """Writes down a data set's checksum beside the data. Raises OSError where the disk does not take it."""
    known = recorded(folder) | {name: sha256}
    write_atomically(folder / RECORD, json.dumps(known, indent=1, sort_keys=True) + "\n")


class Checksums:
    """SHA-256 of files, remembered between invocations by path, size and modification time.

    The memory is a cache: where it cannot be read or written, files are read anew and nothing else happens.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = (folder or user_cache()) / "checksums.json"
        self._known: dict[str, str] = {}
        with suppress(OSError, ValueError):
            known = json.loads(self._file.read_text("utf-8"))
            if isinstance(known, dict):
                self._known = {k: v for k, v in known.items() if isinstance(v, str) and len(v) == 64}

    def of(self, path: Path) -> str | None:
        """The checksum of a file, None if there is none; of a folder of images, that of its files by name, unpacked.

        Raises DataError for one that cannot be read.
        """
        try:
            stat = path.stat()
            if path.is_dir() and (parts := parts_of(path)):
                sums = {part.name.removesuffix(".gz"): self.of(part) for part in parts}
                return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()
            if not path.is_file():
                found = "a folder" if path.is_dir() else "something that is neither file nor folder"
                raise DataError(f"{path}: expected a file, found {found}; give the path of a file, or move it away")
            key = f"{path.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}"
            if key not in self._known:
                with gzip.open(path) if path.name in IDX else path.open("rb") as file:
                    self._known[key] = hashlib.file_digest(file, "sha256").hexdigest()
                self._save()
            return self._known[key]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{path}: cannot be read ({reason}); check its permissions, or get it again") from None

    def _save(self) -> None:
        with suppress(OSError):
            write_atomically(self._file, json.dumps(self._known))


def parts_of(folder: Path) -> list[Path]:
    """The files of a set of images that a folder holds, by name; none where it holds no such set. Of a file that is there
    packed and unpacked, the packed one."""
    names = [name for name in (*CIFAR, *IDX) if (folder / name).is_file()]
    unpacked = [name.removesuffix(".gz") for name in IDX if name not in names]
    return [folder / name for name in sorted((*names, *unpacked)) if (folder / name).is_file()]


def own_files(datasets: Iterable[DataSet]) -> dict[str, str]:
    """The checksums of the files of the user's own sets, by data set; one that cannot be read has none."""
    sums, found = Checksums(), {}
    for dataset in datasets:
        with suppress(DataError):
            sha256 = sums.of(Path(dataset.file)) if dataset.own and dataset.file else None
            if sha256 is not None:
                found[dataset.name] = sha256
    return found


def synthetic_sha256(dataset: DataSet) -> str:
    """What stands for the checksum of a set without a file: that of what makes it."""
    return hashlib.sha256(json.dumps(dataset.identity(), sort_keys=True).encode()).hexdigest()


def verify(dataset: DataSet, path: Path, sha256: str, folder: Path) -> None:
    """Raises DataError where the file is not the one that the registry, or else the record of downloads in the data
    folder, knows."""
    known, whose = dataset.sha256, "that the papers used"
    if known is None:
        known, whose = (
            recorded(folder).get(dataset.name),
            f"that was first downloaded ({RECORD} beside the data has its checksum)",
        )
    if known and sha256 != known:
        raise DataError(
            f"{dataset.name}: {path} is not the file {whose}: SHA-256 {sha256[:12]}…, expected {known[:12]}…; "
            f"move it away and run: {fetch_command(dataset.name, folder)}"
        )


def checksum_of(dataset: DataSet, folder: Path, sums: Checksums) -> tuple[str | None, str | None]:
    """A data set's checksum; or None, and what is wrong, where its file is missing or is another one."""
    path = locate(dataset, folder)
    if path is None:
        return synthetic_sha256(dataset), None
    try:
        found = sums.of(path)
        if found is None:
            return None, how_to_get(dataset, folder)
        verify(dataset, path, found, folder)
    except DataError as error:
        return None, str(error)
    return found, None
