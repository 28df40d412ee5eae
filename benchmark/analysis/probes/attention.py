"""SAMformer's attention over channels: its matrices, the entropy of their rows, their effective rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.ablated import Ablated
from baselines.base import Forecaster
from baselines.samformer import SAMformer
from benchmark.errors import UsageError

WINDOWS = 256
"""How many windows are looked at, evenly over the test segment."""
SHOWN = 3
"""Of how many of them every matrix is kept."""


@torch.no_grad()
def matrices(model: Forecaster, x: Tensor) -> Tensor:
    """The attention [B, C, C] of windows x [B, L, C]: line i says how much of each channel goes into channel i.

    Raises UsageError for a model that has no attention over channels of one head.
    """
    if not isinstance(model, SAMformer):
        raise UsageError(
            f"attention: expected SAMformer or Transformer, found {type(model).__name__}; other attention is not read"
        )
    tokens = x.transpose(1, 2)  # [B, C, L]
    if model.revin is not None:
        tokens = model.revin.normalise(tokens).values
    if isinstance(model, Ablated):
        tokens = model.attended(tokens)
    query, key = model.query(tokens), model.key(tokens)  # [B, C, width]
    return torch.softmax(query @ key.mT * query.shape[-1] ** -0.5, dim=-1)


def row_entropy(weights: Tensor) -> Tensor:
    """−Σ_j A_ij ln A_ij of each row [..., C] of matrices [..., C, C], in nats: 0 where a row is one channel, ln C where
    it is all alike."""
    entropy: Tensor = torch.special.entr(weights.double()).sum(dim=-1)
    return entropy


def effective_rank(weights: Tensor) -> Tensor:
    """exp of the entropy of the normalised singular values [...] of matrices [..., C, C] (Roy and Vetterli, EUSIPCO 2007):
    1 where all rows are alike, C for the identity."""
    values = torch.linalg.svdvals(weights.double())
    rank: Tensor = torch.special.entr(values / values.sum(dim=-1, keepdim=True)).sum(dim=-1).exp()
    return rank


def attention(model: Forecaster, x: Tensor) -> Mapping[str, NDArray[Any]]:
    """Of windows x [N, L, C]: mean [C, C] over them; windows [3, C, C], the first ones' own; entropy [], the mean of the
    row entropy in nats; rank [], of the effective rank; diagonal [], of what a channel gives to itself.

    Raises UsageError as `matrices` does.
    """
    found = matrices(model, x)
    return {
        "mean": found.double().mean(dim=0).numpy(), "windows": found[:SHOWN].numpy(),
        "entropy": np.array(float(row_entropy(found).mean())), "rank": np.array(float(effective_rank(found).mean())),
        "diagonal": np.array(float(found.diagonal(dim1=-2, dim2=-1).double().mean())),
    }  # fmt: skip
