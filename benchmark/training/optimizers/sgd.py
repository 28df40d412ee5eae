"""Gradient descent with momentum on one vector of weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchmark.config.recipe import Training


class SGD:
    """One step of `torch.optim.SGD` on one vector [n] and its gradient, `weights.grad`, which stays the same tensor.

    As `benchmark.training.optimizers.adam.Adam` to whoever calls it: `rate` may be changed before each step; `beta1` says
    nothing.
    """

    def __init__(self, training: Training, weights: nn.Parameter) -> None:
        assert weights.grad is not None
        self.weights, self.gradient = weights, weights.grad
        self.rate, (self.beta1, _) = training.learning_rate, training.betas
        self.momentum, self.nesterov, self.decay = training.momentum, training.nesterov, training.weight_decay
        self.param_groups: list[dict[str, Any]] = [{"params": [weights]}]
        self.direction = torch.zeros_like(weights.detach())
        self.steps = 0

    @torch.no_grad()
    def step(self) -> None:
        """One update in place."""
        self.steps += 1
        found = self.gradient.add_(self.weights, alpha=self.decay) if self.decay else self.gradient
        if self.momentum:
            self.direction.mul_(self.momentum).add_(found)
            found = found.add(self.direction, alpha=self.momentum) if self.nesterov else self.direction
        self.weights.sub_(found, alpha=self.rate)

    def state_dict(self) -> dict[str, Tensor | int]:
        """What a resume needs, the direction [n] and the count of steps; shared with the training."""
        return {"direction": self.direction, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a `state_dict`. Raises what torch raises for one of another size."""
        self.direction.copy_(state["direction"])
        self.steps = int(state["steps"])
