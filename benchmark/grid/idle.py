"""What an invocation asks for and no cell of its plan shows: switches of other papers, files that touch nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmark.config.catalogue import given_by
from benchmark.config.paper import Paper
from benchmark.errors import UsageError
from benchmark.grid.cells import Planned
from benchmark.grid.plan import switches_of


def idle(cells: Sequence[Planned], protocol: str, papers: Mapping[str, Paper], files: Iterable[Path]) -> list[str]:
    """One sentence for each part of the protocol, and for each file of `--config`, that changes nothing in these cells.

    Raises UsageError where no paper of these cells has any of the switches that the protocol names.
    """
    return [*_switches(cells, protocol, papers), *_files(cells, files)]


def _switches(cells: Sequence[Planned], protocol: str, papers: Mapping[str, Paper]) -> Iterator[str]:
    if protocol == "paper":
        return
    there = sorted({planned.cell.paper for planned in cells})
    named = protocol.split("+")[1:]
    lacking = [name for name in named if not any(name in papers[paper].switches for paper in there)]
    for name in lacking:
        owners = ", ".join(paper.name for paper in papers.values() if name in paper.switches)
        if lacking == named:
            raise UsageError(f"--protocol: no selected paper has the switch '{name}', which is of {owners}")
        yield f"--protocol: no selected paper has the switch '{name}', which is of {owners}: it changes nothing"
    without = [paper for paper in there if not switches_of(papers[paper], protocol)]
    if without:
        yield f"--protocol {protocol} is as protocol paper in {', '.join(without)}: no such switches there"
    acting = {(p.cell.paper, name) for p in cells if p.recipe for name in p.recipe.switches}
    for paper in there:
        for name in named:
            if name in papers[paper].switches and (paper, name) not in acting:
                yield f"--protocol: the switch {name} changes no cell of {paper} that is selected"


def _files(cells: Sequence[Planned], files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        given = given_by(path)
        if any(
            p.cell.paper in given.papers or p.cell.dataset in given.datasets or p.cell.model in given.columns for p in cells
        ):
            continue
        recipes = {id(planned.recipe): planned.recipe for planned in cells if planned.recipe is not None}
        sources = (value.source for recipe in recipes.values() for value in recipe.values.values())
        models = (recipe.model for recipe in recipes.values() if recipe.source is not None)
        if not any(map(given.has, sources)) and given.models.isdisjoint(models):
            yield f"--config {path}: it changes no cell that is selected"
