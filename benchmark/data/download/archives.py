"""Archives (zip, tar): one member out of them, and nothing that an entry's name could reach outside."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from benchmark.errors import DataError, counted


@dataclass(frozen=True)
class Entry:
    """A file in an archive: its name there, its size in bytes, whether it is a plain file."""

    name: str
    size: int
    plain: bool
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether the file is a zip or tar archive whose list of entries can be read."""
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def extract(archive: Path, wanted: str, target: Path) -> None:
    """Writes the member that ends like the path `wanted` to `target`, and no other.

    The member is the one with the same file name that shares the most folders with `wanted`: archives differ in what they
    put above. Raises DataError for an archive that is damaged or hostile, or that has no such member, or several;
    OSError where `target` cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive) as opened:
            entries = _zip_entries(opened) if isinstance(opened, zipfile.ZipFile) else _tar_entries(opened)
            _copy(archive, _choose(archive, entries, wanted), target)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
            ValueError) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{archive}: a damaged archive ({reason}); delete it and fetch again") from None


def _zip_entries(file: zipfile.ZipFile) -> list[Entry]:
    return [
        Entry(i.filename, i.file_size, stat.S_IFMT(i.external_attr >> 16) in (0, stat.S_IFREG), lambda i=i: file.open(i))  # type: ignore[misc]
        for i in file.infolist()
        if not i.is_dir()
    ]


def _tar_entries(file: tarfile.TarFile) -> list[Entry]:
    def opener(member: tarfile.TarInfo) -> IO[bytes]:
        stream = file.extractfile(member)
        if stream is None:
            raise tarfile.TarError(f"no bytes for {member.name}")
        return stream

    return [Entry(m.name, m.size, m.isreg(), lambda m=m: opener(m)) for m in file if not m.isdir()]  # type: ignore[misc]


def _choose(archive: Path, entries: Sequence[Entry], wanted: str) -> Entry:
    for entry in entries:
        parts = entry.name.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0][1:2] == ":":
            raise DataError(
                f"{archive}: its entry {entry.name[:80]!r} points outside the archive, so nothing of it is unpacked; "
                "delete it and get it from its origin"
            )
    ends = PurePosixPath(wanted.lower()).parts
    found: dict[int, list[Entry]] = {}
    for entry in entries:
        path = PurePosixPath(entry.name.replace("\\", "/").lower()).parts
        if path and path[-1] == ends[-1] and "__macosx" not in path:
            shared = next(n for n in range(len(ends), 0, -1) if path[-n:] == ends[-n:])
            found.setdefault(shared, []).append(entry)
    if not found:
        among = counted(len(entries), "file")
        raise DataError(f"{archive}: has no {wanted} among its {among}; get the file from its origin by hand")
    best = found[max(found)]
    if len(best) > 1:
        names = ", ".join(entry.name for entry in best[:3])
        raise DataError(f"{archive}: {len(best)} entries could be {wanted} ({names[:120]}); unpack the right one by hand")
    if not best[0].plain:
        raise DataError(f"{archive}: its entry {best[0].name[:80]!r} is a link, not a file; get the file from its origin")
    return best[0]


def _copy(archive: Path, entry: Entry, target: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    if entry.size > free:
        raise DataError(f"{target.parent}: {entry.name} needs {entry.size:,} bytes, the disk has {free:,} left; free some")
    with entry.open() as stream, target.open("wb") as file:
        left = entry.size
        while chunk := stream.read(min(1 << 20, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise DataError(f"{archive}: {entry.name} is not as long as the archive says; delete the archive and fetch again")
