"""The weights of a model as one vector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn


def flatten(parameters: Sequence[nn.Parameter]) -> tuple[nn.Parameter, list[Tensor]]:
    """Moves weights into one vector [n], of which they become views: what an optimizer does to a dozen tensors it does to
    one, in a third of the time. Returns the vector, with a gradient of 0, and the parts of that gradient by parameter.

    Each begins at a multiple of `ALIGNED` numbers; those between belong to no weight and stay 0. A weight that a loss does
    not depend on has the gradient 0. Raises ValueError for weights of several kinds of number or on several devices.
    """
    kinds = {(p.dtype, p.device) for p in parameters}
    if len(kinds) != 1:
        raise ValueError(f"a model's weights are expected to be of one kind on one device, found {sorted(map(str, kinds))}")
    weights = nn.Parameter(parameters[0].detach().new_zeros(sum(map(_room, parameters))))
    weights.grad = torch.zeros_like(weights)
    return weights, lay(parameters, weights)


def lay(parameters: Sequence[nn.Parameter], weights: nn.Parameter) -> list[Tensor]:
    """Moves weights into a vector [n] that `flatten` has made for them; returns the parts of its gradient by parameter."""
    assert weights.grad is not None
    parts = []
    for p, own in zip(parameters, places(parameters), strict=True):
        p.data = weights.detach()[own].view_as(p).copy_(p.detach())
        parts.append(weights.grad[own].view_as(p))
    return parts


def places(parameters: Iterable[Tensor]) -> Iterator[slice]:
    """Where each of them lies in that vector [n]."""
    place = 0
    for p in parameters:
        yield slice(place, place + p.numel())
        place += _room(p)


def side_by_side(parts: Sequence[Tensor]) -> list[Tensor]:
    """What `torch.cat` makes rows [S, n] of: parts [S, …], one for each weight in their order, with 0 between them."""
    rows = [part.reshape(len(part), -1) for part in parts]
    none = rows[0].new_zeros(len(rows[0]), ALIGNED)
    return [each for row in rows for each in (row, none[:, : -row.shape[1] % ALIGNED]) if each.shape[1]]


def _room(parameter: Tensor) -> int:
    return -(-parameter.numel() // ALIGNED) * ALIGNED


ALIGNED = 16
"""Numbers, 64 bytes in float32: what vector instructions load at once."""
