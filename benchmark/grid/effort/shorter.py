"""Shorter commands beside one that would take long."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence

from benchmark.grid.asked import Request
from benchmark.grid.cells import Planned
from benchmark.machine import time_in_words

LONG_SECONDS = 3600.0
"""From here on a run says what would be shorter."""


def commands(request: Request, cells: Sequence[Planned], seconds: Sequence[float], at_once: int) -> list[str]:
    """A line a command, the longest first, and what each takes; none where all of it is no more than an hour."""
    workers = max(1, min(at_once, len(cells)))
    whole = sum(seconds) / workers
    if whole <= LONG_SECONDS:
        return []
    found: list[tuple[float, str]] = []
    paper, seed = _cheapest(cells, seconds, "paper"), min(planned.cell.seed for planned in cells)
    alone: dict[str, object] = {"papers": (paper,)}
    if request.models is not None:  # a name that no chosen paper has would be refused
        columns = {planned.cell.model.casefold() for planned in cells if planned.cell.paper == paper} | {"all"}
        alone["models"] = tuple(name for name in request.models if name.casefold() in columns)
    choices: list[tuple[dict[str, object], dict[str, object]]] = [
        ({"paper": paper}, alone),
        ({"seed": seed}, {"seeds": (seed,)}),
        ({"paper": paper, "seed": seed}, {**alone, "seeds": (seed,)}),
    ]
    of_paper = [(p, s) for p, s in zip(cells, seconds, strict=True) if p.cell.paper == paper]
    dataset = _cheapest([p for p, _ in of_paper], [s for _, s in of_paper], "dataset")
    choices.append(({"paper": paper, "seed": seed, "dataset": dataset},
                    {**alone, "seeds": (seed,), "subset": (dataset,)}))  # fmt: skip
    for wanted, changes in choices:
        left = [s for p, s in zip(cells, seconds, strict=True) if all(getattr(p.cell, k) == v for k, v in wanted.items())]
        taken = sum(left) / max(1, min(at_once, len(left)))
        if taken < 0.8 * (found[-1][0] if found else whole):
            found.append((taken, _line(request, changes, f"about {time_in_words(taken)}")))
    told = [line for _, line in found]
    if request.profile == "paper":
        told.append(_line(request, {"profile": "quick"}, "a smoke run of every cell, without verdicts"))
    return ["shorter would be:", *told]


def _line(request: Request, changes: Mapping[str, object], takes: str) -> str:
    words = request.words({"dry_run": False, "json": False, **changes})
    return f"  {takes}: {shlex.join(['python', 'run_all.py', *words])}"


def _cheapest(cells: Sequence[Planned], seconds: Sequence[float], field: str) -> str:
    of: dict[str, float] = defaultdict(float)
    for planned, each in zip(cells, seconds, strict=True):
        of[getattr(planned.cell, field)] += each
    return min(of, key=lambda name: of[name])
