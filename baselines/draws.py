"""Random numbers of a forward pass: from torch's default generator, or from one of each replica's own.

Where several trainings are one program (`torch.func.vmap` over their weights), each has a generator of its own, and a layer
draws from it what it would draw from the default one if it were trained alone: on a CPU the same numbers in the same order.
On a GPU dropout alone is torch's one kernel, which makes other masks of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

Sample = Callable[[Tensor, torch.Generator | None], Tensor]
"""From a tensor, whose shape, kind and device count, and a generator (None: the default one) to random numbers."""


def transformed() -> bool:
    """Whether this runs inside of a transform of `torch.func`, which wants to see every operation."""
    return torch._C._are_functorch_transforms_active()


@contextmanager
def drawing_from(generators: Sequence[torch.Generator], kept: list[Tensor] | None = None) -> Iterator[None]:
    """Within it the replicas of a `vmap` draw each from its own generator, in the order of their axis. What they draw,
    [S, ...] each time, joins `kept`, where that is given."""
    token = _drawing.set((generators, kept))
    try:
        yield
    finally:
        _drawing.reset(token)


@contextmanager
def drawing_again(kept: Sequence[Tensor]) -> Iterator[None]:
    """Within it the replicas of a `vmap` get these numbers [S, ...], one after the other: those of an earlier pass.

    The generators stay where they are, which a recording of the passes could not put back.
    """
    token = _again.set(iter(kept))
    try:
        yield
    finally:
        _again.reset(token)


_drawing: ContextVar[tuple[Sequence[torch.Generator], list[Tensor] | None]] = ContextVar("drawing", default=((), None))
_again: ContextVar[Iterator[Tensor] | None] = ContextVar("again", default=None)
"""Of this thread: others may train at the same time."""


def drawn(sample: Sample, like: Tensor) -> Tensor:
    """What `sample` draws for a tensor `like` [...]; under `vmap` once for each replica. It has no gradient.

    Raises RuntimeError where there are not as many generators as replicas.
    """
    if not transformed():
        return sample(like, None)
    numbers: Tensor = _Drawn.apply(like.detach(), sample)  # type: ignore[no-untyped-call]
    return numbers


class _Drawn(torch.autograd.Function):
    """No function of anything, but the way by which `torch.func` lets code of our own see the axis of the replicas."""

    @staticmethod
    def forward(like: Tensor, sample: Sample) -> Tensor:
        return sample(like, None)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], like: Tensor, sample: Sample) -> tuple[Tensor, int]:
        again, (generators, kept) = _again.get(), _drawing.get()
        if again is not None:
            return next(again), 0
        if info.batch_size != len(generators):
            raise RuntimeError(f"{info.batch_size} replicas draw from {len(generators)} generators; see drawing_from")
        each = like.movedim(in_dims[0], 0)
        numbers = torch.stack([sample(one, generator) for one, generator in zip(each, generators, strict=True)])
        if kept is not None:
            kept.append(numbers)
        return numbers, 0
