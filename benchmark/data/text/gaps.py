"""Rows on a time axis: whether each is one step after the one before, what to do where not, and what fills a hole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.registry import FILLS
from benchmark.data.text import steps
from benchmark.data.text.dates import Stamps
from benchmark.data.text.steps import BUSINESS, IRREGULAR, Step
from benchmark.errors import DataError, counted, either

Array = NDArray[np.float64]
Places = NDArray[np.int64]
"""Of each row [rows], how many steps it lies after the first."""

MOST_ROWS = 10
"""A filled table has at most so many times the rows of its file: more is another step, or a mistake in a date."""

_HOUR = steps.MICROSECONDS["h"]
FILLING = " or ".join(f"'fill: {how}'" for how in FILLS if how != "mask")
"""What the user may say to have holes filled, for messages."""


@dataclass(frozen=True)
class Rules:
    """What the user says of the rows of a file: step in words (empty: as between most rows), the form of its dates, and
    how holes are filled (None: there may be none)."""

    step: str = ""
    dates: str | None = None
    fill: str | None = None


def places(stamps: Stamps, rules: Rules, where: Callable[[int], str], alike: Callable[[int], bool], doubt: str) -> Places:
    """Where each row lies on the axis.

    Args: `where` gives file, line and column of a row, for messages; `alike`: whether a row has the values of the row
    before it; `doubt`: what to try where the dates may have been read wrong: then no other advice is true.

    Raises DataError for the first row that is not one step after the one before (with `fill`, whole steps).
    """
    gone = np.diff(stamps).astype(np.int64)
    step = None if rules.step == IRREGULAR else steps.parse(rules.step) or _usual(gone)
    behind = gone < 0 if rules.step == IRREGULAR else gone <= 0
    if behind.any():
        row = int(np.argmax(behind)) + 1
        raise DataError(f"{where(row)}: {_not_forward(stamps, row, step, alike, doubt)}")
    if step is None:
        return np.arange(len(stamps))
    place, fits = _on(stamps, step)
    forward = np.diff(place)
    wrong = (forward < 1) | ~(fits[1:] & fits[0])
    if rules.fill is None or (not rules.step and _fitting(stamps, step, rules)):
        wrong |= forward != 1
    if wrong.any():
        row = int(np.argmax(wrong)) + 1
        raise DataError(f"{where(row)}: {_other_step(stamps, row, step, rules, doubt)}")
    if place[-1] >= MOST_ROWS * len(place):
        said = f"filled, the {len(place):,} rows would be {place[-1] + 1:,}, one every {step}"
        advice = doubt or "'step: none' takes the rows as they stand"
        raise DataError(f"{where(int(np.argmax(forward)) + 1)}: {said}; {advice}")
    return place


def _usual(gone: NDArray[np.int64]) -> Step | None:
    """The step between most rows; None where time never goes forward."""
    sizes, counts = np.unique(gone[gone > 0], return_counts=True)
    return steps.of(int(sizes[np.argmax(counts)])) if len(sizes) else None


def _on(stamps: Stamps, step: Step) -> tuple[Places, NDArray[np.bool_]]:
    """Of each row, its whole steps after the first, and whether it lies on one.

    Of a month (quarter, year) any day will do: the last one, of business or not, is another day each month. On a
    business day, any time will.
    """
    if step.microseconds is not None:
        units, rest = np.divmod((stamps - stamps[0]).astype(np.int64), step.microseconds)
        return units, rest == 0
    if step.months is not None:
        months = stamps.astype("datetime64[M]").astype(np.int64)
        units, rest = np.divmod(months - months[0], step.months)
        return units, rest == 0
    days = stamps.astype("datetime64[D]")
    units, rest = np.divmod(np.busday_count(days[0], days).astype(np.int64), step.count)
    return units, (rest == 0) & np.is_busday(days)


def _at(first: np.datetime64, place: Places, step: Step) -> Stamps:
    """The moments of places on the axis."""
    if step.microseconds is not None:
        found: Stamps = first + place * np.timedelta64(step.microseconds, "us")
        return found
    day = first.astype("datetime64[D]")
    time = first - day
    if step.months is None:
        worked: Stamps = np.busday_offset(day, place * step.count).astype("datetime64[us]") + time
        return worked
    month = first.astype("datetime64[M]") + place * step.months
    last = (month + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    same = month.astype("datetime64[D]") + (day - first.astype("datetime64[M]").astype("datetime64[D]"))
    dated: Stamps = np.minimum(same, last).astype("datetime64[us]") + time
    return dated


def _shown(stamp: np.datetime64) -> str:
    text = str(stamp).replace("T", " ")
    return text.removesuffix(".000000")


def _not_forward(stamps: Stamps, row: int, step: Step | None, alike: Callable[[int], bool], doubt: str) -> str:
    """What is wrong with a row whose time is that of the row before, or earlier, and what may be done without a loss."""
    before, now = stamps[row - 1], stamps[row]
    said = f"time does not go forward: {_shown(now)} after {_shown(before)}"
    gone = np.diff(stamps).astype(np.int64)
    if doubt:
        return f"{said}; {doubt}"
    if now == before:
        if alike(row):
            return f"{said}; the row stands twice, with the same values: remove one of the two"
        clock = _clock(int(gone[row - 1]), step)
        return f"{said}, with other values; leave one row for each time, or say 'step: none' to use both{clock}"
    if (gone < 0).all():
        return f"{said}; the newest row comes first: turn the rows round, so that the oldest does"
    ordered = np.diff(np.sort(stamps)).astype(np.int64)
    if (ordered > 0).all():
        return f"{said}; sort the rows by time"
    twice = int((ordered == 0).sum())
    times = f"{counted(twice, 'time')} {either(twice, 'stands', 'stand')}"
    return f"{said}; rows in order of time are expected, and {times} twice{_clock(int(gone[row - 1]), step)}"


def _clock(gone: int, step: Step | None) -> str:
    """The advice for the hour that a clock shows twice when it is set back, and not at all when it is set forward."""
    each = _HOUR if step is None else step.microseconds or 0
    changed = "back" if -_HOUR <= gone <= 0 else "forward" if gone == _HOUR + each else None
    if changed is None or not 0 < each <= _HOUR:
        return ""
    return f"; where a clock was set {changed}, write the times in UTC or with their offsets (+02:00)"


def _other_step(stamps: Stamps, row: int, step: Step, rules: Rules, doubt: str) -> str:
    """What is wrong with a row that comes too early or too late, and what fits all rows."""
    gone = int((stamps[row] - stamps[row - 1]).astype(np.int64))
    whose = "as 'step' says" if rules.step else "as between most rows"
    before, now = _shown(stamps[row - 1]), _shown(stamps[row])
    said = f"{now} comes {steps.in_words(gone)} after {before}, expected {step} {whose}"
    return f"{said}; {doubt or _advice(stamps, step, rules) + _clock(gone, step)}"


def _fitting(stamps: Stamps, step: Step, rules: Rules) -> str:
    """The advice to say another step, which all rows have; nothing where there is none."""
    others = [_usual(np.diff(stamps).astype(np.int64)), *(Step(1, u) for u in (BUSINESS, *steps.MONTHS))]
    fitting = [other for other in others if other is not None and other != step]
    for other in fitting:
        place, fits = _on(stamps, other)
        if fits.all() and (np.diff(place) == 1).all():
            return f"'step: {other}' fits every row"
    business, at_work = _on(stamps, Step(1, BUSINESS))
    if step == Step(1, "day") and at_work.all() and (np.diff(business) > 0).all() and len(stamps) > 5:
        missing = int(business[-1]) + 1 - len(stamps)
        how = f" with {FILLING}" if rules.fill is None else ""
        days = f"{counted(missing, 'day')} that {either(missing, 'is', 'are')}"
        return f"'step: 1 business day'{how} fills the {days} missing"
    return ""


def _advice(stamps: Stamps, step: Step, rules: Rules) -> str:
    if fitting := _fitting(stamps, step, rules):
        return fitting
    place, fits = _on(stamps, step)
    if fits.all() and (np.diff(place) > 0).all() and rules.fill is None:
        gaps, missing = int((np.diff(place) > 1).sum()), int(place[-1]) + 1 - len(place)
        rows = f"{counted(missing, 'row')} that {either(missing, 'is', 'are')}"
        filled = f"{FILLING} fills the {rows} missing in {counted(gaps, 'gap')}"
        return f"{filled}, 'step: none' takes the rows as they stand"
    return "no constant step fits all rows; 'step: none' takes them as they stand, one after the other"


def axis(stamps: Stamps, place: Places, rules: Rules) -> Stamps:
    """The moments of every step [steps] from the first row to the last, where rows stand at `place`."""
    rows = int(place[-1]) + 1 if len(place) else 0
    step = steps.parse(rules.step) or _usual(np.diff(stamps).astype(np.int64))
    if rows == len(stamps) or step is None:
        return stamps
    whole = _at(stamps[0], np.arange(rows), step)
    whole[place] = stamps
    return whole


def following(stamps: Stamps, rules: Rules, count: int) -> Stamps:
    """So many moments [count] after the last of some rows, by the step of the rules, else that between most of the rows.

    Of months, on the day of the month on which they end or lie. Raises DataError where the rows have no constant step.
    """
    step = None if rules.step == IRREGULAR else steps.parse(rules.step) or _usual(np.diff(stamps).astype(np.int64))
    if step is None:
        raise DataError("its last rows follow each other by no constant step, so nothing tells the dates after them")
    place, fits = _on(stamps, step)
    wrong = (np.diff(place) != 1) | ~(fits[1:] & fits[0])
    if wrong.any():
        row = int(np.argmax(wrong)) + 1
        before, found = (_shown(each) for each in stamps[row - 1 : row + 1])
        raise DataError(
            f"expected its last {counted(len(stamps), 'row')} one every {step}, found {found} after {before}; mend that gap"
        )
    first = 0 if step.months is None else int(np.argmax(stamps.astype("datetime64[D]") - stamps.astype("datetime64[M]")))
    return _at(stamps[first], np.arange(count) + len(stamps) - first, step)


def fill(values: Array, stamps: Stamps, place: Places, rules: Rules) -> tuple[Array, Stamps, tuple[str, ...]]:
    """values [steps, channels] and stamps [steps] with a row for every step and without a NaN, and what was done.

    `previous`: the channel's last value before; `linear`: on the line between the last and the next one, step by step.
    No channel begins with a NaN, since a reader refuses that; at the end both take the last. `mask`: NaN stays,
    since only whoever has the windows knows inputs (`previous`) from targets.
    """
    stamps = axis(stamps, place, rules)
    rows, holes, notes = len(stamps), np.isnan(values), []
    if missing := rows - len(values):
        notes.append(f"{counted(missing, 'row')} in {counted(int((np.diff(place) > 1).sum()), 'gap')}")
    if holes.any():
        notes.append(f"{counted(int(holes.sum()), 'value')} in {counted(int(holes.any(axis=0).sum()), 'channel')}")
    if not notes:
        return values, stamps, ()
    count = missing + int(holes.sum())
    told = f"{' and '.join(notes)} {either(count, 'is', 'are')} missing"
    wide: pd.DataFrame = pd.DataFrame(values, index=place).reindex(np.arange(rows))
    if rules.fill == "mask":
        return wide.to_numpy(np.float64), stamps, (f"{told}, and {either(count, 'does', 'do')} not count ('fill: mask')",)
    taken: Any = wide.ffill() if rules.fill == "previous" else wide.interpolate()
    return taken.to_numpy(np.float64), stamps, (f"{told}, filled ('fill: {rules.fill}')",)


def previous(wide: pd.DataFrame) -> pd.DataFrame:
    """Each NaN replaced by the channel's last value before it, at the start by the next."""
    return wide.ffill().bfill()


def note(stamps: Stamps) -> tuple[str, ...]:
    """What a reader should know of times that follow no constant step; nothing where they do."""
    gone = np.diff(stamps).astype(np.int64)
    if not len(gone):
        return ()
    twice, gaps, back = int((gone == 0).sum()), int((gone > np.median(gone)).sum()), int((gone < 0).sum())
    if twice or gaps or back:
        found = f"{twice:,} twice, {counted(gaps, 'gap')}, {counted(back, 'step')} back"
        return (f"time stamps: {found}; rows used in their order",)
    return ()
