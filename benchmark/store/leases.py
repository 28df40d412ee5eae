"""Leases: who trains which cell. Several invocations, on one host or on several, share a results folder by them.

A lease is a file `leases/<digest>.json`, created exclusively, that its holder rewrites with a growing count of beats.
Nobody compares clocks of two machines: an observer calls a lease stale when its content has not changed for
`LEASE_SECONDS` of the observer's own monotonic clock, or at once when its process on the observer's host is gone.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmark.files import read
from benchmark.machine import host, process_start

LEASE_SECONDS = 60.0
BEAT_SECONDS = 5.0


@dataclass(frozen=True)
class Held:
    """What a lease file says."""

    token: str
    host: str
    pid: int
    process: str
    beats: int

    def holder_is_gone(self) -> bool:
        """Whether the holder is a process of this machine that no longer runs."""
        return self.host == host() and process_start(self.pid) != self.process


def _parse(text: str) -> Held | None:
    try:
        raw: dict[str, Any] = json.loads(text)
        return Held(str(raw["token"]), str(raw["host"]), int(raw["pid"]), str(raw["process"]), int(raw["beats"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _content(path: Path) -> str | None:
    """What stands at a lease's place, whatever it is; None: nothing. Of what cannot be read, which file it is."""
    try:
        return read(path).decode("utf-8", "replace")
    except OSError:  # a folder, a pipe, another user's, a link that leads nowhere; or nothing at all
        with suppress(OSError):
            stat = path.lstat()
            return f"not to be read: {stat.st_ino} {stat.st_mtime_ns}"
        return None


class Leases:
    """The leases below a results folder. One instance remembers what it has seen, and so notices what goes stale."""

    def __init__(self, results_dir: Path) -> None:
        self.folder = results_dir / "leases"
        self._seen: dict[str, tuple[str, float]] = {}

    def path(self, digest: str) -> Path:
        """Where the lease of a digest stands."""
        return self.folder / f"{digest}.json"

    def take(self, digest: str) -> Lease | None:
        """The lease of a cell, or None while somebody else has it (`sweep` clears those that went stale).

        Raises OSError where the disk does not take it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lease = Lease(self, digest)
        return lease if lease.create() else None

    def holder(self, digest: str) -> Held | None:
        """Who holds a lease, as its file says; None where there is none, or one that cannot be read."""
        return _parse(_content(self.path(digest)) or "")

    def stale(self, digest: str) -> str | None:
        """The content of a lease whose holder is gone or has not beaten for its time; None for one that stands."""
        text = _content(self.path(digest))
        if text is None:
            self._seen.pop(digest, None)
            return None
        held = _parse(text)
        if held is not None and held.holder_is_gone():
            return text
        now = time.monotonic()
        before, since = self._seen.get(digest, (None, now))
        if before != text:
            self._seen[digest] = (text, now)
            return None
        return text if now - since > LEASE_SECONDS else None

    def _remove(self, digest: str, content: str) -> bool:
        """Removes a stale lease: by renaming it, so that of several observers one alone succeeds.

        Between reading and renaming, another observer may have put its own lease there: then what was renamed away is
        not what was read, and it is put back.
        """
        grave = self.folder / f".{digest}.{uuid.uuid4().hex}.stale"
        try:
            os.rename(self.path(digest), grave)
        except OSError:
            return False
        ours = _content(grave) == content
        if not ours:
            with suppress(OSError):
                os.link(grave, self.path(digest))
        with suppress(OSError):
            grave.rmdir() if grave.is_dir() else grave.unlink()  # a folder with something in it stays, out of the way
        return ours

    def sweep(self) -> list[str]:
        """Removes the leases that are stale, and returns their digests. Call it again and again: the first look at a
        lease of another machine only begins the wait."""
        swept = []
        for path in sorted(self.folder.glob("*.json")):
            content = self.stale(path.stem)
            if content is not None and self._remove(path.stem, content):
                swept.append(path.stem)
        return swept


class Lease:
    """A lease that is held while a cell is trained: `with lease:` beats in a thread, and gives it back at the end."""

    def __init__(self, leases: Leases, digest: str) -> None:
        self._path = leases.path(digest)
        self._token = uuid.uuid4().hex
        self._beats = 0
        self._file = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def _text(self) -> bytes:
        held = {
            "token": self._token,
            "host": host(),
            "pid": os.getpid(),
            "process": process_start(os.getpid()) or "?",
            "beats": self._beats,
        }
        return json.dumps(held).ljust(400).encode()  # of one length, so that a beat overwrites the last one whole

    def create(self) -> bool:
        """Creates the file whole or not at all: written under another name, then linked to its own.

        On a file system without hard links it is created exclusively and then written.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        draft = self._path.with_name(f".{self._token}.tmp")
        self._file = os.open(draft, flags, 0o644)
        os.write(self._file, self._text())
        try:
            os.link(draft, self._path)
        except FileExistsError:
            os.close(self._file)
            return False
        except OSError:
            os.close(self._file)
            try:
                self._file = os.open(self._path, flags, 0o644)
            except FileExistsError:
                return False
            os.write(self._file, self._text())
        finally:
            draft.unlink()
        return True

    def mine(self) -> bool:
        """Whether the file is still this holder's."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except OSError:
            return False

    def taken(self) -> bool:
        """Whether somebody else holds the cell now."""
        return self._path.exists() and not self.mine()

    def _beat(self) -> None:
        """Writes into the open file, never by its name: if somebody has taken the lease over, that reaches nobody."""
        while not self._stop.wait(BEAT_SECONDS):
            with suppress(OSError):
                self._beats += 1
                os.pwrite(self._file, self._text(), 0)
                os.fsync(self._file)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(OSError):
            if self.mine():
                self._path.unlink()
        os.close(self._file)
