"""Sharpness-aware minimisation around any optimizer; what its kin (ASAM, GSAM, F-SAM) share with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

Closure = Callable[[], Tensor]
"""Zeroes the gradients, runs forward and backward, returns the loss []: as torch's optimizers want it."""


def global_norm(parameters: Iterable[Tensor]) -> Tensor:
    """The norm [] of all gradients of these parameters together, on their device; 0 without one. Never waits for it."""
    return norm_of(gradients_of(parameters))


def norm_of(tensors: Sequence[Tensor]) -> Tensor:
    """The norm [] of all these tensors together, on their device; 0 of none. Never waits for it."""
    if not tensors:
        return torch.zeros(())
    norms = [torch.linalg.vector_norm(tensors[0])] if len(tensors) == 1 else torch._foreach_norm(list(tensors))
    norm: Tensor = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    return norm


def gradients_of(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The gradients of parameters that have one."""
    return [p.grad for p in parameters if p.grad is not None]


class Draws:
    """The state of torch's default generators, from which dropout draws: rewound, a second pass has the same masks."""

    def __init__(self, devices: Iterable[torch.device]) -> None:
        self._on_cpu = torch.get_rng_state()
        self._on_cuda = [(d, torch.cuda.get_rng_state(d)) for d in devices if d.type == "cuda"]

    def rewind(self) -> None:
        """Back to where they were."""
        torch.set_rng_state(self._on_cpu)
        for device, state in self._on_cuda:
            torch.cuda.set_rng_state(state, device)


class Perturbation(Protocol):
    """What moves the weights before the pass whose gradient is followed. One object, around any torch optimizer.

    A training loop does backward, `ascend`, zero_grad, backward, `restore`, clip, `base.step`.
    """

    rho: float
    """The radius of the next step; a loop may change it."""

    def ascend(self) -> Tensor:
        """Moves the weights by the gradients that they have; returns the norm of these [], on the device."""

    def restore(self) -> None:
        """Puts back the weights that `ascend` found, exactly, and leaves the direction to follow in the gradients."""

    def memory(self) -> dict[str, Tensor]:
        """What it keeps from one step to the next, shared with it; mostly nothing."""

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Goes back to a `memory`."""


class SAM:
    """Sharpness-aware minimisation (Foret et al., ICLR 2021, arXiv 2010.01412, algorithm 1 with p = 2).

    The base optimizer steps from w with the gradient taken at w + rho·g/(‖g‖ + 1e-12), g being the gradient
    at w and ‖g‖ its norm over all parameters together. With rho = 0 that is the base optimizer, bit for bit.

    `step(closure)` does it all; a closure may go through several micro-batches, whose gradients add up. A loop of one's own
    (clipping) does backward, `ascend()`, zero_grad, backward, `restore()`, clip, `base.step()`.

    State, groups and weight decay are the base's: a decay that the base adds to the gradient does not enter
    the perturbation. Learning-rate schedulers want a torch optimizer: give them `base`.
    """

    def __init__(self, base: Any, rho: float, *, model: nn.Module | None = None) -> None:
        """base: any torch optimizer, or whatever has the `param_groups` of one, for a loop that steps it itself. model:
        the one whose running statistics the second call of `step(closure)` leaves as the first has made them; None: they
        move in both, as where the optimizer of github.com/davda54/sam is called without more.

        Raises ValueError for a negative rho (in units of the weights' norm).
        """
        if not rho >= 0:
            raise ValueError(f"rho must not be negative, it is {rho}")
        self.base = base
        self.rho = rho
        self.model = model
        self._moved: list[Tensor] = []
        self._saved: list[Tensor] = []

    @torch.no_grad()
    def ascend(self) -> Tensor:
        """Move every parameter that has a gradient as the method says (SAM: to w + rho·g/(‖g‖ + 1e-12)); returns ‖g‖ [],
        on the device.

        Raises RuntimeError if `restore` is still due. Never waits for the device.
        """
        if self._moved:
            raise RuntimeError("ascend() was called twice without restore()")
        params = [p for p in self.parameters() if p.grad is not None]
        norm = global_norm(params)
        if not params:
            return norm
        self._moved, self._saved = params, [p.detach().clone() for p in params]
        torch._foreach_add_(params, self._moves(params, norm))
        return norm

    def _moves(self, params: Sequence[Tensor], norm: Tensor) -> list[Tensor]:
        """By parameter how far it moves, from the weights and gradients that they have; `norm` []: of these gradients."""
        return list(torch._foreach_mul(gradients_of(params), self.rho / (norm + 1e-12)))

    @torch.no_grad()
    def restore(self) -> None:
        """Put back the weights that `ascend` found, exactly: copies, since (w + e) − e need not be w."""
        if self._moved:
            torch._foreach_copy_(self._moved, self._saved)
        self._moved, self._saved = [], []

    def step(self, closure: Closure) -> Tensor:
        """One step; returns the loss [] at w, that is of the first of the closure's two calls.

        Both calls draw the same random numbers from torch's default generators, hence the same dropout masks.
        If the second call fails, the weights are restored before the error goes on.
        """
        draws = Draws({p.device for p in self.parameters()})
        with torch.enable_grad():
            loss = closure()
        buffers = list(self.model.buffers()) if self.model is not None else []
        statistics = [buffer.clone() for buffer in buffers]
        self.ascend()
        try:
            draws.rewind()
            with torch.enable_grad():
                closure()
        finally:
            self.restore()
            with torch.no_grad():
                for buffer, value in zip(buffers, statistics, strict=True):
                    buffer.copy_(value)
        self.base.step()
        return loss

    def parameters(self) -> list[Tensor]:
        """All parameters of the base, in its order."""
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The base's."""
        groups: list[dict[str, Any]] = self.base.param_groups
        return groups

    @property
    def state(self) -> Any:
        """The base's."""
        return self.base.state

    def zero_grad(self, set_to_none: bool = True) -> None:
        """As the base's."""
        self.base.zero_grad(set_to_none=set_to_none)

    def memory(self) -> dict[str, Tensor]:
        """Nothing: SAM keeps nothing between steps."""
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Nothing to go back to."""

    def state_dict(self) -> dict[str, Any]:
        """The base's, and the method's own memory as `perturbation`, where it has one."""
        state: dict[str, Any] = self.base.state_dict()
        return state | ({"perturbation": self.memory()} if self.memory() else {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes back to a `state_dict`."""
        self.base.load_state_dict({name: value for name, value in state_dict.items() if name != "perturbation"})
        self.remember(state_dict.get("perturbation", {}))
