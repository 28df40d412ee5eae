"""Files that are written whole or not at all, and locks between processes."""

from __future__ import annotations

import errno
import math
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LOCK_POLL_SECONDS = 0.05


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a whole file (text as UTF-8) or nothing: temporary name, flush, fsync, rename, fsync of the folder.

    A link stays, and what it leads to is written. What is no regular file (a device, a pipe) is left alone.

    Raises OSError, which names the path.
    """
    draft(path, lambda file: file.write(content.encode() if isinstance(content, str) else content)).settle()


@dataclass(frozen=True)
class Draft:
    """A whole file that has a temporary name beside the place where it is to stand. path: as it was given. place: where
    that leads to. name: where it is."""

    path: Path
    place: Path
    name: Path

    def settle(self) -> None:
        """Gives it its name. Raises OSError, which names the path; then the draft is gone."""
        try:
            os.chmod(self.name, 0o644)
            os.replace(self.name, self.place)
        except BaseException as error:
            self.drop()
            raise (_named(error, self.path) if isinstance(error, OSError) else error) from None
        folder = os.open(self.place.parent, os.O_RDONLY)
        try:
            with suppress(OSError):
                os.fsync(folder)
        finally:
            os.close(folder)

    def drop(self) -> None:
        """Takes it away, where it has not settled."""
        with suppress(OSError):
            os.unlink(self.name)


def draft(path: Path, write: Callable[[IO[bytes]], object]) -> Draft:
    """What `write` writes, whole and fsynced, under a temporary name. Raises OSError, which names the path."""
    place = Path(os.path.realpath(path))
    check_regular(path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "a file is where a folder has to be", str(path.parent)) from None
    try:
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".tmp")
    except OSError as error:
        raise _named(error, path) from None
    found = Draft(path, place, Path(name))
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        found.drop()
        if isinstance(error, OSError):
            raise _named(error, path) from None
        raise
    return found


def _named(error: OSError, path: Path) -> OSError:
    """The same error, of that path."""
    return OSError(error.errno, error.strerror or str(error) or type(error).__name__, str(path))


def read(path: str | Path, most: int = -1) -> bytes:
    """What a file holds. What is no regular file (a pipe, a device, a socket) is not opened: reading it may never end.

    most: bytes from its beginning; -1: all of them. Raises OSError, of which `strerror` says what is there instead.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        found = next((word for is_one, word in _KINDS.items() if is_one(mode)), "something else")
        raise NotAFile(errno.EINVAL, f"expected a file, found {found}", str(path))
    with open(path, "rb") as file:  # faster than by pathlib: a plan reads 20,000
        return file.read(most)


_KINDS = {stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}


class NotAFile(OSError):
    """A pipe, a device, a socket or the like is where a file has to be."""


def check_regular(path: Path) -> None:
    """Raises NotAFile where something else than a file or a folder is: opening a pipe to write may never end either."""
    if is_special(path):
        raise NotAFile(errno.EINVAL, "it is no regular file, and is left alone", str(path))


def is_special(path: Path) -> bool:
    """Whether something is there that is neither a file nor a folder: a device, a pipe, a link that leads in a circle."""
    try:
        mode = os.lstat(os.path.realpath(path)).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def locked(path: Path, seconds: float | None = None, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One process at a time holds a lock file; the system frees the lock of one that dies.

    seconds: to wait for another process at most; None: for ever. waiting: called once, where another process has it.
    Where there are no such locks (Windows, some file systems) it is as if nobody else were there.

    Raises TimeoutError after `seconds`; OSError where the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            import fcntl
        except ImportError:
            yield
            return
        until = math.inf if seconds is None else time.monotonic() + seconds
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    told = True
                    waiting()
                if time.monotonic() > until:
                    raise TimeoutError(f"another process has held its lock for {seconds:.0f} s") from None
                time.sleep(LOCK_POLL_SECONDS)
            except OSError:
                break
        yield
