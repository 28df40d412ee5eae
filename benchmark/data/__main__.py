"""``python -m benchmark.data status|fetch NAME…``: which files are there, which would be downloaded; and download them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.console import Parser, command
from benchmark.data.download.fetch import Fetcher
from benchmark.data.download.progress import bar
from benchmark.data.files import Checksums, data_dir, fetch_command, locate, recorded, verify
from benchmark.data.registry import DATASETS, GROUPS, DataSet
from benchmark.errors import DataError, UsageError, nearest


def chosen(names: Sequence[str]) -> list[DataSet]:
    """Data sets by name or group, in any case; none named: all that have files. Raises UsageError for an unknown name."""
    files = [d for d in DATASETS.values() if d.file is not None]
    known = {d.name: (d.name,) for d in files} | GROUPS | {"all": tuple(d.name for d in files)}
    folded = {name.casefold(): members for name, members in known.items()}
    wanted: set[str] = set()
    for name in (n for argument in names for n in argument.split(",") if n):
        if name.casefold() not in folded:
            raise UsageError(f"unknown data set '{name}'{nearest(name, known)}")
        wanted |= set(folded[name.casefold()])
    return [d for d in files if d.name in wanted or not wanted]


def state(dataset: DataSet, folder: Path, sums: Checksums) -> tuple[str, str]:
    """One word for a data set's file (`there`, `missing`, `wrong`), and the rest of its line."""
    path = locate(dataset, folder)
    assert path is not None
    try:
        found = sums.of(path)
        if found is None:
            return "missing", _origin(dataset, folder)
        verify(dataset, path, found, folder)
    except DataError as error:
        return "wrong", str(error)
    seen = "as first downloaded" if dataset.name in recorded(folder) else "checksum not known"
    how = "checksum known" if dataset.sha256 else seen
    return "there", f"{_size(path.stat().st_size)}, {how}; licence: {dataset.licence}"


def _origin(dataset: DataSet, folder: Path) -> str:
    source = dataset.sources[0]
    if not source.archive:
        return f"{_size(dataset.size)} from {source.where}; licence: {dataset.licence}"
    place = folder / "downloads" / source.archive
    where = str(place) if place.exists() else f"{source.page()}, an archive of unknown size"
    return f"{_size(dataset.size)} from {where}; licence: {dataset.licence}"


def _size(size: int | None) -> str:
    return "not seen yet:" if size is None else f"{size / 1e6:.1f} MB"


def status(sets: Sequence[DataSet], folder: Path) -> int:
    """Prints a line for each data set, and the command that fetches what is missing."""
    sums = Checksums()
    missing = []
    for dataset in sets:
        word, rest = state(dataset, folder, sums)
        if word == "missing":
            missing.append(dataset.name)
        size = f"{dataset.rows:,} × {dataset.channels}"
        print(f"{dataset.name:<9} {word:<8} {size:>12}  every {dataset.step:<7} {rest}")
    if missing:
        print(f"missing: {len(missing)}; to download them: {fetch_command(' '.join(missing), folder)}")
    return 0


def fetch(sets: Sequence[DataSet], folder: Path) -> int:
    """Fetches what is missing; returns 1 where something could not be had or is another file."""
    fetcher = Fetcher(folder, lambda line: print(line, file=sys.stderr), bar)
    sums, failed = Checksums(), 0
    for dataset in sets:
        try:
            path = fetcher.fetch(dataset)
            assert path is not None
            verify(dataset, path, sums.of(path) or "", folder)
            print(f"{dataset.name}: there")
        except DataError as error:
            failed += 1
            print(f"python -m benchmark.data: {error}", file=sys.stderr)
    return 1 if failed else 0


def parser() -> Parser:
    """The commands and their options."""
    main = Parser(prog="python -m benchmark.data", description="Data files: what is there, and what can be had.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shown = commands.add_parser("status", help="a line a data set: there, missing or wrong; what would be downloaded")
    shown.add_argument("names", nargs="*", metavar="NAME", help="data sets, ETT, PEMS, all; default all")
    fetched = commands.add_parser("fetch", help="download what is missing")
    fetched.add_argument("names", nargs="*", metavar="NAME", help="data sets, ETT, PEMS, all")
    for each in (shown, fetched):
        each.add_argument("--data-dir", metavar="DIR", help="default: $BENCHMARK_DATA_DIR, else data/")
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 (a file could not be had), 2 (usage), 130 (interrupted)."""
    with command("python -m benchmark.data") as ended:
        options = parser().parse_args(arguments)
        if options.command == "fetch" and not options.names:
            raise UsageError("fetch: name the data sets (or all)")
        act = status if options.command == "status" else fetch
        ended.status = act(chosen(options.names), data_dir(options.data_dir))
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
