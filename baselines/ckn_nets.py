"""The shapes of convolutional kernel networks that have names (docs/models.md, CKN). Free of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """By layer: the side of its patches, its filters, its subsampling, its kernel and that one's σ."""

    sizes: tuple[int, ...]
    widths: tuple[int, ...]
    subsampling: tuple[int, ...]
    kernels: tuple[str, ...]
    sigmas: tuple[float, ...]

    def __post_init__(self) -> None:
        counts = {len(each) for each in (self.sizes, self.widths, self.subsampling, self.kernels, self.sigmas)}
        if len(counts) != 1 or counts == {0}:
            raise ValueError(f"a net has as many sizes as widths, subsamplings, kernels and sigmas, and not none: {self}")

    def sides(self, side: int) -> list[int]:
        """The side of each layer's map, from that of the image: an even patch adds a row and a column."""
        found = []
        for size, by in zip(self.sizes, self.subsampling, strict=True):
            side = (side + (size % 2 == 0) - 1) // by + 1
            found.append(side)
        return found


def alternating(pairs: int, widths: tuple[int, ...], subsampling: tuple[int, ...]) -> Shape:
    """3 × 3 patches with the exponential kernel, then single places with the square, and so on."""
    count = len(widths)
    sizes, kernels = ((3, 1) * (pairs + 1))[:count], (("exp", "poly") * (pairs + 1))[:count]
    return Shape(sizes, widths, subsampling, kernels, (0.5,) * count)


def exponential(sigma: float, widths: tuple[int, ...], subsampling: tuple[int, ...]) -> Shape:
    """3 × 3 patches with the exponential kernel in all layers."""
    count = len(widths)
    return Shape((3,) * count, widths, subsampling, ("exp",) * count, (sigma,) * count)


NETS: Mapping[str, Shape] = {
    "ckn5": alternating(2, (128,) * 5, (2, 1, 2, 1, 3)),
    "ckn14": alternating(7, (256, 128) * 2 + (256,) * 10, (1, 1, 1, 2) * 3 + (1, 2)),
    "scratch2": exponential(1 / math.sqrt(3), (32, 32), (2, 6)),
    "scratch3": exponential(0.6, (64, 64, 128), (2, 2, 2)),
    "scratch5": alternating(2, (64, 32, 64, 32, 64), (2, 1, 2, 1, 3)),
    "64-256": exponential(0.6, (64, 256), (2, 6)),
    "256-1024": exponential(0.6, (256, 1024), (2, 6)),
    "512-8192": exponential(0.6, (512, 8192), (2, 6)),
}


def shape_of(
    layout: str, sizes: Sequence[int] | None, widths: str | Sequence[int] | None, subsampling: Sequence[int] | None,
    kernels: Sequence[str] | None, sigmas: Sequence[float] | None,
) -> Shape:  # fmt: skip
    """The shape of a name, with what is given in the place of its own: widths also as words, ``16 16 32``. Raises
    ValueError where they do not fit."""
    named = NETS[layout]
    words = str.split(widths) if isinstance(widths, str) else [str(width) for width in widths or named.widths]
    if wrong := [word for word in words if not word.isdecimal() or int(word) < 1]:
        raise ValueError(f"widths: expected filters by layer, each from 1, such as '16 16 32', found '{wrong[0]}'")
    return Shape(
        tuple(sizes or named.sizes), tuple(map(int, words)), tuple(subsampling or named.subsampling),
        tuple(kernels or named.kernels), tuple(sigmas or named.sigmas),
    )  # fmt: skip
