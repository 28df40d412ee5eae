"""A published run: exported Results in a folder, and everything that is rendered from them, without training or data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.config.catalogue import Catalogue
from benchmark.config.yamlfile import load
from benchmark.errors import UsageError, counted, either, nearest
from benchmark.files import write_atomically
from benchmark.store.exchange import in_words, merge
from benchmark.store.store import Store
from tables.documents.reproduction import Published, document
from tables.layout.table import Options
from tables.render import read, render

EXPORTS = "*.jsonl.gz"


UNMEASURED = "unmeasured.yaml"
"""Beside the exports: by data set or column, in a sentence, why it was not measured. The one thing that a person writes."""


def render_from(known: Catalogue, folder: Path, options: Options, papers: Sequence[str] | None = None) -> Rendered:
    """Writes ``FOLDER/tables``, as `render` does for a store, and takes away what else stands there; of all papers,
    ``reproduction.md`` beside the folder too.

    Raises UsageError for a folder without an export, and for one of which a Result is damaged: what is published is whole.
    """
    target, done, reasons = folder / "tables", Rendered(), _reasons(folder / UNMEASURED, known)
    with tempfile.TemporaryDirectory() as place:
        exports = take_in(folder, Store(Path(place)))
        index, evidence = read(known, Path(place), options.extra)
        for path in render(known, Path(place), options, papers, (index, evidence), page=False):
            done.write(target / path.name, path.read_bytes())
        if papers is None:
            name = f"{folder.resolve().parent.name}/{folder.name}"
            published = Published(
                folder=name, made=[in_words(export) for export in exports], index=index,
                papers=[(paper, evidence.rows_of[paper.name]) for paper in known.papers.values()],
                unmeasured=reasons,
            )  # fmt: skip
            done.write(folder.parent / "reproduction.md", document(published).encode())
    if papers is None:
        for path in sorted(set(target.iterdir()) - set(done.written)):
            if path.is_file() and (options.figures or path.suffix not in (".png", ".svg")):
                path.unlink()
                done.otherwise.append(path)
    return done


@dataclass
class Rendered:
    """written: every file. new: those of them that did not stand there. otherwise: those that came out otherwise than they
    stood there, and those taken away."""

    written: list[Path] = field(default_factory=list)
    new: list[Path] = field(default_factory=list)
    otherwise: list[Path] = field(default_factory=list)

    def write(self, path: Path, content: bytes) -> None:
        """Writes a file, unless it stands there as it is."""
        self.written.append(path)
        there = path.read_bytes() if path.exists() else None
        if there != content:
            write_atomically(path, content)
            (self.new if there is None else self.otherwise).append(path)


def take_in(folder: Path, store: Store) -> list[Path]:
    """Takes the Results of all exports in a folder into a store; returns the exports.

    Raises UsageError where there is none, and for one of which a Result is damaged, lost, or another in another file.
    """
    exports = sorted(folder.glob(EXPORTS))
    if not exports:
        how = "`python -m benchmark.store export` writes them"
        raise UsageError(f"--from: no exported Results ({EXPORTS}) in {folder}; {how}")
    store.prepare()
    for export in exports:
        done = merge(export, store)
        lost = len(done.damaged) + done.missing
        if lost or done.other:
            if lost:
                what = f"{counted(lost, 'Result')} {either(lost, 'is', 'are')} damaged or lost"
            else:
                other = len(done.other)
                what = f"{counted(other, 'Result')} {either(other, 'differs', 'differ')} from another file's"
            raise UsageError(f"{export}: {what}; export it anew")
    return exports


def _reasons(path: Path, catalogue: Catalogue) -> dict[str, str]:
    """Raises UsageError for a file of another form, and for a name that neither a data set nor a column has."""
    if not path.exists():
        return {}
    found = load(path)
    found.of(dict, "a sentence by data set or column")
    papers = catalogue.papers.values()
    names = {name for paper in papers for name in (*paper.datasets, *paper.columns)}
    for name, child in found.children().items():
        if name not in names:
            raise child.fail(
                f"expected the name of a data set or of a column of a paper{nearest(str(name), sorted(names))}"
            )
    return {str(name): child.of(str, "a sentence") for name, child in found.children().items()}
