"""A paper as the suite knows it: its grid, its recipe by column with the source of every value, its code's departures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines import MODELS, ModelInfo
from benchmark.config.models.signature import Signature
from benchmark.config.recipe import Sourced
from benchmark.workloads import FORECASTING, WORKLOADS, Metric

DIMENSIONS = ("dataset", "horizon", "model", "sam")
"""By which a recipe value may differ."""
OTHERWISE = "otherwise"
"""The key of a table for all that it does not name."""


@dataclass(frozen=True)
class Block:
    """One source's say on a value: the value, or a table of it by some dimensions of the cell."""

    table: Any
    by: tuple[str, ...]
    source: str
    status: str


@dataclass(frozen=True)
class Value:
    """A recipe value: the first block that has an entry for the cell says it."""

    blocks: tuple[Block, ...]

    def at(self, where: Mapping[str, Any]) -> Sourced | None:
        """The value at a cell (`dataset`, `horizon`, `model`, `sam`), or None where no block has one."""
        for block in self.blocks:
            entry = block.table
            for dimension in block.by:
                entry = entry.get(where[dimension], entry.get(OTHERWISE, _ABSENT))
                if entry is _ABSENT:
                    break
            else:
                return Sourced(entry, block.source, block.status)
        return None

    def own(self, where: Mapping[str, Any]) -> Sourced | None:
        """The same by what the paper itself says, without what is `ours`."""
        return Value(tuple(block for block in self.blocks if block.status != "ours")).at(where)


_ABSENT: Any = object()


@dataclass(frozen=True)
class Column:
    """A column of a paper's table: a registered model with its arguments, and what of the recipe is its own.

    name: as the recipe has it. model: its name in `baselines.MODELS`, or the user's for one of their own. main: it stands
    in the main table. what: in words. sam: whether it is trained with SAM. printed_as: its name in the printed table,
    where that is another. arguments: the model's, by name. recipe: the values that are its own, by name. own: of a model of
    the user's, what it takes. variant_of: the column beside which it stands, with values of the user's in place of some.
    """

    name: str
    model: str
    main: bool
    what: str
    sam: bool
    printed_as: str | None
    arguments: Mapping[str, Value]
    recipe: Mapping[str, Value]
    own: Signature | None = None
    variant_of: str | None = None

    @property
    def info(self) -> ModelInfo | Signature:
        """What its model takes and can."""
        return self.own or MODELS[self.model]

    @property
    def looked_up(self) -> str:
        """The name that tables of values by model know it by."""
        return self.variant_of or self.name


@dataclass(frozen=True)
class Switch:
    """One named departure of released code from its paper: what it sets, where any of `when` is fulfilled.

    name, what: in a word, in a sentence. source, status: where it was read, and how surely. when: conditions; one is
    fulfilled where each value that it names is one of those that it lists. sets: recipe values by name; where one has no
    entry for a cell, the cell's own stays.
    """

    name: str
    what: str
    source: str
    status: str
    when: tuple[Mapping[str, tuple[Any, ...]], ...]
    sets: Mapping[str, Value]


@dataclass(frozen=True)
class Printed:
    """Which published tables stand beside ours: a file, its tables, their metrics.

    folder: where the file lies; None: ``paper_configs/published``. other_tables, other_models: what the file has beside
    those tables, and beside the columns that have a recipe. large: whether values far above the others are as printed.
    """

    file: str
    tables: tuple[str, ...]
    metrics: tuple[str, ...]
    folder: Path | None = None
    other_tables: tuple[str, ...] = ()
    other_models: tuple[str, ...] = ()
    large: bool = False


HORIZONS = ("each", "mean", "both")
"""A line a horizon; a line a data set with the mean over its horizons; the horizons and then their mean."""
LAST = ("improvement", "rank", "first")
"""Lines below a table: of the first column over each other one, in percent of the sums; average rank; first places."""


@dataclass(frozen=True)
class Last:
    """A line below a table; `table` and `metric`: where the paper's own numbers for it are printed, if they are."""

    row: str
    table: str | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Layout:
    """One table of a paper. No `datasets`, no `columns`: all of the paper's, its main ones.

    table: its name. metrics: in their order. horizons: one of `HORIZONS`. datasets, columns: by name; a column that the
    recipe does not have is shown as it is printed. last: the lines below it.
    """

    table: str
    metrics: tuple[str, ...]
    horizons: str = "each"
    datasets: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    last: tuple[Last, ...] = ()


@dataclass(frozen=True)
class Paper:
    """One paper: its grid, its recipe, its columns, the departures of its released code.

    name, title, venue: in a word, in full, where it appeared. synthetic: its sets have a known optimum and no file.
    printed: which published tables stand beside ours. datasets: by name. horizons: steps, by data set. seeds: a number or
    a list. recipe: values by name, those of all columns. columns, switches: by name. released: the switches that its
    released code is. overridden: the recipe values in whose place the user has put some of their own. layout: its own
    tables. workload: the kind of its task. claims: the file of what it says in a number, where that is the user's.
    """

    name: str
    title: str
    venue: str
    synthetic: bool
    printed: Printed | None
    datasets: tuple[str, ...]
    horizons: Value
    seeds: Value
    recipe: Mapping[str, Value]
    columns: Mapping[str, Column]
    switches: Mapping[str, Switch]
    released: tuple[str, ...]
    overridden: tuple[str, ...] = ()
    workload: str = FORECASTING.name
    layout: tuple[Layout, ...] = ()
    claims: Path | None = None

    def horizons_of(self, dataset: str) -> tuple[int, ...]:
        """The horizons (steps) that the paper has for a data set."""
        found = self.horizons.at({"dataset": dataset})
        return tuple(found.value) if found else ()

    @property
    def axes(self) -> tuple[str, ...]:
        """Which of look-back and horizon its cells have."""
        return WORKLOADS[self.workload].axes

    @property
    def examples(self) -> str:
        """What its models are trained and tested on, in a word."""
        return WORKLOADS[self.workload].examples

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that a Result of it has: `test_` and `val_` before them. The first one decides."""
        return tuple(metric.name for metric in WORKLOADS[self.workload].metrics if not metric.extra)

    @property
    def metric(self) -> Metric:
        """The metric that decides: verdicts, ranks, figures are about it first."""
        return WORKLOADS[self.workload].metrics[0]

    def own_variant(self, column: Column, dataset: str, horizon: int) -> str:
        """What the paper itself makes its task, without values of the user's own: its printed numbers are of that."""
        where = {"dataset": dataset, "horizon": horizon, "model": column.looked_up, "sam": column.sam}
        workload = WORKLOADS[self.workload]
        values = {n: v for n, v in {**self.recipe, **column.recipe}.items() if n in workload.unsaid}
        said = {name: found.value for name, value in values.items() if (found := value.own(where)) is not None}
        return workload.variant(said)

    def default_seeds(self) -> tuple[int, ...]:
        """The recipe's seeds; a number n means 0 … n−1."""
        found = self.seeds.at({})
        assert found is not None
        return tuple(range(found.value)) if isinstance(found.value, int) else tuple(found.value)
