"""One point of the grid, and what a plan knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.config.recipe import Recipe
from benchmark.grid.digest import Digester


@dataclass(frozen=True, order=True)
class Cell:
    """One point of the grid.

    paper, dataset: by name. protocol: ``paper`` or ``released``, or with ``+SWITCH…``. profile: ``paper`` or ``quick``.
    lookback, horizon: in steps; 0 where the kind of task has none. model: the column's name in the paper's recipe. sam: on
    or off. seed: from 0. candidate: its look-back is one of several that the recipe lists, among which validation chooses.
    """

    paper: str
    protocol: str
    profile: str
    dataset: str
    lookback: int
    horizon: int
    model: str
    sam: bool
    seed: int
    candidate: bool = False

    @property
    def key(self) -> str:
        """The fields in order, defaults left out: ``samformer/ETTh1/96/SAMformer/sam/s0``.

        A candidate's look-back stands in it: ``samovar/ETTh1/L512/96/DLinear/s0``; of a task without a horizon, none does:
        ``vgg_cifar/CIFAR-10/VGG-9/sam/s0``.
        """
        parts = [
            self.paper,
            self.protocol if self.protocol != "paper" else "",
            self.profile if self.profile != "paper" else "",
            self.dataset,
            f"L{self.lookback}" if self.candidate else "",
            str(self.horizon or ""),
            self.model,
            "sam" if self.sam else "",
            f"s{self.seed}",
        ]
        return "/".join(p for p in parts if p)


@dataclass(frozen=True)
class Planned:
    """A cell with what the plan knows of it: its recipe, its digest, or the reason why it cannot be."""

    cell: Cell
    recipe: Recipe | None
    digest: str | None
    refused: str | None = None
    digester: Digester | None = field(default=None, repr=False, compare=False)

    def earlier(self) -> dict[str, int]:
        """The digests that the cell had under earlier training semantics, with their version."""
        return self.digester.earlier(self.cell.seed) if self.digester is not None else {}


@dataclass(frozen=True)
class Selection:
    """What of the grid is asked for, an option of the command line each; None: everything that the recipes have by
    default.

    subset, papers, models: names. horizons: steps. seeds: from 0. seeds_of: in their place, how many of each column, by
    `column_key`; those that it does not name have `least_seeds`. sam: ``on``, ``off`` or ``both``. protocol, profile: as
    in a `Cell`.
    """

    subset: tuple[str, ...] | None = None
    papers: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    horizons: tuple[int, ...] | None = None
    seeds: tuple[int, ...] | None = None
    sam: str | None = None
    protocol: str = "paper"
    profile: str = "paper"
    seeds_of: Mapping[str, int] | None = None
    least_seeds: int = 3


def by_digest(cells: Sequence[Planned]) -> dict[str, Planned]:
    """The first planned cell of each digest: cells of one digest are trained once."""
    unique: dict[str, Planned] = {}
    for planned in cells:
        if planned.digest and not planned.refused:
            unique.setdefault(planned.digest, planned)
    return unique


def as_json(planned: Planned, status: str) -> dict[str, Any]:
    """One cell of `--dry-run --json`."""
    cell = planned.cell
    return {
        "key": cell.key, "digest": planned.digest, "status": status, "reason": planned.refused, "paper": cell.paper,
        "protocol": cell.protocol, "profile": cell.profile, "dataset": cell.dataset, "lookback": cell.lookback or None,
        "horizon": cell.horizon or None, "model": cell.model, "sam": cell.sam, "seed": cell.seed,
    }  # fmt: skip
