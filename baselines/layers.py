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
    # Not torch.var: on a CPU that alone takes four times as long as this whole function.
    squares = torch.linalg.vector_norm(centred.detach(), dim=-1, keepdim=True).square()
    std = torch.sqrt(squares / x.shape[-1] + eps)
    return Standardised(centred.div_(std), mean, std)


class RevIN(nn.Module):
    """Reversible instance normalisation without hidden state (Kim et al., ICLR 2022).

    Works on series with time last, [B, C, L]. The statistics are returned by `normalise` and handed to
    `denormalise`, so that a forward pass leaves nothing behind in the module.

    `affine`: a scale and a shift for each channel. `denorm_eps`: added to the scale that the way back divides
    by; 1e-10 in the released PyTorch code of SAMformer, 0 in its TensorFlow code.
    """

    def __init__(self, channels: int, *, affine: bool = True, denorm_eps: float = 0.0, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.denorm_eps = denorm_eps
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def standardise(self, x: Tensor) -> Standardised:
        """As `normalise`, without the affine part: for a model that folds that into its first projection."""
        return standardise(x, self.eps)

    def normalise(self, x: Tensor) -> Standardised:
        """x [B, C, L] to ((x − mean)/std · weight + bias, mean, std), the statistics [B, C, 1] detached."""
        values, mean, std = self.standardise(x)
        if self.weight is not None and self.bias is not None:
            values = torch.addcmul(self.bias[:, None], values, self.weight[:, None])
        return Standardised(values, mean, std)

    def denormalise(self, y: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """y [..., C, H] back to the scale of the windows that have these mean and std [..., C, 1]."""
        if self.weight is not None and self.bias is not None:
            # One multiplication and one addition over y; the rest is done on one number a channel.
            std = std / (self.weight[:, None] + self.denorm_eps)
            mean = mean - self.bias[:, None] * std
        return torch.addcmul(mean, y, std)
