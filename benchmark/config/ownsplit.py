"""How a data set of one's own is split: by ratio, by months as the papers have them, by dates, or as PEMS is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

from benchmark.config.yamlfile import Section
from benchmark.data.registry import DataSet, Split
from benchmark.data.splits import MONTHS, SHARES, month_rows
from benchmark.data.text import steps
from benchmark.errors import counted

SPLITS: tuple[Split, ...] = ("ratio", "months", "dates", "pems")
FORMS = "'{ratio: [60, 20, 20]}', '{months: [18, 2, 4]}' or '{dates: {validation: 2024-03-01, test: 2024-05-01}}'"
IMAGES = ("cifar", "idx")
"""Readers of images, whose test images are given."""
BEGIN = ("validation", "test", "end")


@dataclass(frozen=True)
class OwnSplit:
    """The fields of a `DataSet` that say how it is split."""

    split: Split = "ratio"
    steps_per_hour: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


def parse(section: Section | None, whole: Section, reader: str, step: str) -> OwnSplit:
    """What `split` says; `whole`: the data set's section, for messages. Raises UsageError for what cannot be."""
    if reader in IMAGES:
        return OwnSplit("given")
    if section is None:
        return OwnSplit()
    if not isinstance(section.data, dict):
        kind = section.one_of(SPLITS, "split")
        if kind == "dates":
            raise section.fail(f"expected the dates too: {FORMS}")
        return OwnSplit("pems") if kind == "pems" else _counted(kind, None, whole, step)
    part = section.known(SPLITS[:3])
    if len(part) != 1:
        raise section.fail(f"expected one of {FORMS}")
    kind, child = next(iter(part.items()))
    if kind == "dates":
        if reader != "csv":
            raise child.fail("only a csv has dates")
        return OwnSplit("dates", options={"split": _dates(child)})
    return _counted(kind, child, whole, step)


def _counted(kind: str, child: Section | None, whole: Section, step: str) -> OwnSplit:
    """A split by shares or by months. The papers' own numbers, written out, are the same split as without them."""
    if kind == "ratio":
        shares = None if child is None else _shares(child)
        return OwnSplit(options={} if shares in (None, list(SHARES)) else {"split": shares})
    months = None if child is None else _three(child, int, "whole months")
    options: dict[str, Any] = {} if months in (None, list(MONTHS)) else {"split": months}
    found = steps.parse(step)
    if found is not None and (length := found.microseconds) is not None:
        hour, month = steps.MICROSECONDS["h"], 30 * steps.MICROSECONDS["day"]
        if hour % length == 0:
            return OwnSplit("months", hour // length, options)
        if month % length == 0:
            return OwnSplit("months", options=options | {"month_rows": month // length})
    if found == steps.Step(1, "month"):
        return OwnSplit("months", options=options | {"month_rows": 1})
    raise whole.fail(
        "split months needs 'step', and whole steps in a month of 30 days, such as '15 min', '1 day' or '1 month'; else "
        "use split ratio or dates"
    )


def _three(section: Section, kind: type | tuple[type, ...], what: str) -> list[Any]:
    expected = f"three numbers, of train, validation and test, in {what}"
    numbers = [each.of(kind, expected) for each in section.items(expected)]
    if len(numbers) != 3 or not all(0 < number < 1e6 for number in numbers):
        raise section.fail(f"expected {expected}, each above 0, found {section.data}")
    return numbers


def _shares(section: Section) -> list[float]:
    numbers = _three(section, (int, float), "shares or percent")
    total = 100 if sum(numbers) > 2 else 1
    if abs(sum(numbers) - total) > 1e-6:
        raise section.fail(f"expected shares that make 1 or percent that make 100, found {sum(numbers):g}")
    return [number / total for number in numbers]


def _dates(section: Section) -> dict[str, str]:
    """The first moments of validation and test, and the first that is not used, as ISO text by the file's clock."""
    part = section.known(BEGIN)
    for name in BEGIN[:2]:
        if name not in part:
            raise section.fail(f"'{name}' is missing: the date with which it begins")
    found = {name: _moment(part[name]) for name in BEGIN if name in part}
    names = list(found)
    for earlier, later in pairwise(names):
        if found[earlier] >= found[later]:
            raise part[later].fail(f"expected a date after that of '{earlier}', {found[earlier]}, found {found[later]}")
    return {name: str(moment) for name, moment in found.items()}


def _moment(section: Section) -> datetime:
    """A date or time; one with an offset as UTC."""
    value = section.data
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise section.fail(f"expected a date such as 2024-01-31 13:00, found '{value}'") from None
    if isinstance(value, datetime):
        try:
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        except OverflowError:  # by UTC in year 0 or 10,000
            return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise section.fail(f"expected a date such as 2024-01-31 13:00, found {value!r}")


def check(dataset: DataSet, rows: int, section: Section) -> None:
    """Raises UsageError where a split by months has fewer rows than it counts."""
    if dataset.split == "months":
        months = sum(dataset.options.get("split", MONTHS))
        needed = months * month_rows(dataset)
        if rows < needed:
            of = "" if dataset.options.get("month_rows") == 1 else " of 30 days"
            wants = f"split months needs {counted(needed, 'row')} ({counted(months, 'month')}{of}), the file has {rows:,}"
            raise section.fail(f"{wants}; use ratio, or fewer months")
