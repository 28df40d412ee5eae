"""How marks look: colours by place or by name, shapes by name, as every renderer understands them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

Tone = Literal["black", "dark grey", "grey", "light grey", "white"]
"""A colour that belongs to no series."""
Shape = Literal["circle", "square", "triangle", "diamond", "triangle down", "plus", "heavy cross", "cross"]
"""All are areas, but for the cross, which is two strokes."""
LineKind = Literal["none", "solid", "dashed"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of the series, by place, and from the first again. Okabe and Ito's, which stay apart under the usual colour
blindnesses; shapes say the same a second time."""
SHAPES: tuple[Shape, ...] = ("circle", "square", "triangle", "diamond", "triangle down", "plus", "heavy cross")
TONES: dict[Tone, str] = {
    "black": "#000000", "dark grey": "#555555", "grey": "#777777", "light grey": "#bbbbbb", "white": "#ffffff",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a mark looks.

    colour: the place of a series, from 0, or a tone. shape: at each point; None: no mark there. size: of the shape, its
    diameter in points (1/72 inch). filled: else the shape is white inside. outlined: whether the shape has a black edge.
    line: through the points. width: of the line, and of a cross's strokes, in points. opacity: from 0 to 1.
    """

    colour: int | Tone
    shape: Shape | None = None
    size: float = 6.0
    filled: bool = True
    outlined: bool = False
    line: LineKind = "none"
    width: float = 1.0
    opacity: float = 1.0


def style_of_series(place: int, **others: Any) -> Style:
    """Colour and shape of the series at a place, from 0; the shapes shift where the colours begin again."""
    style = Style(colour=place, shape=SHAPES[(place + place // len(COLOURS)) % len(SHAPES)])
    return replace(style, **others)


def colour_code(colour: int | Tone) -> str:
    """A style's colour as `#rrggbb`."""
    return COLOURS[colour % len(COLOURS)] if isinstance(colour, int) else TONES[colour]
