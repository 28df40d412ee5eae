"""Results on disk: one file a cell, written once, atomically. Tables, resume and reports read nothing else."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError
from benchmark.files import write_atomically
from benchmark.store.result import SCHEMA, STATUSES, Result, Status, _plain

DRAFT_SECONDS = 3600.0
"""After which nobody is still writing a file."""


_HEAD = re.compile(rb'^\{\s*"schema":\s*(\d+),\s*"key":\s*"(?:[^"\\]|\\.)*",\s*"digest":\s*"([0-9a-f]{64})",'
                   rb'\s*"status":\s*"([a-z]+)"')  # fmt: skip


class Store:
    """The Results below a results folder. Reading never changes anything; a file that is no Result is passed over."""

    def __init__(self, results_dir: Path) -> None:
        self.root = results_dir
        self.cells = results_dir / "cells"
        self.beside = (results_dir / "checkpoints", results_dir / "leases")
        self.unreadable: set[str] = set()

    def prepare(self) -> None:
        """Creates the folder, and clears what killed processes left half-written in it.

        Raises UsageError where writing into it cannot be done.
        """
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.cells) as file:
                now = os.fstat(file.fileno()).st_mtime  # by the clock that dates the others too
            for draft in (path for folder in (self.cells, *self.beside) for path in folder.glob(".*.tmp")):
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
        text = json.dumps(_plain(result), indent=1, allow_nan=False, ensure_ascii=False)
        write_atomically(self.path(result.digest), text + "\n")

    def status(self, digest: str) -> Status | None:
        """The status of a digest's Result, from the first and last bytes of its file; None if there is none.

        Raises UsageError for one that a newer version wrote: it must not be made anew.
        """
        try:
            with self.path(digest).open("rb") as file:
                head = tail = file.read(2048)
                if len(head) == 2048:
                    file.seek(-2, os.SEEK_END)
                    tail = file.read()
        except OSError:
            return None
        match = _HEAD.match(head)
        if match is not None and int(match[1]) > SCHEMA:
            raise UsageError(
                f"{self.path(digest)}: written by a newer version (schema {int(match[1])}, this one knows {SCHEMA}); use "
                "that version, or another --results-dir"
            )
        if match is None or match[2].decode() != digest or not tail.rstrip().endswith(b"}"):  # or cut off
            self.unreadable.add(digest)
            return None
        status = match[3].decode()
        return next((s for s in STATUSES if s == status), None)

    def digests(self) -> set[str]:
        """The digests that have a file."""
        try:
            with os.scandir(self.cells) as entries:
                return {e.name[:-5] for e in entries if e.name.endswith(".json") and not e.name.startswith(".")}
        except OSError:
            return set()

    def read(self, digest: str) -> Result | None:
        """One Result; None if there is none, or if its file is not a whole Result."""
        try:
            raw: dict[str, Any] = json.loads(self.path(digest).read_text("utf-8"))
            known = {f.name for f in fields(Result)}
            values: dict[str, Any] = {k: tuple(v) if k == "epochs" else v for k, v in raw.items() if k in known}
            result = Result(**values)
            whole = result.digest == digest and result.schema <= SCHEMA and result.status in STATUSES
            tables = (result.cell, result.recipe, result.metrics, result.environment, result.windows, *result.epochs)
            whole = whole and isinstance(result.key, str) and all(isinstance(table, Mapping) for table in tables)
            if whole and result.status == "done":
                whole = bool(result.metrics) and all(math.isfinite(value) for value in result.metrics.values())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            whole = False
        if not whole:
            self.unreadable.add(digest)
            return None
        return result

    def begins(self, text: str) -> Result:
        """The one Result whose digest is or begins with a text of at least six letters.

        Raises UsageError where there is none, several, or no whole one.
        """
        if len(text) < 6:
            raise UsageError(f"'{text}': give a key like samformer/ETTh1/96/SAMformer/sam/s0 or six letters of a digest")
        digests = [digest for digest in self.digests() if digest.startswith(text.lower())]
        if len(digests) != 1:
            many = "several Results begin so" if digests else f"no Result in {self.cells} has it"
            raise UsageError(f"'{text}': {many}; give a key like samformer/ETTh1/96/SAMformer/sam/s0 or a whole digest")
        result = self.read(digests[0])
        if result is None:
            raise UsageError(f"{self.path(digests[0])} is not a whole Result; delete it and run the cell again")
        return result

    def note(self) -> str | None:
        """One sentence on the files that were met and are no whole Results; None if there were none."""
        if not self.unreadable:
            return None
        names = [self.path(digest).name for digest in sorted(self.unreadable)]
        some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        return (
            f"{self.cells}: no whole Results of this version and left out: {len(names)} ({some}); a cell that a plan "
            "shows as done all the same runs again once its file is deleted"
        )

    def results(self) -> Iterator[Result]:
        """Every Result, by digest."""
        for digest in sorted(self.digests()):
            result = self.read(digest)
            if result is not None:
                yield result
