"""Results as one file: gzip of lines of JSON, the first a manifest, then a Result a line, by digest, then a line for each
file of numbers that `python -m benchmark.analysis` has found in one of them, by digest and command.

The manifest names the format, how many Results there are by status, by commit of the code and by training semantics, and
the SHA-256 of each line. Nothing in the file depends on when or where it was made: the same Results give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError, nearest
from benchmark.files import is_special, write_atomically
from benchmark.store import measured, text
from benchmark.store.check import undecided
from benchmark.store.result import Result
from benchmark.store.store import Store

FORMAT = "forecast-benchmark Results"
VERSION, PLAIN = 2, 1
"""The newest form; and that of a file without a line of analysis, which an earlier version of the suite reads too."""
NOT_SAID = "not said"
CHANGED = " (+: with changes that were not committed)"
"""What a mark behind a commit means."""
LARGEST_LINE = 2**28
"""Bytes of a line, more than any Result has: a file of something else does not fill the memory."""


@dataclass(frozen=True)
class Chosen:
    """Which Results, by the fields of their cells and by status; None: every one.

    subset, papers, models: names, whose case does not count; a word of `subset` in capitals is also what the names of data
    sets begin with (``ETT``). horizons: steps. seeds: from 0. sam: ``on``, ``off`` or ``both``. protocol, profile: as a
    cell has them. status: several of `STATUSES`.
    """

    subset: tuple[str, ...] | None = None
    papers: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    horizons: tuple[int, ...] | None = None
    seeds: tuple[int, ...] | None = None
    sam: str | None = None
    protocol: str | None = None
    profile: str | None = None
    status: tuple[str, ...] | None = None

    def takes(self, result: Result) -> bool:
        """Whether a Result is among them."""
        cell = result.cell
        wanted: list[tuple[tuple[object, ...] | None, object]] = [
            (_folded(self.papers), _fold(cell.get("paper"))), (_folded(self.models), _fold(cell.get("model"))),
            (self.horizons, cell.get("horizon")), (self.seeds, cell.get("seed")), (self.status, result.status),
            (None if self.protocol is None else (self.protocol,), cell.get("protocol")),
            (None if self.profile is None else (self.profile,), cell.get("profile")),
            ({"on": (True,), "off": (False,)}.get(self.sam or ""), cell.get("sam")),
        ]  # fmt: skip
        dataset = _fold(cell.get("dataset"))
        of_set = self.subset is None or any(_means(word, dataset) for word in self.subset)
        return of_set and all(values is None or value in values for values, value in wanted)


def _fold(name: object) -> str:
    return str(name).casefold()


def _folded(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(map(_fold, names))


def _means(word: str, dataset: str) -> bool:
    return dataset.startswith(_fold(word)) if word.isupper() else dataset == _fold(word)


def export(store: Store, chosen: Chosen, path: Path) -> tuple[Counter[str], int]:
    """Writes the chosen Results, whole or not at all; returns how many there are of each status, and with how many files of
    what analysis has found.

    Raises UsageError for a name that no Result has, where none is chosen, and where something else than an earlier export
    stands at the path; OSError where the disk does not take it.
    """
    _check_target(path)
    lines: dict[str, bytes] = {}
    found: dict[str, bytes] = {}
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("commits", "semantics", "statuses")}
    names: dict[str, set[str]] = {"dataset": set(), "paper": set(), "model": set()}
    for result in store.results():
        for name, known in names.items():
            known.add(str(result.cell.get(name)))
        if chosen.takes(result):
            try:
                lines[result.digest] = text.in_a_line(store.path(result.digest).read_bytes())
            except ValueError:
                store.unreadable[result.digest] = "no JSON: a number in it is none"
                continue
            counts["statuses"][result.status] += 1
            counts["commits"][str(result.environment.get("git_commit") or NOT_SAID)] += 1
            counts["semantics"][str(result.semantics or NOT_SAID)] += 1
            found |= measured.lines(store.root, result)
    _check_names(chosen, names)
    if not lines:
        why = "".join(f"; {note}" for note in store.notes())
        raise UsageError(f"no Result in {store.cells} is of that kind; nothing is written{why}")
    head = {"format": FORMAT, "version": PLAIN, "results": len(lines), **counts, "sha256": _sums(lines)}
    head |= {"version": VERSION, "measured": _sums(found)} if found else {}
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        for line in (json.dumps(head, sort_keys=True).encode(), *lines.values(), *found.values()):
            file.write(line + b"\n")
    write_atomically(path, packed.getvalue())
    return counts["statuses"], len(found)


def _sums(lines: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(line).hexdigest() for name, line in lines.items()}


def _check_target(path: Path) -> None:
    if str(path) == "-":
        raise UsageError("expected the name of a file, found '-'; an export is written to a file only")
    if is_special(path) or path.is_dir():
        raise UsageError(f"{path}: no regular file, and left alone; give the name of a file")
    if path.exists():
        try:
            _head(path, next(_lines(path, Imported()), b""))
        except UsageError:
            raise UsageError(f"{path}: is there, is no export of Results, and is left alone; give another name") from None


def _check_names(chosen: Chosen, known: Mapping[str, set[str]]) -> None:
    for option, name in (("subset", "dataset"), ("papers", "paper"), ("models", "model")):
        for word in getattr(chosen, option) or ():
            if not any(_means(word, _fold(each)) or _fold(word) == _fold(each) for each in known[name]):
                raise UsageError(f"--{option}: no Result of '{word}'{nearest(word, sorted(known[name]))}")


@dataclass
class Imported:
    """What became of the Results of a file, by digest.

    new: there was none, or a damaged one. better: there was one that is not done. there: one that stands. other: of these,
    done with other numbers. measured: `digest/command` of what analysis has found and was not there. damaged: why, of those
    that are not taken. missing: how many the file has lost. unlisted: lines that its beginning does not list. ends_badly:
    its end is not that of what was packed.
    """

    new: list[str] = field(default_factory=list)
    better: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    unlisted: int = 0
    ends_badly: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the file was all that was exported, and no more."""
        return not (self.damaged or self.missing or self.unlisted or self.ends_badly)


def merge(path: Path, store: Store) -> Imported:
    """Takes in the Results of a file, each as it was written. What is done is never replaced, nor what is not done by what
    is not done either. Of a file that was cut off or edited the Results that are whole are taken.

    Raises UsageError for a file that is no export, or cannot be read; OSError where the disk does not take a Result.
    """
    done = Imported()
    lines = _lines(path, done)
    head = _head(path, next(lines, b""))
    of_analysis = head.get("measured", {})
    left: dict[str, str] = {**of_analysis, **head["sha256"]}
    for line in lines:
        seen = hashlib.sha256(line).hexdigest()
        name = _named_in(line)
        if name not in left:
            done.unlisted += 1
        elif left.pop(name) != seen:
            done.damaged[name] = "changed since it was exported"
        elif name in of_analysis:
            _take_measured(name, line, store, done)
        else:
            _take(name, line, store, done)
    done.missing = len(left)
    return done


def in_words(path: Path) -> str:
    """What a file's manifest says: how many Results, made by which commits under which training semantics.

    Raises UsageError for a file that is no export.
    """
    head = _head(path, next(_lines(path, Imported()), b""))
    said = {name: ", ".join(sorted(head[name])) for name in ("commits", "semantics")}
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(head["statuses"].items()))
    changed = CHANGED if "+" in said["commits"] else ""
    return f"{path.name}: {statuses}; code at {said['commits']}{changed}; training semantics {said['semantics']}"


def _named_in(line: bytes) -> str:
    """The digest that a line is about, of analysis with its command behind it; empty where it is about none."""
    try:
        raw = json.loads(line)
        names = [raw["digest"], *([raw["command"]] if "numbers" in raw else [])]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return "/".join(names) if all(isinstance(name, str) for name in names) else ""


def _take(digest: str, line: bytes, store: Store, done: Imported) -> None:
    try:
        content = text.laid_out(line)
        result = text.read(content.encode(), digest)
    except (text.Damaged, text.Newer) as error:
        done.damaged[digest] = str(error)
        return
    if why := undecided(result):
        done.damaged[digest] = why
        return
    held = store.read(digest)
    if digest in store.blocked:
        done.damaged[digest] = f"in its place in {store.cells} stands {store.blocked[digest]}"
    elif held is None or (held.status != "done" and result.status == "done"):
        (done.new if held is None else done.better).append(digest)
        write_atomically(store.path(digest), content)
    else:
        done.there.append(digest)
        if held.status == result.status == "done" and held.metrics != result.metrics:
            done.other.append(digest)


def _take_measured(name: str, line: bytes, store: Store, done: Imported) -> None:
    try:
        if measured.take(name, line, store.root, store.read(name.partition("/")[0])):
            done.measured.append(name)
    except text.Damaged as error:
        done.damaged[name] = str(error)


def _lines(path: Path, done: Imported) -> Iterator[bytes]:
    """The whole lines of a packed file, as far as it can be unpacked; `done` is told where it ends badly.

    Raises UsageError where it cannot be read at all.
    """
    if is_special(path):
        raise UsageError(f"{path}: no regular file; expected what `export` wrote")
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(LARGEST_LINE):
                if line.endswith(b"\n"):
                    yield line[:-1]
                else:
                    done.ends_badly = True
    except (EOFError, zlib.error, gzip.BadGzipFile):
        done.ends_badly = True
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); expected what `export` wrote") from None


def _head(path: Path, line: bytes) -> dict[str, Any]:
    """The manifest; its `sha256` and `measured` are checksums by name. Raises UsageError for a first line that is none."""
    raw: Any = None
    try:
        raw = json.loads(line)
        if raw["format"] == FORMAT and raw["version"] > VERSION:
            raise UsageError(f"{path}: exported by a newer version of the suite; import it with that one")
        counted = all(isinstance(raw[name], dict) for name in ("commits", "semantics", "statuses"))
        sums = [*raw["sha256"].values(), *raw.get("measured", {}).values()]
        if raw["format"] == FORMAT and counted and all(isinstance(value, str) for value in sums):
            return dict(raw)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise UsageError(f"{path}: no export of Results, or its beginning is damaged; expected what "
                     "`python -m benchmark.store export` wrote")  # fmt: skip
