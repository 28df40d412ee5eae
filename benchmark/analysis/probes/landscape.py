"""The loss around trained weights, between those of two trainings, and along one training (Li et al., NeurIPS 2018).

Directions move what has two or more axes: biases, and the scales of norms, which have one, stay as they are trained. A
filter is what makes one output: of a linear layer [out, in] a row, of a convolution [out, in, k] one of `out` maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.errors import UsageError

Weights = Mapping[str, Tensor]
"""Tensors by the name that they have in the model."""
Loss = Callable[[Any], float]
"""From a model to its mean loss. It puts the model into the mode that it wants."""
Losses = NDArray[np.float64]


def trained(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the trained parameters."""
    return {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}


def drawn(weights: Weights, seed: int) -> Weights:
    """A direction of independent N(0, 1): the same one for all models of one shape."""
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randn(each.shape, generator=draw).to(each) for name, each in weights.items()}


def directions(model: nn.Module, seed: int) -> tuple[Weights, Weights]:
    """Two random directions, filter-normalised. Raises UsageError for a model of which nothing with filters is trained."""
    weights = trained(model)
    if not any(each.dim() > 1 for each in weights.values()):
        raise UsageError(f"landscape: expected a model with trained weights, found {type(model).__name__}, which has none")
    first, second = (filter_normalised(drawn(weights, 2 * seed + axis), weights) for axis in (0, 1))
    return first, second


def filter_normalised(direction: Weights, weights: Weights) -> Weights:
    """A direction whose filters are each as long as those of the weights; 0 for tensors of one axis or none."""
    found = {}
    for name, weight in weights.items():
        if weight.dim() < 2:
            found[name] = torch.zeros_like(weight)
            continue
        flat, of_weight = direction[name].flatten(1), weight.flatten(1)
        ratio = of_weight.norm(dim=1, keepdim=True) / (flat.norm(dim=1, keepdim=True) + 1e-10)
        found[name] = (flat * ratio).view_as(weight)
    return found


def cosine(first: Weights, second: Weights) -> float:
    """Of the angle between two directions: about 1/√n of random ones."""
    a, b = (torch.cat([each.flatten().double() for each in of.values()]) for of in (first, second))
    return float(a @ b / (a.norm() * b.norm()))


def surface(model: nn.Module, loss: Loss, x: Weights, y: Weights, at: tuple[Losses, Losses]) -> Losses:
    """The loss [ny, nx] at the model's weights + a·x + b·y, element [j, i] for the i-th a [nx] and the j-th b [ny] of `at`.

    The model has its own weights again afterwards.
    """
    with _moving(model) as (origin, put):
        return np.array([[_at(model, loss, put, origin, ((a, x), (b, y))) for a in at[0]] for b in at[1]], dtype=np.float64)


def _at(
    model: nn.Module, loss: Loss, put: Callable[[Weights], None], origin: Weights, steps: Sequence[tuple[float, Weights]]
) -> float:
    moved = dict(origin)
    for length, direction in steps:
        moved |= {name: moved[name] + float(length) * each for name, each in direction.items()}
    put(moved)
    return loss(model)


def between(model: nn.Module, loss: Loss, other: Weights, at: Losses) -> Losses:
    """The loss [n] at (1 − a)·own + a·other, for each a of `at` [n].

    other: the other model's `state_dict`. The statistics of batch norms go along, so that both ends are what the two models
    are; counters stay. Raises KeyError or RuntimeError where the models are not of one shape.
    """
    with _moving(model) as (origin, put):
        line = {name: other[name] - each for name, each in origin.items()}
        return np.array([_at(model, loss, put, origin, ((float(a), line),)) for a in at], dtype=np.float64)


@contextmanager
def _moving(model: nn.Module) -> Iterator[tuple[Weights, Callable[[Weights], None]]]:
    """A copy of what is a number in the model's state, and what puts another one there; in the end the first is back."""
    there = {name: each for name, each in model.state_dict().items() if each.is_floating_point()}
    origin = {name: each.clone() for name, each in there.items()}

    def put(weights: Weights) -> None:
        with torch.no_grad():
            for name, each in weights.items():
                there[name].copy_(each)

    try:
        yield origin, put
    finally:
        put(origin)


def plane_of(path: Sequence[Weights], origin: Weights) -> tuple[tuple[Weights, Weights], dict[str, NDArray[Any]]]:
    """The plane in which a training's path lies best, through `origin`: the two principal components of path − origin.

    path: the weights of three epochs or more. Gives the two directions (orthogonal, of length 1, 0 for tensors of one axis
    or none) and arrays: path [E, 2], where each epoch stands in the plane, seen from the origin; explained [2], which share
    of the path's variance each of them has.

    Raises ValueError for fewer than three epochs.
    """
    if len(path) < 3:
        raise ValueError(f"a plane takes three epochs, found {len(path)}")
    kept = {name: each for name, each in origin.items() if each.dim() > 1}
    steps = np.stack([_flat({name: each[name] - kept[name] for name in kept}) for each in path])  # [E, n]
    _, lengths, directions = np.linalg.svd(steps - steps.mean(axis=0), full_matrices=False)
    found = {
        "path": steps @ directions[:2].T,
        "explained": lengths[:2] ** 2 / max(float(np.square(lengths).sum()), np.finfo(np.float64).tiny),
    }
    x, y = ({**_parted(direction, kept), **_still(origin)} for direction in directions[:2])
    return (x, y), found


def _flat(weights: Weights) -> NDArray[np.float64]:
    return np.concatenate([each.double().numpy().ravel() for each in weights.values()])


def _parted(flat: NDArray[np.float64], like: Weights) -> dict[str, Tensor]:
    parts = np.split(flat, np.cumsum([each.numel() for each in like.values()])[:-1])
    return {n: torch.from_numpy(part).view_as(p).to(p) for part, (n, p) in zip(parts, like.items(), strict=True)}


def _still(origin: Weights) -> dict[str, Tensor]:
    return {name: torch.zeros_like(each) for name, each in origin.items() if each.dim() < 2}
