"""Where train, validation and test lie, and how many windows each has. Arithmetic only: a plan needs it at once."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.data.registry import DataSet

MONTH_HOURS = 30 * 24
MONTHS, SHARES = (12, 4, 4), (0.7, 0.1, 0.2)
"""Train, validation and test where a data set does not say its own (`options["split"]`), as the papers have them."""


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


def month_rows(dataset: DataSet) -> int:
    """Rows of a month of 30 days; of a monthly series, one."""
    return int(dataset.options.get("month_rows", MONTH_HOURS * dataset.steps_per_hour))


def segments(dataset: DataSet, rows: int, lookback: int) -> Ranges:
    """The splits of a series of `rows` steps, as the papers' loaders make them (docs/protocols.md, Data sets).

    `months`: 12/4/4 months of 30 days. `ratio`: 70/10/20 with validation the rest. `dates`: the set's own bounds. In these,
    validation and test begin `lookback` rows early, so that the number of test windows does not depend on the look-back.
    `pems`: boundaries at 60 % and 80 %, without shared context.

    Raises ValueError for a split that is not one of windows over a series (`pairs`).
    """
    if dataset.split == "pems":
        first, second = int(rows * 0.6), int(rows * 0.8)
        return Ranges(Range(0, first), Range(first, second), Range(second, rows))
    if dataset.split == "months":
        train, validation, test = (int(months) * month_rows(dataset) for months in dataset.options.get("split", MONTHS))
    elif dataset.split == "ratio":
        shares = dataset.options.get("split", SHARES)
        train, test = int(rows * shares[0]), int(rows * shares[2])
        validation = rows - train - test
    elif dataset.split == "dates" and dataset.bounds is not None:
        train, begins, last = dataset.bounds
        validation, test = begins - train, last - begins
    else:
        raise ValueError(f"{dataset.name}: its split '{dataset.split}' has no segments")
    end = train + validation
    return Ranges(Range(0, train), Range(train - lookback, end), Range(end - lookback, end + test))
