"""What moves the weights where SAM is on, as a recipe names it, on one vector of all weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from baselines.optimizers import ASAM, FSAM, GSAM, SAM, ASAMAll, Perturbation
from benchmark.config.recipe import Training


def perturbation_of(
    training: Training, optimizer: Any, model: nn.Module, parts: Iterable[tuple[str, slice]]
) -> Perturbation | None:
    """The recipe's, around an optimizer whose one parameter [n] holds the model's weights; None without SAM.

    parts: of each weight its name and where it lies there.
    """
    if training.rho is None:
        return None
    (weights,) = optimizer.param_groups[0]["params"]
    match training.perturbation:
        case "asam":
            return ASAM(optimizer, model, training.rho, training.eta, scaled=[_named_weight(weights, parts)])
        case "asam_all":
            return ASAMAll(optimizer, training.rho)
        case "gsam":
            return GSAM(optimizer, training.rho, training.alpha)
        case "gsam_adaptive":
            return GSAM(optimizer, training.rho, training.alpha, adaptive="released")
        case "gsam_adaptive_paper":
            return GSAM(optimizer, training.rho, training.alpha, adaptive="paper")
        case "fsam":
            return FSAM(optimizer, training.rho, training.sigma, training.gradient_decay)
        case "sam":
            return SAM(optimizer, training.rho)


def _named_weight(weights: Tensor, parts: Iterable[tuple[str, slice]]) -> Tensor:
    """Where a vector [n] holds a parameter whose name contains "weight", as ASAM asks: booleans [n]."""
    found = torch.zeros_like(weights, dtype=torch.bool)
    for name, part in parts:
        found[part] = "weight" in name
    return found
