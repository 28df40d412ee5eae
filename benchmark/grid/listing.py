"""A plan in words, and as JSON: what would run, what is done, what is refused and why."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

from benchmark.config.paper import Paper
from benchmark.data.registry import DataSet
from benchmark.errors import counted
from benchmark.grid import cost, takes
from benchmark.grid.asked import Request
from benchmark.grid.cells import Planned, as_json, by_digest
from benchmark.grid.digest import semantics_note
from benchmark.grid.plan import switches_of
from benchmark.store import judged
from benchmark.store.result import STATUSES
from benchmark.store.store import Store

TO_RUN = "to run"
REFUSED = "refused"
NO_DATA = "data missing"
BLOCKED = "blocked"
"""Something that is no Result, and that nobody replaces, stands in the place of one."""


def statuses(cells: Sequence[Planned], store: Store) -> list[str]:
    """What is known of each cell: `to run`, `refused`, `data missing`, `blocked`, or the status of its Result."""
    there = store.digests()
    known: dict[str, str] = {}
    out = []
    for planned in cells:
        if planned.refused is not None:
            out.append(REFUSED)
        elif planned.digest is None:
            out.append(NO_DATA)
        else:
            digest = planned.digest
            if digest not in known:
                found = store.status(digest) if digest in there else None
                known[digest] = found or (BLOCKED if digest in store.blocked else TO_RUN)
            out.append(known[digest])
    return out


def left_out(cells: Sequence[Planned], store: Store) -> str | None:
    """One sentence on the store's Results of these cells that were made under earlier training semantics, if there are
    any: they are kept, and count for nothing."""
    others = store.digests() - {planned.digest for planned in cells}
    if not others:
        return None
    found: Counter[int] = Counter()
    for planned in cells:
        found.update(version for digest, version in planned.earlier().items() if digest in others)
    return semantics_note(found)


def after_a_run(cells: Sequence[Planned], status: Sequence[str], unwritten: Container[str | None]) -> list[str]:
    """The statuses as a run counts them: a cell without data has failed, and so has one whose Result the disk did not take
    (`unwritten`, by digest)."""
    failed = [s == NO_DATA or planned.digest in unwritten for planned, s in zip(cells, status, strict=True)]
    return ["failed" if fails else s for s, fails in zip(status, failed, strict=True)]


def last_line(status: Sequence[str]) -> str:
    """``cells=N done=D refused=R failed=F``, the last line of every plan and run."""
    counts = Counter(status)
    failed = sum(n for name, n in counts.items() if name not in ("done", REFUSED, TO_RUN, NO_DATA))
    return f"cells={len(status)} done={counts['done']} refused={counts[REFUSED]} failed={failed}"


def retry_note(status: Sequence[str]) -> str | None:
    """How to have the cells run again that ended, and not well; None if there are none."""
    ended = sum(s in STATUSES and s != "done" for s in status)
    if not ended:
        return None
    what = f"{counted(ended, 'cell')} ended without a number"
    return f"{what}; logs says why, and once that is mended --retry failed runs such cells again"


def what_next(
    request: Request, cells: Sequence[Planned], status: Sequence[str], papers: Mapping[str, Paper], interrupted: bool
) -> list[str]:  # fmt: skip
    """What to do after a run that was not interrupted, a line each."""
    if interrupted:
        return []
    lines = [note] if (note := retry_note(status)) else []
    printed = [papers[name] for name in dict.fromkeys(p.cell.paper for p in cells) if papers[name].printed is not None]
    if not printed or "done" not in status:
        return lines
    if request.profile != "paper":
        return [
            *lines,
            f"next, since a smoke run says nothing of a paper: {_run(request, profile='paper')}",
        ]
    if not request.auto_seeds and _lacks_seeds(cells, takes.known(cells, papers, judged.read(request.results_dir))):
        return [*lines, f"next, since a verdict takes three seeds: {_run(request, seeds=tuple(range(3)))}"]
    if request.protocol == "paper" and any(paper.released for paper in printed):
        return [*lines, f"next, what the authors' code does otherwise: {_run(request, protocol='released')}"]
    several = [paper.name for paper in printed if paper.switches]  # without one a paper has no other protocol
    return [*lines, *(f"next, which protocol is nearest: {_explain(request, name)}" for name in several)]


def _lacks_seeds(cells: Sequence[Planned], found: takes.Known) -> bool:
    """Whether a row of a trained model, asked for with fewer seeds than a verdict takes, has a printed number that it can
    be compared with: `found` says of which rows the verdict is `too few seeds`."""
    return any(
        row in found and found[row].to_judge > len({planned.cell.seed for planned in members})
        and any(planned.recipe is not None and planned.recipe.training is not None for planned in members)
        for row, members in takes.rows(cells)
    )  # fmt: skip


def _explain(request: Request, paper: str) -> str:
    places = request.words({name: None for name in vars(request) if name not in ("config", "results_dir")})
    return shlex.join(["python", "-m", "tables", "explain", paper, *places])


def _run(request: Request, **changes: object) -> str:
    return shlex.join(["python", "run_all.py", *request.words(changes)])


def text(
    cells: Sequence[Planned],
    status: Sequence[str],
    papers: Mapping[str, Paper],
    problems: Mapping[str, str],
    found: takes.Known = MappingProxyType({}),
    effort: Sequence[str] = (),
) -> str:
    """One line for each row of the grid with its seeds and what is known of them; reasons of refusals; switches.

    `problems`: by data set, a sentence on why it cannot be used. `found`: what its rows would take, as far as it is known.
    `effort`: lines on what the cells to run take.
    """
    lines = []
    pairs = list(zip(cells, status, strict=True))
    for row, group in groupby(pairs, key=lambda pair: pair[0].cell.key.rpartition("/")[0]):
        members = list(group)
        seeds = _ranges([p.cell.seed for p, _ in members])
        counts = Counter(s for _, s in members)
        known = ", ".join(f"{n} {name}" for name, n in counts.items())
        reason = members[0][0].refused
        open_ = takes.said(found.get(row))
        lines.append(f"{row}  seeds {seeds}  {known}" + (f": {reason}" if reason else "") + (f"  {open_}" if open_ else ""))
    protocols = {(p.cell.paper, p.cell.protocol) for p, _ in pairs}
    acting = {(p.cell.paper, p.cell.protocol, name) for p, _ in pairs if p.recipe for name in p.recipe.switches}
    for paper, protocol in sorted(protocols):
        for name in switches_of(papers[paper], protocol):
            idle = "" if (paper, protocol, name) in acting else "; it changes no cell of this plan"
            lines.append(f"switch {name} ({paper}): {papers[paper].switches[name].what}{idle}")
    used = {p.cell.dataset for p, known in pairs if known == NO_DATA}
    lines += [problem for dataset, problem in problems.items() if dataset in used]
    lines += [*takes.summary(found), *effort]
    if note := retry_note(status):
        lines.append(note)
    lines.append(last_line(status))
    return "\n".join(lines)


def programs(
    cells: Sequence[Planned], status: Sequence[str], most: int | None, datasets: Mapping[str, DataSet]
) -> int | None:
    """As how many programs of at most so many replicas the cells to run are trained; None for `auto`, of which torch alone
    knows what it means."""
    left = by_digest([p for p, s in zip(cells, status, strict=True) if s == TO_RUN])
    return None if most is None else len(cost.programs(list(left.values()), most, datasets))


def refusals(cells: Sequence[Planned]) -> list[str]:
    """One line for each reason why cells cannot be, with their number."""
    reasons = Counter(p.refused for p in cells if p.refused is not None)
    return [f"refused: {counted(n, 'cell')}: {reason}" for reason, n in reasons.items()]


def _ranges(seeds: Sequence[int]) -> str:
    """0, 1, 2, 5 → ``0–2, 5``."""
    runs: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in runs)


def as_object(
    cells: Sequence[Planned],
    status: Sequence[str],
    found: takes.Known = MappingProxyType({}),
    programs: int | None = None,
    keep_bytes: int | None = None,
    effort: Mapping[str, Any] | None = None,
) -> str:
    """The plan as one JSON object: `cells`, a list; `counts`; `open`, the rows that more seeds might decide; `programs`, as
    `text` has it, where that is known; `keep_bytes`, about what is kept beside the Results of the cells to run (--keep);
    `effort`, seconds of the cells to run, where it is given."""
    counts = dict(part.split("=") for part in last_line(status).split())
    listed = [as_json(p, s) for p, s in zip(cells, status, strict=True)]
    counted = {k: int(v) for k, v in counts.items()}
    more = {"programs": programs, "keep_bytes": keep_bytes, "effort": effort}
    known = {name: count for name, count in more.items() if count is not None}
    return json.dumps({"cells": listed, "counts": counted, "open": takes.open_cells(found)} | known)
