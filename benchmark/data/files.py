"""Files of data sets: where they lie, and their checksums, cached by path, size and modification time."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from benchmark.data.registry import DataSet
from benchmark.errors import DataError


def data_dir(option: str | None) -> Path:
    """The data folder: the option, else BENCHMARK_DATA_DIR, else ``data``."""
    return Path(option or os.environ.get("BENCHMARK_DATA_DIR") or "data")


def locate(dataset: DataSet, folder: Path) -> Path | None:
    """The path at which a data set's file has to lie; None for a synthetic set."""
    return None if dataset.file is None else folder / dataset.file


def how_to_get(dataset: DataSet, folder: Path) -> str:
    """One line for a file that is not there: the path expected and where to get it."""
    origin = dataset.by_hand or "the iTransformer archive, Google Drive file 1l51QsKvQPcqILT3DwfjCgx8Dsg2rpjot"
    return f"{dataset.name}: no file at {locate(dataset, folder)}; get it from {origin} and put it there"


class Checksums:
    """SHA-256 of files, remembered between invocations by path, size and modification time.

    The memory is a cache: where it cannot be read or written, files are read anew and nothing else happens.
    """

    def __init__(self, folder: Path | None = None) -> None:
        base = folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forecast-benchmark"
        self._file = base / "checksums.json"
        self._known: dict[str, str] = {}
        with suppress(OSError, ValueError):
            known = json.loads(self._file.read_text("utf-8"))
            if isinstance(known, dict):
                self._known = {k: v for k, v in known.items() if isinstance(v, str) and len(v) == 64}

    def of(self, path: Path) -> str | None:
        """The checksum of a file, None if there is none. Raises DataError for one that cannot be read."""
        try:
            stat = path.stat()
            if not path.is_file():
                raise DataError(f"{path}: expected a file, found something else; move it away")
            key = f"{path.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}"
            if key not in self._known:
                with path.open("rb") as file:
                    self._known[key] = hashlib.file_digest(file, "sha256").hexdigest()
                self._save()
            return self._known[key]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None

    def _save(self) -> None:
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._file.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(self._known, file)
            os.replace(name, self._file)


def synthetic_sha256(dataset: DataSet) -> str:
    """What stands for the checksum of a set without a file: that of what makes it."""
    return hashlib.sha256(json.dumps(dataset.identity(), sort_keys=True).encode()).hexdigest()


def verify(dataset: DataSet, path: Path, sha256: str) -> None:
    """Raises DataError where the file is not the one that the registry knows."""
    if dataset.sha256 and sha256 != dataset.sha256:
        raise DataError(
            f"{dataset.name}: {path} is not the file that the papers used (SHA-256 {sha256[:12]}…, expected "
            f"{dataset.sha256[:12]}…); {'replace it from ' + dataset.by_hand if dataset.by_hand else 'replace it'}"
        )
