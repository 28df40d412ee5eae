"""Results on disk: one file a cell, written once, atomically. Tables, resume and reports read nothing else."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.files import NotAFile, read, write_atomically
from benchmark.store import kept, text
from benchmark.store.check import is_digest
from benchmark.store.result import Result, Status

DRAFT_SECONDS = 3600.0
"""After which nobody is still writing a file."""


MOST_HEAD = 2048
"""Bytes of a file that hold its key."""
MOST_NAMED = 3
"""Files that a note names one by one."""


class Store:
    """The Results below a results folder. Reading never changes anything; a file that is no Result is passed over.

    unreadable, blocked: by digest, what was met that is no whole Result, and why: a damaged file, which the next run of its
    cell replaces; and what nobody replaces, such as a folder, another user's file, a newer version's Result. code: by
    digest, what those whose status was asked for say of the code that made them; of one code there is one object.
    """

    def __init__(self, results_dir: Path) -> None:
        self.root = results_dir
        self.cells = results_dir / "cells"
        self.beside = (results_dir / "checkpoints", results_dir / "leases")
        self.unreadable: dict[str, str] = {}
        self.blocked: dict[str, str] = {}
        self.code: dict[str, Mapping[str, str]] = {}
        self._codes: dict[bytes, Mapping[str, str]] = {}

    def prepare(self) -> None:
        """Creates the folder, and clears what killed processes left half-written in it.

        Raises UsageError where writing into it cannot be done.
        """
        self._look_in_the_way("leases", "logs")
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.cells) as file:
                now = os.fstat(file.fileno()).st_mtime  # by the clock that dates the others too
            drafts = (path for folder in (self.cells, *self.beside) for path in folder.glob(".*.tmp"))
            for draft in (*drafts, *kept.drafts(self.root)):
                with suppress(OSError):
                    if now - draft.stat().st_mtime > DRAFT_SECONDS:
                        draft.unlink()
        except OSError as error:
            raise UsageError(
                f"--results-dir: cannot write to {self.root} ({error.strerror}); choose a folder you may write to"
            ) from None

    def path(self, digest: str) -> Path:
        """Where the Result of a digest stands."""
        return self.cells / f"{digest}.json"

    def stamp(self, digest: str) -> tuple[int, int] | None:
        """Which file a digest's Result is at this moment: one that was written since has another stamp. None: none."""
        try:
            stat = self.path(digest).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def write(self, result: Result) -> None:
        """Writes a Result, atomically; raises OSError where the disk does not take it."""
        write_atomically(self.path(result.digest), text.written(result))

    def status(self, digest: str) -> Status | None:
        """The status of a digest's Result; None if there is none, or a damaged one, which `unreadable` then names.

        Raises UsageError for one that a newer version wrote: it must not be made anew.
        """
        content = self._content(digest)
        if content is None:
            return None
        try:
            found = text.status(content, digest)
        except text.Damaged as error:
            self.unreadable[digest] = str(error)
        except text.Newer as error:
            raise UsageError(f"{self.path(digest)}: {error}; use that version, or another --results-dir") from None
        else:
            said = text.code(content)
            if said:
                if said not in self._codes:
                    self._codes[said] = json.loads(said)
                self.code[digest] = self._codes[said]
            return found
        return None

    def _content(self, digest: str) -> bytes | None:
        """What stands at a Result's place; None where nothing does, or what cannot be read, which `blocked` then names."""
        try:
            return read(f"{self.cells}/{digest}.json")
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            self.blocked[digest] = "a folder"
        except NotAFile as error:
            self.blocked[digest] = str(error.strerror)
        except OSError as error:
            self.blocked[digest] = f"cannot be read: {error.strerror}"
        return None

    def digests(self) -> set[str]:
        """The digests that have a file. Raises UsageError for a folder that cannot be read: it is not an empty one."""
        self._look_in_the_way()
        try:
            with os.scandir(self.cells) as entries:
                return {e.name[:-5] for e in entries if e.name.endswith(".json") and not e.name.startswith(".")}
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise UsageError(f"{self.cells}: cannot be read ({error.strerror}); make it readable for you") from None

    def _look_in_the_way(self, *names: str) -> None:
        """Raises UsageError where no folder is at the place of the folder itself, of `cells`, or of one of these."""
        for path in (self.root, self.cells, *(self.root / name for name in names)):
            if os.path.lexists(path) and not os.path.isdir(path):  # which raise nothing
                what = "a link that leads to no folder" if os.path.islink(path) else "a file"
                raise UsageError(f"{path}: {what} is where a folder has to be; move it away, or give another --results-dir")

    def not_kept(self) -> list[str]:
        """A sentence each on the folders beside the Results that cannot be written to: a cell goes on without them."""
        paths = [self.root / name for name in ("checkpoints", "forecasts")]
        bad = [path for path in paths if os.path.lexists(path) and not (path.is_dir() and os.access(path, os.W_OK))]
        return [f"{path}: is no folder that can be written to; {path.name} are not kept; move it away" for path in bad]

    def read(self, digest: str) -> Result | None:
        """One Result; None if there is none, or if its file is not a whole Result, which `note` then names."""
        content = self._content(digest)
        if content is None:
            return None
        try:
            return text.read(content, digest)
        except text.Damaged as error:
            self.unreadable[digest] = str(error)
        except text.Newer as error:
            self.blocked[digest] = str(error)
        return None

    def keys(self) -> Iterator[tuple[str, str]]:
        """The digest and the key of every Result, whole or not, from the first bytes of its file."""
        for digest in sorted(self.digests()):
            with suppress(OSError):
                if (found := text.key(read(self.path(digest), MOST_HEAD))) is not None:
                    yield digest, found

    def begins(self, word: str) -> Result:
        """The one Result whose digest is or begins with a word of at least six letters.

        Raises UsageError where there is none, several, or no whole one.
        """
        result = self.read(digest := self.digest_of(word))
        if result is None:
            raise UsageError(f"'{word}': {self.amiss(digest)}")
        return result

    def digest_of(self, word: str) -> str:
        """The one digest with a file that is or begins with a word of at least six letters.

        Raises UsageError where there is none, or several.
        """
        if len(word) < 6:
            raise UsageError(f"'{word}': give a key like samformer/ETTh1/96/SAMformer/sam/s0 or six letters of a digest")
        digests = [digest for digest in self.digests() if digest.startswith(word.lower())]
        if len(digests) != 1:
            many = "several Results begin so" if digests else f"no Result in {self.cells} has it"
            raise UsageError(f"'{word}': {many}; give a key like samformer/ETTh1/96/SAMformer/sam/s0 or a whole digest")
        return digests[0]

    def amiss(self, digest: str) -> str | None:
        """One sentence on what was met at a digest's place and is no whole Result, and what to do; None: nothing was."""
        if digest in self.blocked:
            return f"{self.path(digest)} is no Result ({self.blocked[digest]}); move it away, and run its cell again"
        if digest in self.unreadable:
            return (
                f"{self.path(digest)} is no whole Result ({self.unreadable[digest]}); the next run of its cell replaces it"
            )
        return None

    def notes(self) -> list[str]:
        """A sentence each on the files that were met and are damaged, and on what stands in a Result's place."""
        found = []
        strange = {name: why for name, why in self.unreadable.items() if not is_digest(name)}
        if damaged := {digest: why for digest, why in self.unreadable.items() if digest not in strange}:
            what = _named(damaged)
            found.append(f"{self.cells}: no whole Results, and left out: {what}; the next run of their cells replaces them")
        if strange:
            what = _named(strange)
            found.append(f"{self.cells}: files whose name is no digest, left out and left alone: {what}; move them away, "
                         "or give a Result its name back (its digest in small letters, and .json)")  # fmt: skip
        if self.blocked:
            what = _named(self.blocked)
            found.append(f"{self.cells}: in the place of a Result, and left alone: {what}; no such cell is trained until "
                         "you have moved it away")  # fmt: skip
        return found

    def results(self) -> Iterator[Result]:
        """Every Result, by digest."""
        for digest in sorted(self.digests()):
            result = self.read(digest)
            if result is not None:
                yield result


def _named(found: Mapping[str, str]) -> str:
    """How many files, and of some the name and what they are."""
    some = ", ".join(f"{digest}.json ({found[digest]})" for digest in sorted(found)[:MOST_NAMED])
    return f"{len(found)}: {some}" + (", …" if len(found) > MOST_NAMED else "")
