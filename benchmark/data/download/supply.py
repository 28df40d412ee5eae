"""The data of one invocation: which files are there and are the right ones, what is fetched, what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from benchmark.data.files import Checksums, checksum_of, locate
from benchmark.data.registry import DataSet
from benchmark.errors import DataError


class Supply:
    """Checksums by data set, and one sentence for each set whose file cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checksums: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self._sums = Checksums()

    def checksum(self, dataset: DataSet) -> str | None:
        """A data set's checksum; None, with the problem noted, where its file is missing or is another one."""
        found, problem = (None, self.problems[dataset.name]) if dataset.name in self.problems else self._checksum(dataset)
        if problem is not None:
            self.problems[dataset.name] = problem
        elif found is not None:
            self.checksums[dataset.name] = found
        return found

    def _checksum(self, dataset: DataSet) -> tuple[str | None, str | None]:
        return checksum_of(dataset, self.folder, self._sums)

    def fetch(self, datasets: Iterable[DataSet]) -> bool:
        """Fetches the files that are not there; says whether any came. What fails is noted as the set's problem."""
        from benchmark.data.download.fetch import Fetcher
        from benchmark.data.download.progress import bar

        fetcher = Fetcher(self.folder, lambda line: print(line, file=sys.stderr), bar)
        came = False
        for dataset in datasets:
            path = locate(dataset, self.folder)
            if path is None or path.exists() or not dataset.sources:
                continue
            try:
                fetcher.fetch(dataset)
                self.problems.pop(dataset.name, None)
                came = True
            except DataError as error:
                self.problems[dataset.name] = str(error)
        return came

    def parse(self, datasets: Iterable[DataSet]) -> None:
        """Reads the files once, before any worker does: their notes are told once, and what is wrong is noted."""
        from benchmark.data import cache, images, series

        folder = cache.folder_for(self.folder)
        for dataset in datasets:
            path = locate(dataset, self.folder)
            if path is None:
                continue
            try:
                if dataset.reader in images.READERS:
                    images.load(dataset, path, self.checksums[dataset.name])
                    continue
                table = cache.table(dataset, path, self.checksums[dataset.name], folder)
                for note in (*table.notes, series.note_constant(dataset, table.values)):
                    if note is not None:
                        print(f"{dataset.name}: {note}", file=sys.stderr)
            except DataError as error:
                self.problems[dataset.name] = str(error)
                del self.checksums[dataset.name]
