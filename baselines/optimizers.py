"""Keras' Adam, and sharpness-aware minimisation around any optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import Tensor

Closure = Callable[[], Tensor]
"""Zeroes the gradients, runs forward and backward, returns the loss []: as torch's optimizers want it."""


class KerasAdam(torch.optim.Adam):
    """Adam with Keras' epsilon, which stands outside the bias correction: with αₜ = lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ),

        θ ← θ − αₜ·m/(√v + eps).

    PyTorch's Adam corrects v first: θ ← θ − lr/(1 − β₁ᵗ)·m/(√v/√(1 − β₂ᵗ) + ε). Multiply its numerator and
    denominator by √(1 − β₂ᵗ) and it reads αₜ·m/(√v + ε·√(1 − β₂ᵗ)): it is Keras' update if ε = eps/√(1 −
    β₂ᵗ). So each step hands PyTorch's kernels that ε. (With ε = eps the weights are off by up to 7e-5 after
    five steps.)

    t counts the calls of `step`, as Keras' `iterations` does, and is kept in the parameter groups: so it is
    part of `state_dict`, and reading it never waits for the device. Keyword arguments as for
    `torch.optim.Adam`.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        params = list(params)
        if not {"fused", "foreach", "capturable", "differentiable"} & set(options):
            options["fused"] = _can_fuse(params)
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, **options)
        self.defaults["iterations"] = 0  # for add_param_group
        for group in self.param_groups:
            group.setdefault("iterations", 0)

    def step(self, closure: Any = None) -> Any:
        """One update from the gradients in place; returns the loss [] of the closure, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        eps = [group["eps"] for group in self.param_groups]
        try:
            for group in self.param_groups:
                group["iterations"] += 1
                group["eps"] /= (1 - group["betas"][1] ** group["iterations"]) ** 0.5
            super().step()
        finally:
            for group, value in zip(self.param_groups, eps, strict=True):
                group["eps"] = value
        return loss


def _can_fuse(params: list[Any]) -> bool | None:
    """True if PyTorch has a fused Adam for all these parameters (or groups), None (its own choice) if not."""
    groups = [p["params"] if isinstance(p, dict) else p for p in params]
    tensors = [t for g in groups for t in ([g] if isinstance(g, Tensor) else g) if isinstance(t, Tensor)]
    fusible = tensors and all(t.device.type in ("cpu", "cuda") and t.is_floating_point() for t in tensors)
    return True if fusible else None


def global_norm(parameters: Iterable[Tensor]) -> Tensor:
    """The norm [] of all gradients of these parameters together, on their device; 0 without one. Never waits for it."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    norms = [torch.linalg.vector_norm(gradients[0])] if len(gradients) == 1 else torch._foreach_norm(gradients)
    norm: Tensor = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    return norm


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

    def ascend(self) -> Tensor:
        """Moves the weights by the gradients that they have; returns the norm of these [], on the device."""

    def restore(self) -> None:
        """Puts back the weights that `ascend` found, exactly."""


class SAM:
    """Sharpness-aware minimisation (Foret et al., ICLR 2021, arXiv 2010.01412, algorithm 1 with p = 2).

    The base optimizer steps from w with the gradient taken at w + rho·g/(‖g‖ + 1e-12), g being the gradient
    at w and ‖g‖ its norm over all parameters together. With rho = 0 that is the base optimizer, bit for bit.

    `step(closure)` does it all. A loop of one's own (accumulation, clipping, frozen running statistics) does
    backward, `ascend()`, zero_grad, backward, `restore()`, clip, `base.step()`.

    State, groups and weight decay are the base's: a decay that the base adds to the gradient does not enter
    the perturbation. Learning-rate schedulers want a torch optimizer: give them `base`.
    """

    def __init__(self, base: Any, rho: float) -> None:
        """base: any torch optimizer, or whatever has the `param_groups` of one, for a loop that steps it itself.

        Raises ValueError for a negative rho (in units of the weights' norm).
        """
        if not rho >= 0:
            raise ValueError(f"rho must not be negative, it is {rho}")
        self.base = base
        self.rho = rho
        self._moved: list[Tensor] = []
        self._saved: list[Tensor] = []

    @torch.no_grad()
    def ascend(self) -> Tensor:
        """Move every parameter that has a gradient to w + rho·g/(‖g‖ + 1e-12); returns ‖g‖ [], on the device.

        Raises RuntimeError if `restore` is still due. Never waits for the device.
        """
        if self._moved:
            raise RuntimeError("ascend() was called twice without restore()")
        params = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = global_norm(params)
        if not params:
            return norm
        self._moved, self._saved = params, [p.detach().clone() for p in params]
        torch._foreach_add_(params, torch._foreach_mul([p.grad for p in params], self.rho / (norm + 1e-12)))
        return norm

    @torch.no_grad()
    def restore(self) -> None:
        """Put back the weights that `ascend` found, exactly: copies, since (w + e) − e need not be w."""
        if self._moved:
            torch._foreach_copy_(self._moved, self._saved)
        self._moved, self._saved = [], []

    def step(self, closure: Closure) -> Tensor:
        """One SAM step; returns the loss [] at w, that is of the first of the closure's two calls.

        Both calls draw the same random numbers from torch's default generators, hence the same dropout masks.
        If the second call fails, the weights are restored before the error goes on.
        """
        draws = Draws({p.device for group in self.param_groups for p in group["params"]})
        with torch.enable_grad():
            loss = closure()
        self.ascend()
        try:
            draws.rewind()
            with torch.enable_grad():
                closure()
        finally:
            self.restore()
        self.base.step()
        return loss

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

    def state_dict(self) -> dict[str, Any]:
        """The base's: SAM keeps nothing between steps."""
        state: dict[str, Any] = self.base.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As the base's."""
        self.base.load_state_dict(state_dict)
