"""``python -m tables judge``: a file of anybody's numbers → a paper's table of them, verdicts, claims, figures, page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Paper
from benchmark.errors import UsageError, counted, told
from benchmark.files import read, write_atomically
from benchmark.judging.printed import printed_numbers
from tables.claims.evidence import Evidence
from tables.claims.reader import load_claims
from tables.documents import claims as claims_document
from tables.documents import explain
from tables.explain.nearness import columns as explained_columns
from tables.figures.data import Figure
from tables.imported.csvfile import read_csv
from tables.imported.logs import no_result
from tables.imported.place import Placed, place
from tables.imported.tslib import is_tslib, read_tslib
from tables.layout.subject import Subject
from tables.report.answer import answer
from tables.report.page import Told, document
from tables.rows.results import Index
from tables.rows.row import IMPORTED


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What came of a file.

    subject: what its tables are of. evidence: the same for claims and the page. note: whose numbers they are. left: a
    sentence for each line that was not used; notes: on the file as a whole.
    """

    subject: Subject
    evidence: Evidence
    note: str
    left: Sequence[str]
    notes: Sequence[str]


def judge_file(known: Catalogue, path: Path, paper: Paper, lookback: int = 0) -> Judged:
    """Raises UsageError for a file that cannot be read, and where none of its numbers has a place in the paper's grid."""
    try:
        raw = read(path)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(told(error)) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start}); save the file as UTF-8") from None
    if lacks := no_result(text):
        raise UsageError(f"{path}:{lacks[0]}: {lacks[1]}")
    found = read_tslib(text, [*paper.columns]) if is_tslib(text) else read_csv(str(path), text)
    placed = place(found, paper, lookback)
    left = [f"{path}:{line}: {what}; left out" for line, what in sorted(found.left)]
    if not any(row.ours.n or row.ours.not_finite for row in placed.rows):
        first = f"; the first line: {left[0]}" if left else ""
        raise UsageError(f"{path}: no number of it has a place in the grid of {paper.name}{first}")
    unplaced = {line for line, _ in found.left}
    used = counted(sum(number.line not in unplaced for number in found.numbers), "line")
    note = (
        f"Imported: {used} of {path.name} (SHA-256 {hashlib.sha256(raw).hexdigest()[:12]}…), numbers "
        "of other code, which this suite has neither trained nor tested. That they are on the standardised scale, over all "
        "test windows, steps and channels, is taken on trust."
    )
    lines = f"Not used: {counted(len(left), 'line')} of it, which `python -m tables judge` names."
    whole = replace(known, papers={**known.papers, paper.name: placed.whole})
    return Judged(
        subject=Subject(paper=placed.paper, rows=placed.rows, protocol=IMPORTED, profile="paper",
                        notes=[note, *([lines] if left else [])]),
        evidence=Evidence(whole, {paper.name: {(IMPORTED, "paper"): placed.rows}}),
        note=note, left=left,
        notes=[*found.notes, *_misspelt(path, paper, placed), *_unsaid(path, placed), *_elsewhere(path, placed)],
    )  # fmt: skip


def _misspelt(path: Path, paper: Paper, placed: Placed) -> list[str]:
    """Names that are none of the paper's columns, but nearly so."""
    printed = {model for _, _, model, _ in printed_numbers(paper.printed)} if paper.printed else set()
    known = {*paper.columns, *printed}
    others = [name for name in placed.paper.columns if name not in known]
    return [
        f"{path}: '{name}' is no column of {paper.name}, and stands as one of its own, beside which nothing is printed; "
        f"did you mean '{meant}'?"
        for name in others
        for meant in get_close_matches(name, sorted(known), n=1, cutoff=0.8)
    ]


def _unsaid(path: Path, placed: Placed) -> list[str]:
    """That look-backs are not said, where that keeps numbers from being compared."""
    unsaid = [row for row in placed.rows if row.ours.n and not row.key.lookback]
    if not unsaid:
        return []
    cells = counted(len({(row.key.dataset, row.key.horizon, row.key.model) for row in unsaid}), "cell")
    printed = {row.printed.lookback for row in unsaid if row.printed is not None}
    one = printed.pop() if len(printed) == 1 else ""
    how = f"--lookback {one} where it is that of the printed numbers" if one.isdecimal() else "--lookback N"
    return [f"{path}: {cells} without a look-back, compared with nothing printed: a column 'lookback', or {how}, says it"]


def _elsewhere(path: Path, placed: Placed) -> list[str]:
    """That numbers are of other look-backs than those that are printed, which keeps them from being compared."""
    cells: dict[tuple[int, str], set[tuple[str, int, str]]] = {}
    for row in placed.rows:
        printed = row.printed.lookback if row.printed is not None else ""
        if row.ours.n and row.key.lookback and printed.isdecimal() and int(printed) != row.key.lookback:
            cells.setdefault((row.key.lookback, printed), set()).add((row.key.dataset, row.key.horizon, row.key.model))
    return [
        f"{path}: {counted(len(found), 'cell')} of look-back {ours}, printed at {printed}: not compared"
        for (ours, printed), found in sorted(cells.items())
    ]


def write(judged: Judged, out: Path, subject_files: Callable[[Subject, Path], list[Path]],
          figures: Callable[[Subject], Sequence[Figure]], stored: Evidence | None = None) -> list[Path]:  # fmt: skip
    """Writes tables, figures, claims of the paper and the page below `out`; returns what was written.

    stored: what a store holds, whose protocols then stand beside these numbers in ``explain.md``.
    """
    of, name = judged.subject, judged.subject.paper.name
    written = subject_files(of, out / "tables" / f"{name}.{IMPORTED}")
    claims = [claim for claim in load_claims(judged.evidence.catalogue) if claim.paper == name]
    documents = {"tables/claims.md": claims_document.document(claims, judged.evidence)} if claims else {}
    whole = judged.evidence.catalogue.papers[name]
    kinds = {**(stored.rows_of[name] if stored else {}), **judged.evidence.rows_of[name]}
    if explained_columns(whole, kinds):
        documents["tables/explain.md"] = explain.document([(whole, kinds)], figures=False)
    documents["report.html"] = document(Told(
        evidence=judged.evidence, found=Index(), subjects={name: [of]}, claims=claims, figures=figures,
        forecasts=out / "forecasts", imported=judged.note,
    ))  # fmt: skip
    for place_, text in documents.items():
        write_atomically(out / place_, text)
    return [*written, *(out / place_ for place_ in documents)]


def sentences(judged: Judged) -> list[str]:
    """What a terminal shows: the verdict on each column, in a sentence."""
    name = judged.subject.paper.name
    found = answer(judged.subject.paper, judged.evidence.rows_of[name])
    if found is None:
        return [f"no number of {name} is printed beside these"]
    return [f"{column}: {said.sentence}" for column, each in found.columns.items() for said in each]
