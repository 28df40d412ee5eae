"""All tables of a store, written anew: the same store gives the same bytes."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.grid import Catalogue
from benchmark.paper import Paper
from benchmark.store import Store, write_atomically
from tables import figure, latex, markdown, protocols
from tables.digits import fixed
from tables.frame import CSV_COLUMNS, Row, lookback_notes, rows
from tables.index import index

Frames = dict[tuple[str, str], list[Row]]
"""A paper's rows by protocol and profile."""


def render(catalogue: Catalogue, results_dir: Path) -> list[Path]:
    """Writes the tables of every paper that has Results, and ``protocols.md``; returns what was written.

    ``tables/<paper>.{md,csv,tex,png,svg}`` are of one protocol and one profile. ``<paper>`` alone is protocol paper in
    profile paper; where a protocol has Results of profile quick only, its tables are of those and say so. Other
    protocols, and quick beside paper, stand in files of their own: ``<paper>.<protocol>.quick``.
    """
    store = Store(results_dir)
    found = index(store)
    if (note := store.note()) is not None:
        print(note, file=sys.stderr)
    written = []
    frames: list[tuple[Paper, Frames]] = []
    for paper in catalogue.papers.values():
        kinds = found.kinds_of(paper)
        of_paper = {kind: rows(catalogue, paper, found, *kind) for kind in kinds}
        used = {d for table in of_paper.values() for row in table for d in (*row.digests, *row.passed_over)}
        notes = found.notes(paper, catalogue, used)
        for kind, table in of_paper.items():
            base = results_dir / "tables" / _name(paper, *kind, kinds)
            for suffix, content in _files(paper, table, *kind, [*lookback_notes(table), *notes]):
                path = base.with_name(f"{base.name}.{suffix}")
                write_atomically(path, content)
                written.append(path)
        frames.append((paper, of_paper))
    if written:
        path = results_dir / "tables" / "protocols.md"
        write_atomically(path, protocols.document(frames))
        written.append(path)
    return written


def _name(paper: Paper, protocol: str, profile: str, kinds: Sequence[tuple[str, str]]) -> str:
    name = [paper.name]
    if protocol != "paper":
        name.append(protocol)
    if profile != "paper" and (protocol, "paper") in kinds:
        name.append(profile)
    return ".".join(name)


def _files(
    paper: Paper, table: list[Row], protocol: str, profile: str, notes: Sequence[str]
) -> Iterator[tuple[str, str | bytes]]:
    """The suffix and content of each file of one table."""
    yield "md", markdown.document(paper, table, protocol, profile, notes)
    yield "csv", long_csv(table)
    yield "tex", latex.document(paper, table, protocol, profile)
    smoke = "" if profile == "paper" else f", profile {profile} (a smoke run)"
    title = f"{paper.name}, protocol {protocol}{smoke}: mean ± standard deviation over seeds"
    yield from figure.pictures(paper, table, title).items()


def long_csv(table: Sequence[Row]) -> str:
    """The long CSV of interfaces.md: numbers with six digits, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table:
        writer.writerow([_cell(getattr(row, name)) for name in CSV_COLUMNS])
    return out.getvalue()


def _cell(value: object) -> str:
    """A field; a text that a spreadsheet would take for a formula gets an apostrophe, a number never does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return fixed(value, 6) or ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    text = str(value)
    return "'" + text if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
