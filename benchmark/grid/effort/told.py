"""What the cells to train take, told before they begin and by a plan, in lines or as an object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark import machine
from benchmark.config.catalogue import Catalogue
from benchmark.grid import cost, takes
from benchmark.grid.asked import Request
from benchmark.grid.cells import Planned, by_digest
from benchmark.grid.effort import hours, shorter
from benchmark.store import judged


def told(request: Request, todo: Sequence[Planned], cells: Sequence[Planned], catalogue: Catalogue) -> list[str]:
    """Lines by paper on the cells to train (`todo`, of a plan's `cells`), and shorter commands, where it is long. Cells of
    one digest are trained once."""
    left, estimates = _estimates(request, todo, cells, catalogue)
    at_once = request.jobs or machine.cores()
    lines = hours.lines(hours.efforts(left, estimates), at_once, _programs(request, left, catalogue))
    return lines + shorter.commands(request, left, [each.seconds for each in estimates], at_once)


def as_object(request: Request, todo: Sequence[Planned], cells: Sequence[Planned], catalogue: Catalogue) -> dict[str, Any]:
    """The same for a program, seconds of one CPU core by paper and in all (`hours.as_object`)."""
    efforts = hours.efforts(*_estimates(request, todo, cells, catalogue))
    return hours.as_object(efforts, request.jobs or machine.cores())


def _estimates(
    request: Request, todo: Sequence[Planned], cells: Sequence[Planned], catalogue: Catalogue
) -> tuple[list[Planned], list[hours.Estimate]]:
    """The cells to train, one of each digest, and what each takes."""
    left = [*(p for p in todo if p.digest is None), *by_digest(todo).values()]
    known = takes.known(cells, catalogue.papers, judged.read(request.results_dir))
    return left, hours.estimates(left, cells, known, catalogue.datasets)


def _programs(request: Request, left: Sequence[Planned], catalogue: Catalogue) -> str:
    """As how many programs they are trained; for `auto`, of which torch alone knows what it is, on either device."""
    if request.replicas is not None:
        return f"{len(cost.programs(left, request.replicas, catalogue.datasets)):,} (--replicas {request.replicas})"
    whole = len(left) if request.device == "cpu" or request.backend == "dask" else None
    if whole is not None:
        return f"{whole:,}, each cell one"
    return f"{len(left):,} on a CPU, {len(cost.programs(left, None, catalogue.datasets)):,} on CUDA (--replicas)"
