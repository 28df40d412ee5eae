"""Where train, validation and test lie, and how many windows each has. Arithmetic only: a plan needs it at once."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.data.registry import DataSet

MONTH_HOURS = 30 * 24


@dataclass(frozen=True)
class Range:
    """Rows [start, end) of the series that the windows of one split may touch."""

    start: int
    end: int

    def windows(self, lookback: int, horizon: int) -> int:
        """The number of windows of stride 1; zero or negative where the segment is too short for one."""
        return self.end - self.start - lookback - horizon + 1


@dataclass(frozen=True)
class Ranges:
    """The three splits of a series; the train segment is also what standardises it."""

    train: Range
    validation: Range
    test: Range

    def counts(self, lookback: int, horizon: int) -> tuple[int, int, int]:
        """Windows of train, validation and test (steps: `lookback`, `horizon`)."""
        parts = (self.train, self.validation, self.test)
        first, second, third = (p.windows(lookback, horizon) for p in parts)
        return first, second, third


def segments(dataset: DataSet, rows: int, lookback: int) -> Ranges:
    """The splits of a series of `rows` steps, as the papers' loaders make them (docs/protocols.md, Data sets).

    `months`: 12/4/4 months of 30 days. `ratio`: 70/10/20 with validation the rest. In both, validation and test begin
    `lookback` rows early, so that the number of test windows does not depend on the look-back. `pems`: boundaries at
    60 % and 80 %, without shared context.

    Raises ValueError for a split that is not one of windows over a series (`pairs`).
    """
    if dataset.split == "pems":
        first, second = int(rows * 0.6), int(rows * 0.8)
        return Ranges(Range(0, first), Range(first, second), Range(second, rows))
    if dataset.split == "months":
        month = MONTH_HOURS * dataset.steps_per_hour
        train, validation, test = 12 * month, 4 * month, 4 * month
    elif dataset.split == "ratio":
        train, test = int(rows * 0.7), int(rows * 0.2)
        validation = rows - train - test
    else:
        raise ValueError(f"{dataset.name}: its split '{dataset.split}' has no segments")
    end = train + validation
    return Ranges(Range(0, train), Range(train - lookback, end), Range(end - lookback, end + test))
