"""All tables of a store, written anew: the same store gives the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Paper
from benchmark.errors import counted
from benchmark.files import write_atomically
from benchmark.judging.printedfile import check_own
from benchmark.store import judged
from benchmark.store.measured import of_results
from benchmark.store.store import Store
from tables.claims.evidence import Evidence
from tables.claims.reader import Claim, load_claims
from tables.documents import explain, protocols
from tables.documents.claims import document as claims_document
from tables.documents.longcsv import document as csv_document
from tables.documents.paper import document as paper_document
from tables.explain.figure import figure as explain_figure
from tables.explain.nearness import columns as explained_columns
from tables.figures import cost, curves, deviation, horizons, sam
from tables.figures.data import Figure
from tables.layout import latex
from tables.layout.subject import Subject
from tables.layout.table import AS_IT_IS, Options
from tables.ledger import take_away_stale
from tables.rows.build import code_notes, lookback_notes, rows
from tables.rows.judge import judged_cells
from tables.rows.results import Index, index
from tables.rows.row import of_one_task


@dataclass(frozen=True)
class FigureFile:
    """A figure beside the tables. suffix: in its files' names. protocol: the only one that has it; None: every one."""

    suffix: str
    figure: Callable[[Subject], Figure | None]
    protocol: str | None = None


FIGURES = (
    FigureFile("", lambda of: horizons.figure(of.paper, of.rows, of.about)),
    FigureFile("deviation", lambda of: deviation.figure(of.paper, of.rows, of.profile, of.about)),
    FigureFile("sam", lambda of: sam.figure(of.paper, of.rows, of.about)),
    FigureFile("cost", lambda of: cost.figure(of.paper, of.rows, of.about), protocol="paper"),
    FigureFile("curves", lambda of: curves.figure(of.paper, of.rows, of.curves, of.about), protocol="paper"),
)
"""Every figure of a paper; one without data makes no file."""

DOCUMENTS: tuple[tuple[str, Callable[[Subject], str]], ...] = (
    ("md", paper_document),
    ("csv", csv_document),
    ("tex", lambda of: latex.document(of.paper, of.rows, of.protocol, of.profile, of.options)),
)
"""Every document of a paper, by the suffix of its file."""
MOST_NAMED = 3
"""Files that a message names one by one."""


def render(
    catalogue: Catalogue, results_dir: Path, options: Options = AS_IT_IS, papers: Sequence[str] | None = None,
    held: tuple[Index, Evidence] | None = None, page: bool = True,
) -> list[Path]:  # fmt: skip
    """Writes the tables of every paper that has Results, ``protocols.md``, ``explain.md`` and ``claims.md``, and the page
    ``report.html``; returns what was written.

    `options`: how the papers' own tables are shown. `papers`: their names; None: all, and only then the three documents
    about all of them, with the figures of the second. `held`: what `read` gave with `options.extra`, where that is had.
    `page`: whether the page is written, which is of all papers in any case.

    ``tables/<paper>.{md,csv,tex,png,svg}`` and the figures ``<paper>.{deviation,sam,cost,curves}.{png,svg}``, as far as
    there is data for them, are of one protocol and one profile. ``<paper>`` alone is protocol paper in
    profile paper; where a protocol has Results of profile quick only, its tables are of those and say so. Other
    protocols, and quick beside paper, stand in files of their own: ``<paper>.<protocol>.quick``. What an earlier render
    wrote of these papers, and this one does not, is taken away: a picture without its Results, or without figures.
    """
    found, evidence = held or read(catalogue, results_dir, options.extra)
    of_paper: dict[str, list[Path]] = {}
    for paper in catalogue.papers.values():
        if papers is not None and paper.name not in papers:
            continue
        for note in filter(None, _not_in_a_table(paper, found, evidence)):
            print(f"{paper.name}: {note}", file=sys.stderr)
        kinds = list(evidence.rows_of[paper.name])
        written = of_paper.setdefault(paper.name, [])
        for subject in _subjects(paper, found, evidence, options):
            base = results_dir / "tables" / _name(paper, subject.protocol, subject.profile, kinds)
            for suffix, document in DOCUMENTS:
                written.append(_write(base, suffix, document(subject)))
            written += _write_pictures(subject, base)
    write_judged(evidence, results_dir)
    of_all: list[Path] = []
    any_paper = any(of_paper.values())
    if any_paper and papers is None:
        path = results_dir / "tables" / "protocols.md"
        write_atomically(path, protocols.document((p, evidence.rows_of[p.name]) for p in catalogue.papers.values()))
        of_all += [path, *write_explanation(evidence, results_dir, options.figures)]
        of_all.append(write_claims(*evidence.split(load_claims(catalogue)), evidence, results_dir))
    if any_paper and page:
        of_all.append(write_report(found, evidence, results_dir))
    take_away_stale(results_dir, of_paper, of_all, whole=papers is None)
    return [*(path for paths in of_paper.values() for path in paths), *of_all]


def write_subject(of: Subject, base: Path) -> list[Path]:
    """Writes the documents and pictures of a subject that is of no store; their names begin with `base`."""
    written = [_write(base, suffix, document(of)) for suffix, document in DOCUMENTS]
    return [*written, *_write_pictures(of, base)]


def _write_pictures(of: Subject, base: Path) -> list[Path]:
    return [_write(base, suffix, content) for suffix, content in _pictures(of)]


def figures_of(of: Subject) -> list[Figure]:
    """The figures for which there is data."""
    return [figure for _, figure in _figures(of)]


def write_report(found: Index, evidence: Evidence, results_dir: Path) -> Path:
    """Writes ``report.html``: of all papers, tables as the papers have them, whatever else was asked of a render."""
    from tables.report.page import Told, document  # what it is made with is not needed by all commands

    papers = evidence.catalogue.papers.values()
    subjects = {paper.name: [_by_own_metrics(of) for of in _subjects(paper, found, evidence, AS_IT_IS)] for paper in papers}
    claims, left = evidence.split(load_claims(evidence.catalogue))
    told = Told(evidence=evidence, found=found, subjects=subjects, claims=claims, left=left,
                figures=figures_of, forecasts=results_dir / "forecasts")  # fmt: skip
    path = results_dir / "report.html"
    write_atomically(path, document(told))
    return path


def _by_own_metrics(of: Subject) -> Subject:
    """Without the rows of other metrics, which a render has when it is asked for them."""
    return replace(of, rows=[row for row in of.rows if row.key.metric in of.paper.metrics])


def _subjects(paper: Paper, found: Index, evidence: Evidence, options: Options) -> list[Subject]:
    """What a paper's files are about, a protocol and profile each."""
    used = _used(paper, evidence)
    notes = found.notes(paper, evidence.catalogue, used)
    subjects = []
    for (protocol, profile), table in evidence.rows_of[paper.name].items():
        shown = {digest for row in table for digest in row.ours.digests}
        made = filter(None, [found.trained_with(shown), found.made_by(shown)])
        said = [*lookback_notes(table), *code_notes(table), *made, *notes]
        subjects.append(Subject(paper=paper, rows=table, protocol=protocol, profile=profile, options=options, notes=said,
                                curves=found.curves))  # fmt: skip
    return subjects


def _used(paper: Paper, evidence: Evidence) -> set[str]:
    """The digests that stand in a table of a paper's."""
    tables = evidence.rows_of[paper.name].values()
    return {d for table in tables for row in table for d in (*row.ours.digests, *row.choice.passed_over)}


def _not_in_a_table(paper: Paper, found: Index, evidence: Evidence) -> tuple[str | None, str | None]:
    return found.left_out(paper, _used(paper, evidence)), found.older(paper)


def read(catalogue: Catalogue, results_dir: Path, extra: Sequence[str] = ()) -> tuple[Index, Evidence]:
    """What a store holds, and the rows of every paper, protocol and profile, of `extra` metrics too; unreadable files are
    named on stderr."""
    check_own(catalogue.papers.values())
    store = Store(results_dir)
    found = index(store, catalogue.datasets.values())
    for note in store.notes():
        print(note, file=sys.stderr)
    rows_of = {
        paper.name: {kind: rows(catalogue, paper, found, *kind, extra) for kind in found.kinds_of(paper)}
        for paper in catalogue.papers.values()
    }
    measured, left = of_results(results_dir, found.done)
    if left:
        some = ", ".join(left[:MOST_NAMED]) + (", …" if len(left) > MOST_NAMED else "")
        print(
            f"{counted(len(left), 'file')} of analysis damaged, or about another training than the Result, and left out "
            f"({some}); `python -m benchmark.analysis` makes such a file anew", file=sys.stderr,
        )  # fmt: skip
    return found, Evidence(catalogue, rows_of, measured)


def write_explanation(evidence: Evidence, results_dir: Path, figures: bool = True) -> list[Path]:
    """Writes ``tables/explain.md``, and ``<paper>.explain.{png,svg}`` of every paper that it has."""
    papers = [(paper, evidence.rows_of[paper.name]) for paper in evidence.catalogue.papers.values()]
    path = results_dir / "tables" / "explain.md"
    write_atomically(path, explain.document(papers, figures))
    written = [path]
    for paper, rows_of in papers if figures else ():
        if (figure := explain_figure(paper, explained_columns(paper, rows_of))) is not None:
            from tables.figures.matplotlib_renderer import pictures  # slow to import, and not needed by all commands

            base = path.with_name(f"{paper.name}.explain")
            written += [_write(base, kind, content) for kind, content in pictures(figure).items()]
    return written


def judge(catalogue: Catalogue, results_dir: Path) -> None:
    """Writes what a plan needs to know of a store's verdicts, without any table."""
    write_judged(read(catalogue, results_dir)[1], results_dir)


def write_judged(evidence: Evidence, results_dir: Path) -> None:
    """Writes ``judged.json``."""
    found = [
        judged_cells(table, *kind, evidence.catalogue.papers[name].metric.name)
        for name, rows_of in evidence.rows_of.items() for kind, table in rows_of.items()
    ]  # fmt: skip
    cells = {key: cell for of in found for key, cell in of.cells.items()}
    judged.write(results_dir, judged.Judged(cells, {key: each for of in found for key, each in of.columns.items()}))


def write_claims(claims: Sequence[Claim], left: Sequence[Claim], evidence: Evidence, results_dir: Path) -> Path:
    """Writes ``tables/claims.md``. left: the claims that it only says where to find."""
    path = results_dir / "tables" / "claims.md"
    write_atomically(path, claims_document(claims, evidence, left))
    return path


def _name(paper: Paper, protocol: str, profile: str, kinds: Sequence[tuple[str, str]]) -> str:
    name = [paper.name]
    if protocol != "paper":
        name.append(protocol)
    if profile != "paper" and (protocol, "paper") in kinds:
        name.append(profile)
    return ".".join(name)


def _write(base: Path, suffix: str, content: str | bytes) -> Path:
    path = base.with_name(f"{base.name}.{suffix}")
    write_atomically(path, content)
    return path


def _pictures(of: Subject) -> Iterator[tuple[str, bytes]]:
    """The suffix and content of each picture."""
    if of.options.figures:
        from tables.figures.matplotlib_renderer import pictures  # slow to import, and not needed by all commands

        for file, figure in _figures(of):
            yield from ((f"{file.suffix}.{kind}".lstrip("."), data) for kind, data in pictures(figure).items())


def _figures(of: Subject) -> Iterator[tuple[FigureFile, Figure]]:
    """The figures for which there is data."""
    of = replace(of, rows=of_one_task(of.rows))
    for file in FIGURES:
        if file.protocol in (None, of.protocol) and (figure := file.figure(of)) is not None:
            yield file, figure
