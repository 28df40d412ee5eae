"""Layers that several models share."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Standardised(NamedTuple):
    """Series [B, C, L] of mean 0 and deviation 1 over time, and what was taken out: mean, std [B, C, 1]."""

    values: Tensor
    mean: Tensor
    std: Tensor


def standardise(x: Tensor, eps: float = 1e-5) -> Standardised:
    """Standardise each window and channel of x [B, C, L] over time.

    std is √(population variance + eps); mean and std carry no gradient. x is left as it is.
    """
    mean = x.detach().mean(dim=-1, keepdim=True)  # [B, C, 1]
    centred = x - mean
