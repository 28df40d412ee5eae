"""How much memory a training step of each model of images takes, from its sizes alone: as `footprint`, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from baselines.ckn_nets import NETS, Shape, shape_of

VGG: Mapping[str, str] = {
    "vgg9": "64 64 M 128 128 M 256 256 256 M",
    "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}
"""By name, the widths of the convolutions, and M where a net pools."""
POOL = 0
"""What stands for M among widths."""
_BYTES = 4


class ImageSizes(NamedTuple):
    """Of a batch of images [B, C, S, S] and their classes."""

    channels: int
    size: int
    classes: int
    batch: int


def vgg_layers(net: str, widths: str | Iterable[int | str] | None) -> list[int]:
    """The widths of a net's convolutions, and `POOL` where it pools: those of `widths`, where it has them.

    Raises ValueError for what is no width, and where there is none.
    """
    said = VGG[net] if widths is None else widths
    words = [str(word) for word in (said.split() if isinstance(said, str) else said)]
    if wrong := [word for word in words if word != "M" and (not word.isdecimal() or int(word) < 1)]:
        raise ValueError(f"widths: expected widths from 1, and M where it pools, such as '64 M 128 M', found '{wrong[0]}'")
    if set(words) <= {"M"}:
        raise ValueError(f"widths: expected at least one width, found '{' '.join(words)}'")
    return [POOL if word == "M" else int(word) for word in words]


def vgg(sizes: ImageSizes, arguments: Any) -> tuple[int, int]:
    """Bytes of the activations of a training step, and parameters. A convolution leaves what batch norm and what ReLU
    makes of it, pooling its maxima with their places (8 bytes); the way back has two of the largest at once."""
    side, width = sizes.size, sizes.channels
    held = sizes.channels * side**2
    parameters = largest = 0
    for layer in vgg_layers(arguments.net, arguments.widths):
        if layer == POOL:
            side //= 2
            held += 3 * width * side**2
            continue
        parameters += 9 * width * layer + 3 * layer
        width = layer
        held += 2 * width * side**2
        largest = max(largest, width * side**2)
    parameters += width * side**2 * width + 3 * width + width * sizes.classes + sizes.classes
    return _BYTES * sizes.batch * (held + 2 * largest), parameters


def ckn(sizes: ImageSizes, arguments: Any) -> tuple[int, int]:
    """Bytes of the activations of a training step, and parameters. A layer keeps its products, u, κ(u) and n·κ(u) before
    pooling, and two maps after it; the way back has two of the largest at once. Where k-means takes more than that, its
    patches, which are held twice while they are put together."""
    of = vars(arguments).get
    given = (of(name) for name in ("kernel_sizes", "widths", "subsampling", "kernels", "sigmas"))
    shape = shape_of(arguments.layout, *given)
    held, side, channels = sizes.channels * sizes.size**2, sizes.size, sizes.channels
    parameters = largest = points = 0
    for size, width, after in zip(shape.sizes, shape.widths, shape.sides(sizes.size), strict=True):
        map_size = width * (side + (size % 2 == 0)) ** 2
        held += 4 * map_size + 2 * width * after**2
        largest = max(largest, map_size)
        parameters += width * channels * size**2
        points = max(points, channels * size**2 * arguments.patch_count)
        side, channels = after, width
    parameters += (channels * side**2 + 1) * sizes.classes
    return _BYTES * max(sizes.batch * (held + 2 * largest), 2 * points), parameters


MOST_ROUNDS = 100
"""Of k-means, which as a rule takes nearly all of them."""


def ckn_begins(sizes: ImageSizes, arguments: Any) -> float:
    """Multiplications and additions of k-means, by which the filters of all layers begin."""
    if arguments.filters == "random":
        return 0.0
    of = vars(arguments).get
    given = (of(name) for name in ("kernel_sizes", "widths", "subsampling", "kernels", "sigmas"))
    return _of_kmeans(shape_of(arguments.layout, *given), sizes.channels, arguments.patch_count)


def ckn_unsupervised_begins(sizes: ImageSizes, arguments: Any) -> float:
    """As `ckn_begins`, of the nets without labels."""
    return _of_kmeans(NETS[arguments.widths_of], sizes.channels, arguments.patch_count)


def _of_kmeans(shape: Shape, channels: int, count: int) -> float:
    """A round: each of `count` patches [c·k·k] of a layer's input times each of its filters."""
    below = (channels, *shape.widths)
    of_patch = sum(c * size**2 * width for c, size, width in zip(below, shape.sizes, shape.widths, strict=False))
    return 2.0 * MOST_ROUNDS * count * of_patch
