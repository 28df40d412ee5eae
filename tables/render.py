"""All tables of a store, written anew: the same store gives the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from benchmark.grid import Catalogue
from benchmark.store import Store, write_atomically
from tables import markdown
from tables.frame import CSV_COLUMNS, Row, index, rows


def render(catalogue: Catalogue, results_dir: Path) -> list[Path]:
    """Writes ``tables/<paper>.{md,csv}`` for every paper that has Results; returns what was written.

    A table is of one protocol and one profile. ``<paper>`` alone is protocol paper in profile paper; where a protocol has
    Results of profile quick only, its table is of those and says so. Other protocols, and quick beside paper, stand in
    files of their own: ``<paper>.<protocol>.quick``.
    """
    found = index(Store(results_dir))
    written = []
    for paper in catalogue.papers.values():
        kinds = found.kinds[paper.name]
        for protocol, profile in sorted(kinds):
            name = [paper.name]
            if protocol != "paper":
                name.append(protocol)
            if profile != "paper" and (protocol, "paper") in kinds:
                name.append(profile)
            table = rows(catalogue, paper, found, protocol, profile)
            base = results_dir / "tables" / ".".join(name)
            for suffix, text in (
                ("md", markdown.document(paper, table, protocol, profile)),
                ("csv", long_csv(table)),
            ):
                path = base.with_name(f"{base.name}.{suffix}")
                write_atomically(path, text)
                written.append(path)
    return written


def long_csv(table: Sequence[Row]) -> str:
    """The long CSV of interfaces.md: numbers with six digits, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table:
        writer.writerow([_cell(getattr(row, name)) for name in CSV_COLUMNS])
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    text = str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
