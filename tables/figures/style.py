"""What all figures share: colours that stay apart for everybody, and files whose bytes depend on the data alone."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which stay apart under the usual colour blindnesses; markers say the same a second time."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "tables", "font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9, "axes.grid": True,
    "grid.color": "#e5e5e5", "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": "#888888", "xtick.color": "#444444", "ytick.color": "#444444",
}  # fmt: skip


def saved(draw: Callable[[], Figure]) -> dict[str, bytes]:
    """A figure as `png` and `svg`: the same bytes for the same data, whatever the user's matplotlibrc says."""
    import matplotlib

    # The defaults and not the user's settings. The backend is left alone, since a figure made without pyplot needs none
    # and this context would not set it back.
    settings: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"} | SETTINGS
    with matplotlib.rc_context(settings):
        figure = draw()
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
        figure.set_layout_engine("none")  # laid out once for both
        files = {}
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            out = io.BytesIO()
            figure.savefig(out, format=kind, dpi=200, metadata=metadata)
            files[kind] = out.getvalue()
    return files


def look(place: int) -> dict[str, Any]:
    """Colour and marker of the column at a place."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[(place + place // len(COLOURS)) % len(MARKERS)],
    }


def heading(figure: Figure, title: str) -> None:
    """A title at the left that does not run over the edge."""
    characters = int(figure.get_figwidth() / 0.07)  # of nine points, in inches
    figure.suptitle(textwrap.fill(plain(title), characters), x=0.01, ha="left", fontsize=9)


def legend(figure: Figure, entries: Sequence[Any]) -> None:
    """A legend below, in as many columns as fit."""
    widest = 0.6 + 0.068 * max(len(str(entry.get_label())) for entry in entries)  # inches, at eight points
    columns = min(len(entries), max(1, int(figure.get_figwidth() / widest)))
    figure.legend(handles=list(entries), loc="outside lower left", ncols=columns, frameon=False, fontsize=8)


def plain(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return " ".join(text.replace("$", r"\$").split())
