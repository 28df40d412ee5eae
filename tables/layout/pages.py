"""A grid onto pages: upright, on its side, or in parts, so that each fits without being shrunk below what can be read."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tables.layout.texts import Group, TextGrid

UPRIGHT = (108, 50)
"""Characters across and lines down that a page takes at footnote size, shrunk by a tenth at most."""
SIDEWAYS = (165, 28)


@dataclass(frozen=True)
class Page:
    """What stands on one page."""

    grid: TextGrid
    sideways: bool


def pages_of(grid: TextGrid) -> list[Page]:
    """The parts of a grid, upright or sideways, whichever needs fewer pages; groups and data sets stay whole."""
    choices = [(_split(grid, *room), room is SIDEWAYS) for room in (UPRIGHT, SIDEWAYS)]
    pages, sideways = min(choices, key=lambda choice: len(choice[0]))
    return [Page(page, sideways) for page in pages]


def _split(grid: TextGrid, across: int, down: int) -> list[TextGrid]:
    stub = 4 + sum(max(len(_visible(pair[i])) for pair in (grid.stub, *grid.lines)) for i in (0, 1))
    columns = _runs([_width(group) for group in grid.groups], across - stub)
    starts = [i for i, (name, _) in enumerate(grid.lines) if not i or name != grid.lines[i - 1][0]] + [len(grid.lines)]
    blocks = [range(a, b) for a, b in pairwise(starts)]
    rows = _runs([len(block) for block in blocks], down)
    return [
        _piece(grid, [i for block in blocks[a:b] for i in block], grid.groups[c:d]) for a, b in rows for c, d in columns
    ]


def _runs(sizes: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Neighbours put together as long as they fit, in as few runs as that takes, of about the same size."""
    count = len(_greedy(sizes, room))
    even = math.ceil(sum(sizes) / count)
    for most in range(even, room + 1):
        if len(runs := _greedy(sizes, most)) <= count:
            return runs
    return _greedy(sizes, room)


def _greedy(sizes: Sequence[int], room: int) -> list[tuple[int, int]]:
    runs, start, used = [], 0, 0
    for i, size in enumerate(sizes):
        if used and used + size > room:
            runs.append((start, i))
            start, used = i, 0
        used += size
    return [*runs, (start, len(sizes))]


def _piece(grid: TextGrid, lines: Sequence[int], groups: Sequence[Group]) -> TextGrid:
    return replace(
        grid,
        lines=tuple(grid.lines[i] for i in lines),
        groups=tuple(replace(group, lines=tuple(group.lines[i] for i in lines)) for group in groups),
        first_below=sum(i < grid.first_below for i in lines),
    )


def _width(group: Group) -> int:
    columns = [max(len(_visible(text)) for text in column) for column in zip(group.heads, *group.lines, strict=True)]
    return max(sum(columns) + 2 * len(columns), len(_visible(group.head)) + 2)


def _visible(text: str) -> str:
    """A rough idea of what is left of LaTeX on paper: a command that prints something counts as one character, and of
    what is set smaller three of four characters count."""
    text = re.sub(r"\{\\scriptsize\$\\pm\$ ([0-9.]+)\}", lambda found: "x" * round(0.75 * (2 + len(found[1]))), text)
    text = re.sub(r"\\(textbf|underline|textit|scriptsize|rlap)\b", "", text)
    return re.sub(r"[{}$^]", "", re.sub(r"\\[A-Za-z]+\s?", "x", text)).replace("\\", "")
