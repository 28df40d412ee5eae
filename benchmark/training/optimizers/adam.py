"""Adam, AdamW and Keras' Adam on one vector of weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchmark.config.recipe import Training


class Adam:
    """One step of `torch.optim.Adam`, `torch.optim.AdamW` or `baselines.optimizers.KerasAdam`, as the recipe says, on one
    vector [n] and its gradient, `weights.grad`, which stays the same tensor.

    It calls the fused kernels that torch's own classes call: their bookkeeping takes as long as those do on a small model.
    `rate` and `beta1` may be changed before each step. `param_groups` is what a perturbation (SAM) asks an optimizer for.
    """

    def __init__(self, training: Training, weights: nn.Parameter) -> None:
        assert weights.grad is not None
        self.weights, self.gradient = weights, weights.grad
        self.rate, (self.beta1, self.beta2) = training.learning_rate, training.betas
        self.keras = training.optimizer == "keras_adam"
        self.eps, self.decay = training.eps, 0.0 if self.keras else training.weight_decay
        self.decoupled = training.optimizer == "adamw"
        self.kernel = torch._fused_adamw_ if self.decoupled else torch._fused_adam_
        self.param_groups: list[dict[str, Any]] = [{"params": [weights]}]
        self.moments = torch.zeros_like(weights.detach()), torch.zeros_like(weights.detach())
        self.count = torch.zeros((), device=weights.device)
        self.steps = 0

    @torch.no_grad()
    def step(self) -> None:
        """One update in place."""
        self.steps += 1
        self.count += 1
        first, second = self.moments
        self.kernel(
            [self.weights], [self.gradient], [first], [second], [], [self.count], lr=self.rate, beta1=self.beta1,
            beta2=self.beta2, weight_decay=self.decay, eps=self.epsilon(), amsgrad=False, maximize=False,
        )  # fmt: skip

    def epsilon(self) -> float:
        """Of the latest step; Keras' stands outside the bias correction: see `KerasAdam`."""
        return self.eps / (1 - self.beta2**self.steps) ** 0.5 if self.keras else self.eps

    def state_dict(self) -> dict[str, Tensor | int]:
        """What a resume needs, the moments [n] and the count of steps; shared with the training."""
        return {"exp_avg": self.moments[0], "exp_avg_sq": self.moments[1], "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a `state_dict`. Raises what torch raises for one of another size."""
        for moment, name in zip(self.moments, ("exp_avg", "exp_avg_sq"), strict=True):
            moment.copy_(state[name])
        self.steps = int(state["steps"])
        self.count.fill_(self.steps)
