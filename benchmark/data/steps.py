"""Time steps in words: ``15 min`` is 900 seconds."""

from __future__ import annotations

import re

UNITS = {"s": 1, "min": 60, "h": 3600, "day": 86_400}


def seconds_of(step: str) -> int | None:
    """The seconds of a step such as '15 min', '1 h', '2 days'; None for what is none."""
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*(s|min|h|day)s?\s*", step)
    return int(match[1]) * UNITS[match[2]] or None if match else None


def in_words(seconds: int) -> str:
    """A duration in the largest unit that divides it."""
    for unit, size in reversed(UNITS.items()):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
