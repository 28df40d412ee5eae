"""Fetching files: from the first source that gives them, verified, and under their name only when whole.

Everything that is under way lies in a folder of its own, ``downloads/.part-…``, which goes with the attempt. Archives
stay in ``downloads/``, so that a second set comes from them; a hand-made download put there is used like our own.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmark.data import shape
from benchmark.data.download import archives, transport
from benchmark.data.files import Checksums, fetch_command, locate, record, recorded, verify
from benchmark.data.registry import DataSet, Source
from benchmark.errors import DataError, counted
from benchmark.files import locked

DELAYS = (1.0, 4.0, 16.0)
"""Seconds before the second, third and fourth attempt at a source, each lengthened at random by up to a half."""

Bar = Callable[[str], transport.Told]


class Fetcher:
    """Fetches data sets into one data folder; a source that failed once is not asked again for the next set.

    Args: `say` takes one line for the user; `bar` makes, from a title, what the progress of a transfer is told to.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], bar: Bar = lambda title: lambda done, total: None) -> None:
        self.folder = folder
        self.downloads = folder / "downloads"
        self._say = say
        self._bar = bar
        self._failed: dict[Source, str] = {}

    def fetch(self, dataset: DataSet) -> Path | None:
        """Makes sure that a data set's file is there; returns its path (None: synthetic).

        Raises DataError, one sentence that says what to do by hand, where it cannot be had; nothing half-written is left.
        """
        path = locate(dataset, self.folder)
        if path is None or path.exists():
            return path
        reasons = []
        try:
            said = partial(self._say, f"waiting for another process that downloads to {self.folder}")
            with locked(self.downloads / ".lock", waiting=said):
                if path.exists():  # another process was faster
                    return path
                for source in dataset.sources:
                    try:
                        self._from(source, dataset, path)
                        return path
                    except DataError as error:  # of this file; the source may do for another
                        reasons.append(f"{_title(source)}: {error}")
                    except (transport.Transient, transport.Refused) as error:
                        reasons.append(f"{_title(source)}: {error}")
                        self._failed[source] = str(error)
        except (transport.LocalFailure, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(
                f"{dataset.name}: nothing can be written below {self.folder} ({reason}); make room there, or choose "
                "another folder with --data-dir"
            ) from None
        raise DataError(self._by_hand(dataset, path, reasons))

    def _by_hand(self, dataset: DataSet, path: Path, reasons: list[str]) -> str:
        if not dataset.sources:
            return f"{dataset.name}: no file at {path}, and no source to fetch it from; put it there"
        source = dataset.sources[0]
        place = self.downloads / source.archive if source.archive else path
        return (
            f"{dataset.name}: no file at {path}, and it could not be fetched ({'; '.join(reasons)}); open {source.page()} "
            f"in a browser, save it as {place}, then run: {fetch_command(dataset.name, self.folder)}"
        )

    def _from(self, source: Source, dataset: DataSet, path: Path) -> None:
        with self._workshop() as workshop:
            if source.archive:
                archive = self._archive(source, workshop)
                fresh = workshop / path.name
                archives.extract(archive, str(dataset.file), fresh)
            else:
                fresh = self._download(source, workshop / path.name) if not dataset.parts else workshop / path.name
                for part in dataset.parts:
                    fresh.mkdir(exist_ok=True)
                    self._download(replace(source, where=source.where + part), fresh / part)
            sha256 = self._verified(dataset, fresh)
            for part in dataset.parts:
                _settle(fresh / part, path / part)
            if not dataset.parts:
                _settle(fresh, path)
        if dataset.sha256 is None and dataset.name not in recorded(self.folder):
            record(self.folder, dataset.name, sha256)
        self._say(f"{dataset.name}: {path}, {_bytes(path):,} bytes, SHA-256 {sha256[:12]}… from {_title(source)}")

    def _verified(self, dataset: DataSet, fresh: Path) -> str:
        sha256 = Checksums(fresh.parent).of(fresh)
        assert sha256 is not None
        try:
            verify(dataset, fresh, sha256, self.folder)
        except DataError:
            raise DataError(f"what came has SHA-256 {sha256[:12]}…, not the one known; it was thrown away") from None
        rows, channels = shape.of(dataset, fresh)
        if (dataset.rows, dataset.channels) != (rows, channels):
            size = f"{counted(rows or 0, 'row')} × {counted(channels or 0, 'channel')}"
            raise DataError(f"what came has {size}, not {dataset.rows:,} × {dataset.channels}")
        return sha256

    def _archive(self, source: Source, workshop: Path) -> Path:
        place = self.downloads / source.archive
        if not place.exists():
            fresh = self._download(source, workshop / source.archive)
            if not archives.is_archive(fresh):
                raise transport.Refused("what came is no whole archive")
            _settle(fresh, place)
            self._say(f"{place}: {place.stat().st_size:,} bytes, kept for other data sets; it may be deleted")
        if not archives.is_archive(place):
            raise DataError(f"{place} is no whole archive; delete it")
        return place

    def _download(self, source: Source, target: Path) -> Path:
        if source in self._failed:
            raise transport.Refused(self._failed[source])
        for delay in (*DELAYS, None):
            progress = self._bar(_title(source))
            try:
                transport.download(source, target, progress)
                return target
            except transport.Transient as error:
                for part in target.parent.glob(f"{target.name}*"):
                    part.unlink()
                if delay is None:
                    raise transport.Transient(f"{error}, {len(DELAYS) + 1} times") from None
                wait = delay * random.uniform(1.0, 1.5)
                self._say(f"{_title(source)}: {error}; next attempt in {wait:.0f} s")
                time.sleep(wait)
            finally:
                close = getattr(progress, "close", None)
                if close:
                    close()
        raise AssertionError("unreachable")

    @contextmanager
    def _workshop(self) -> Iterator[Path]:
        """A folder for what is under way; those of processes that were killed go too, since the lock is ours."""
        for left in self.downloads.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)
        workshop = Path(tempfile.mkdtemp(dir=self.downloads, prefix=".part-"))
        try:
            yield workshop
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


def _bytes(path: Path) -> int:
    """Of a file, or of the files of a folder."""
    return sum(part.stat().st_size for part in path.iterdir()) if path.is_dir() else path.stat().st_size


def _title(source: Source) -> str:
    return source.archive or source.where


def _settle(fresh: Path, path: Path) -> None:
    """Gives a whole file its name, safe from a crash of the machine."""
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh.chmod(0o644)
    try:
        os.replace(fresh, path)
    except OSError:  # a folder of the data may be a link to another disk
        near = path.with_name(f".{path.name}.part")
        try:
            shutil.copyfile(fresh, near)
            os.replace(near, path)
        finally:
            with suppress(OSError):
                near.unlink()
