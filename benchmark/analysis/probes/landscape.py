"""The loss around trained weights, between those of two trainings, and along one training (Li et al., NeurIPS 2018).

A random direction is what loss-landscape's `net_plotter.py` makes of N(0, 1) (github.com/tomgoldstein/loss-landscape at
64ef4d5): a norm of `NORMS` for tensors of two axes or more, one of `BIASES` for biases and the scales of norms, which have
one. A filter is what makes one output: of a linear layer [out, in] a row, of a convolution [out, in, k] one of `out` maps.
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
Measure = Callable[[Any], Mapping[str, float]]
"""From a model to its mean `loss` and, where it classifies, its `accuracy` in %. It puts the model into the mode that it
wants."""
Numbers = NDArray[np.float64]


def _of_filters(tensor: Tensor) -> Tensor:
    """The length of each filter, in a shape [out, 1, …] that divides the tensor [out, …]."""
    lengths: Tensor = tensor.flatten(1).norm(dim=1)
    return lengths.view(-1, *[1] * (tensor.dim() - 1))


TINY = 1e-10
"""What a filter's length is raised by before something is divided by it."""
NORMS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "filter": lambda d, w: d * _of_filters(w) / (_of_filters(d) + TINY),
    "layer": lambda d, w: d * w.norm() / d.norm(),
    "weight": lambda d, w: d * w,
    "dfilter": lambda d, w: d / (_of_filters(d) + TINY),
    "dlayer": lambda d, w: d / d.norm(),
    "none": lambda d, w: d,
}  # fmt: skip
"""By the released name, what becomes of a drawn tensor of two axes or more, beside the weights: its filters, or the whole,
as long as theirs; each of its numbers times the weight; its filters, or the whole, of length 1; as it was drawn."""
BIASES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "zero": lambda d, w: torch.zeros_like(d),
    "copy": lambda d, w: w.to(d, copy=True),
}
"""What becomes of a tensor of one axis or none: 0, so that it stays (released: `biasbn`); or a copy of the weights, as
released without it, so that both directions share it, and w + a·x + b·y has it times 1 + a + b."""
DIR_TYPES = ("weights", "states")
"""What moves: parameters, or all of the model's `state_dict`, running statistics too."""


def trained(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the trained parameters."""
    return {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}


def drawn(weights: Weights, seed: int) -> Weights:
    """A direction of independent N(0, 1): the same one for all models of one shape."""
    draw = torch.Generator().manual_seed(seed)
    raw = {name: torch.randn(each.shape, generator=draw) for name, each in weights.items()}
    return {name: each.to(weights[name]) if weights[name].is_floating_point() else each for name, each in raw.items()}


def directions(
    model: nn.Module, seed: int, norm: str = "filter", biases: str = "zero", dir_type: str = "weights"
) -> tuple[Weights, Weights]:
    """Two random directions, by names of `NORMS`, `BIASES` and `DIR_TYPES` (of `weights` those that are trained).

    Raises UsageError for a model of which nothing with filters is trained.
    """
    weights = trained(model)
    if not any(each.dim() > 1 for each in weights.values()):
        raise UsageError(f"landscape: expected a model with trained weights, found {type(model).__name__}, which has none")
    if dir_type == "states":
        weights = dict(model.state_dict())
    first, second = (normalised(drawn(weights, 2 * seed + axis), weights, norm, biases) for axis in (0, 1))
    return first, second


def normalised(direction: Weights, weights: Weights, norm: str = "filter", biases: str = "zero") -> Weights:
    """A drawn direction beside the weights, by names of `NORMS` and `BIASES`."""
    return {
        name: (NORMS[norm] if weight.dim() > 1 else BIASES[biases])(direction[name], weight)
        for name, weight in weights.items()
    }


def cosine(first: Weights, second: Weights) -> float:
    """Of the angle between two directions: about 1/√n of random ones."""
    a, b = (torch.cat([each.flatten().double() for each in of.values()]) for of in (first, second))
    return float(a @ b / (a.norm() * b.norm()))


def surface(model: nn.Module, measure: Measure, x: Weights, y: Weights, at: tuple[Numbers, Numbers]) -> dict[str, Numbers]:
    """What `measure` gives at the model's weights + a·x + b·y, by name [ny, nx], element [j, i] for the i-th a [nx] and the
    j-th b [ny] of `at`.

    The model has its own weights again afterwards. (loss-landscape records an array [nx, ny] that it fills in the same
    order, a running fastest: read as `ravel().reshape(ny, nx)` it is this one.)
    """
    with _moving(model) as (origin, put):
        found = [_at(model, measure, put, origin, ((a, x), (b, y))) for b in at[1] for a in at[0]]
    return {name: each.reshape(len(at[1]), len(at[0])) for name, each in _by_name(found).items()}


def _at(
    model: nn.Module, measure: Measure, put: Callable[[Weights], None], origin: Weights,
    steps: Sequence[tuple[float, Weights]],
) -> Mapping[str, float]:  # fmt: skip
    moved = dict(origin)
    for length, direction in steps:
        moved |= {name: moved[name] + float(length) * each for name, each in direction.items() if name in origin}
    put(moved)
    return measure(model)


def _by_name(found: Sequence[Mapping[str, float]]) -> dict[str, Numbers]:
    return {name: np.array([each[name] for each in found], dtype=np.float64) for name in found[0]}


def between(
    model: nn.Module, measure: Measure, other: Weights, at: Numbers, dir_type: str = "states"
) -> dict[str, Numbers]:  # fmt: skip
    """What `measure` gives at (1 − a)·own + a·other, for each a of `at` [n], by name [n].

    other: the other model's `state_dict`. dir_type: `states`, the statistics of batch norms go along, so that both ends are
    what the two models are; `weights`, they stay the model's own, and parameters alone go. Counters stay.

    Raises KeyError or RuntimeError where the models are not of one shape.
    """
    names = set(dict(model.named_parameters()) if dir_type == "weights" else model.state_dict())
    with _moving(model) as (origin, put):
        line = {name: other[name] - each for name, each in origin.items() if name in names}
        return _by_name([_at(model, measure, put, origin, ((float(a), line),)) for a in at])


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
