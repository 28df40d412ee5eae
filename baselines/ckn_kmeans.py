"""Where the filters of a convolutional kernel network begin: spherical k-means over patches, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

Drawn = Literal["sampled", "first"]
MOST_ROUNDS, TOLERANCE, LEAST_NORM = 100, 1e-6, 1e-6
AT_ONCE = 2**15
"""Points whose inner products with all centroids are held together."""


def spherical_kmeans(points: Tensor, start: Tensor) -> Tensor:
    """Centroids [k, d] of norm 1 of points [n, d], from the points whose numbers are start [k].

    Each round gives a point to the centroid with the largest inner product, and has each centroid be the mean of its
    points over that one's norm; one without points takes the point that lies farthest from its own centroid. It ends where
    the mean inner product changes by less than 1e-6 of itself, after 100 rounds at the latest.
    """
    centroids, before = points[start].clone(), float("inf")
    for _ in range(MOST_ROUNDS):
        parts = [(part @ centroids.T).max(dim=1) for part in torch.split(points, AT_ONCE)]
        nearest, own = (torch.cat(each) for each in zip(*parts, strict=True))
        mean = float(nearest.mean())
        sums = torch.zeros_like(centroids).index_add_(0, own, points)
        counts = torch.bincount(own, minlength=len(centroids))
        centroids = on_sphere(sums / counts.clamp(min=1)[:, None])
        for empty in torch.nonzero(counts == 0).flatten().tolist():
            farthest = int(nearest.argmin())
            centroids[empty] = points[farthest]
            nearest[farthest] = 1.0
        if abs(before - mean) / (abs(mean) + 1e-20) < TOLERANCE:
            break
        before = mean
    return centroids


def on_sphere(points: Tensor) -> Tensor:
    """Points [n, d] over their norms, those of less than 1e-6 over that."""
    return torch.div(points, points.norm(dim=1, keepdim=True).clamp(min=LEAST_NORM))


def patches(x: Tensor, size: int) -> Tensor:
    """The whole patches [n, c·k·k] of maps x [B, c, H, W], in the order map, column, row, each as [c, k, k]."""
    if size == 1:
        return torch.reshape(x.permute(0, 3, 2, 1), (-1, x.shape[1]))
    found = x.unfold(2, size, 1).unfold(3, size, 1)  # [B, c, h, w, k, k]
    return torch.reshape(found.permute(0, 3, 2, 1, 4, 5), (-1, x.shape[1] * size * size))


def drawn_patches(
    maps: Iterable[Tensor], size: int, count: int, batches: int, drawn: Drawn, dice: torch.Generator
) -> Tensor:
    """`count` patches [count, c·k·k] on the sphere, or all there are, as many of each of so many batches of maps
    [B, c, H, W]: sampled without putting back, or the first ones of each, as the released code has them."""
    share, found = -(-count // batches), list[Tensor]()
    left = count
    for x in maps:
        if left <= 0:
            break
        every = patches(x, size)
        taken = min(share, left, len(every))
        if drawn == "sampled":
            numbers = torch.randperm(len(every), generator=dice)[:taken].to(x.device)
            found.append(on_sphere(every[numbers]))
        else:
            found.append(on_sphere(every[:taken]))
        left -= taken
    return torch.cat(found)


def begun(points: Tensor, filters: Tensor, dice: torch.Generator) -> Tensor:
    """Filters [p, c, k, k], shaped as these, from points [n, c·k·k]: k-means from distinct points drawn at random.

    Raises ValueError for fewer points than filters.
    """
    if len(points) < len(filters):
        raise ValueError(
            f"{len(points)} patches are too few for {len(filters)} filters; raise patch_count or take more training images"
        )
    start = torch.randperm(len(points), generator=dice)[: len(filters)].to(points.device)
    return spherical_kmeans(points, start).view_as(filters)
