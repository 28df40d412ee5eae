"""A Markdown table of cells that are texts already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def pipe(lines: Iterable[Sequence[str]], heads: Sequence[str], align: Sequence[str]) -> str:
    """align: of each column ``left``, ``right`` or ``center``. No cell is read as a number, as tabulate would by itself."""
    return str(tabulate(list(lines), heads, tablefmt="pipe", disable_numparse=True, colalign=tuple(align)))
