"""One row of a table: a metric of a cell, ours beside the printed number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.config.recipe import Recipe
from benchmark.judging.compare import Comparison, Ours
from benchmark.judging.printed import PrintedNumber
from benchmark.workloads import AXES


@dataclass(frozen=True, kw_only=True)
class Key:
    """Which number it is: paper, dataset, model (the column) and metric by name, sam on or off, horizon and lookback in
    steps.

    `lookback` is 0 where it is not one number: the cell is refused, none of several look-backs has a Result yet, or the
    row is a mean over horizons that differ in it.
    """

    paper: str
    dataset: str
    lookback: int
    horizon: int
    model: str
    sam: bool
    metric: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How a look-back was chosen: those to choose from, those without a Result, the digests of those not chosen."""

    candidates: tuple[int, ...] = ()
    untried: tuple[int, ...] = ()
    passed_over: tuple[str, ...] = ()


IMPORTED = "imported"
"""The protocol and the recipe status of numbers that other code has made."""
NO_SEED, NOT_COMPARED, NO_CHOICE = Ours(), Comparison(), Choice()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One metric of one cell of a paper's table.

    key: which number. ours: over seeds. printed: the paper's number, if it has one. comparison: what came of the two.
    choice: how its look-back was chosen. variant: what sets our task apart from the usual one, as the workload says
    (features S or MS). same_task: whether the printed number is of the same. missing: seeds of the recipe without a
    number. recipe_status: the weakest of the recipe's values; empty without one. switches: of the protocol, those that
    change this cell. main: whether the column is one of the main table's. own_sam: whether it stands there with the
    column's own SAM setting. n_params: parameters of the model. seconds: of one training, the mean over the seeds. filled:
    whether missing values of the data set are. other_code: sources in which the code that made one of its Results is
    another than today's. recipe: of its cell, with the source of every value.
    """

    key: Key
    ours: Ours = NO_SEED
    printed: PrintedNumber | None = None
    comparison: Comparison = NOT_COMPARED
    choice: Choice = NO_CHOICE
    variant: str = ""
    same_task: bool = True
    missing: int = 0
    recipe_status: str = ""
    switches: tuple[str, ...] = ()
    main: bool = True
    own_sam: bool = True
    other_code: tuple[str, ...] = ()
    n_params: int | None = None
    seconds: float | None = None
    filled: bool = False
    recipe: Recipe | None = None

    @property
    def lookback(self) -> int | None:
        """In steps; None where the task has no look-back."""
        return self.key.lookback if "lookback" in AXES[self.key.metric] else None

    @property
    def weak(self) -> bool:
        """Whether our recipe rests on values that are not verified; of imported numbers there is none of ours."""
        return self.recipe_status not in ("verified", IMPORTED)


def of_one_task(rows: Iterable[Row]) -> list[Row]:
    """Of each data set the rows whose task is that of its first one: what a picture may show side by side."""
    rows = list(rows)
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(row.key.dataset, row.variant)
    return [row for row in rows if row.variant == first[row.key.dataset]]
