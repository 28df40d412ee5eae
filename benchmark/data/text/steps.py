"""A step from one row to the next, as people write it: '15 min', '1 month', '1 business day'. Without numpy."""

from __future__ import annotations

import re
from dataclasses import dataclass

MICROSECONDS = {
    "us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "day": 86_400_000_000,
    "week": 604_800_000_000,
}  # fmt: skip
MONTHS = {"month": 1, "quarter": 3, "year": 12}
BUSINESS = "business day"
UNITS = (*MICROSECONDS, *MONTHS, BUSINESS)

IRREGULAR = "none"
"""What is written for a step where the rows follow each other in time, and by no constant step."""


@dataclass(frozen=True)
class Step:
    """So many units of time, months of the calendar, or days from Monday to Friday."""

    count: int
    unit: str

    @property
    def microseconds(self) -> int | None:
        """Its length; None for a step of the calendar, which has no constant one."""
        return self.count * MICROSECONDS[self.unit] if self.unit in MICROSECONDS else None

    @property
    def months(self) -> int | None:
        """Its months; None for one that is not counted in months."""
        return self.count * MONTHS[self.unit] if self.unit in MONTHS else None

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


def parse(text: str) -> Step | None:
    """The step that a text says; None for what is none."""
    match = re.fullmatch(rf"\s*([0-9]{{1,6}})\s*({'|'.join(UNITS)})s?\s*", text)
    return Step(int(match[1]), match[2]) if match and int(match[1]) else None


def in_words(microseconds: int) -> str:
    """A duration in the largest unit up to a day that divides it."""
    for unit, size in reversed(MICROSECONDS.items()):
        if unit != "week" and microseconds and microseconds % size == 0:
            return f"{microseconds // size} {unit}"
    return f"{microseconds} us"


def of(microseconds: int) -> Step:
    """The step of that length, in the largest unit up to a day that divides it."""
    count, unit = in_words(microseconds).split()
    return Step(int(count), unit)


def season_of(step: str) -> int:
    """The season in steps that a step in words suggests: a day where the step divides it, of days a week, of months and
    quarters a year, else 1."""
    found = parse(step)
    if found is None:
        return 1
    if found.months is not None:
        return MONTHS["year"] // found.months if MONTHS["year"] % found.months == 0 else 1
    day = MICROSECONDS["day"]
    if found.microseconds is None:
        return 5 if found.count == 1 else 1
    if found.microseconds == day:
        return 7
    return day // found.microseconds if found.microseconds < day and day % found.microseconds == 0 else 1
