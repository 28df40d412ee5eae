"""Keras' Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


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
