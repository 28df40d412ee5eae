"""Friendly SAM: the part of the gradient that is of the batch alone decides where the weights are moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from baselines.optimizers.sam import SAM, gradients_of, norm_of


class FSAM(SAM):
    """F-SAM (Li et al., CVPR 2024, arXiv 2403.12350), as github.com/dnsch/SAM_TSB has it at a876a1e.

    The weights move by rho·u/(‖u‖ + 1e-12). At the first step u = g, and m = g from then on; at any other u = g − sigma·m,
    and then m ← decay·m + (1 − decay)·g (lambda in the paper). m is what it keeps between steps, `memory`.
    """

    def __init__(
        self, base: Any, rho: float, sigma: float = 1.0, decay: float = 0.95, *, model: nn.Module | None = None
    ) -> None:
        """Arguments as for `SAM`. Raises ValueError for a negative rho or sigma, and a decay that is not from 0 to 1."""
        super().__init__(base, rho, model=model)
        if not sigma >= 0:
            raise ValueError(f"sigma must not be negative, it is {sigma}")
        if not 0 <= decay <= 1:
            raise ValueError(f"decay must lie from 0 to 1, it is {decay}")
        self.sigma, self.decay = sigma, decay
        self._mean: dict[int, Tensor] = {}

    def _moves(self, params: Sequence[Tensor], norm: Tensor) -> list[Tensor]:
        places = {id(p): place for place, p in enumerate(self.parameters())}
        noise = []
        for p, gradient in zip(params, gradients_of(params), strict=True):
            mean = self._mean.get(places[id(p)])
            if mean is None:
                noise.append(gradient.clone())
                self._mean[places[id(p)]] = gradient.clone()
            else:
                noise.append(gradient - self.sigma * mean)
                mean.mul_(self.decay).add_(gradient, alpha=1 - self.decay)
        return list(torch._foreach_mul(noise, self.rho / (norm_of(noise) + 1e-12)))

    def memory(self) -> dict[str, Tensor]:
        """m of each parameter that has had a gradient, by its place in the base's order."""
        return {str(place): mean for place, mean in self._mean.items()}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Goes back to a `memory`."""
        params = self.parameters()
        self._mean = {int(place): mean.to(params[int(place)], copy=True) for place, mean in memory.items()}
