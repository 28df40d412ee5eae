"""SAMoVAR: linear attention aligned with a vector autoregression (Lu et al., ICML 2025, arXiv 2502.07244)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers import RMSNorm, join_heads, split_heads
from baselines.segments import (
    MLP,
    STD,
    Arguments,
    SegmentForecaster,
    causal_linear_attention,
    own_tokens,
    window_by_window,
)


class StructuralVAR(SegmentForecaster):
    """SAMoVAR but for the attention's queries and values, which a subclass gives; shapes as in `segments`.

    All MLPs come first and make x₀. Then the attention layers, without projections, each with the output of the one
    before as its keys, the first with x₀: k_t ← dropout(Σ_{i ≤ t} (q_t · k_i) v_i). The layers' outputs at the own
    tokens are summed, each head is multiplied by the structural matrix, x₀ there is added.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        super().__init__(**arguments)
        width, heads, layers = self.width, self.heads, self.n_layers
        self.parity = nn.Parameter(torch.empty(2, width))
        self.channel_parity = nn.Parameter(torch.empty(self.channels, 2, width))
        self.mlps = nn.ModuleList(MLP(width, self.rate) for _ in range(layers))
        self.mlp_norms = nn.ModuleList(RMSNorm(width) for _ in range(layers))
        self.var_norm = RMSNorm(width)
        self.structure = nn.Parameter(torch.empty(heads, width // heads, width // heads))

    @torch.no_grad()
    def initialise(self) -> None:
        """As the base; the structural parameter is √(0.02/√e)·N(0, 1)."""
        super().initialise()
        nn.init.normal_(self.parity, std=STD)
        nn.init.normal_(self.channel_parity, std=STD)
        nn.init.normal_(self.structure, std=math.sqrt(STD / math.sqrt(self.structure.shape[-1])))

    @abstractmethod
    def attentions(self) -> Iterator[Callable[[Tensor, Tensor], Tensor]]:
        """For each layer what makes of x₀ [B, C, 2N, d] and keys [B, C, h, 2N, e] its output, of the keys' shape."""

    def encode(self, tokens: Tensor) -> Tensor:
        """tokens [B, C, 2N, d] to [B, C, N, d]."""
        x = self.input_norm(self.dropout(tokens) + self._offsets())
        for norm, mlp in zip(self.mlp_norms, self.mlps, strict=True):
            x = x + mlp(x, norm)
        x = self.var_norm(x)  # x₀
        key = split_heads(x, self.heads)  # [B, C, h, 2N, e]
        outputs = []
        for attention in self.attentions():
            key = self.dropout(window_by_window(attention, x, key))
            outputs.append(own_tokens(key))
        # Not as a product with [h, e, e]: that would repeat the matrix for every window and channel.
        structured = torch.einsum("bchne,hef->bchnf", reduce(torch.add, outputs), structural_matrix(self.structure))
        return own_tokens(x) + join_heads(structured)

    def _offsets(self) -> Tensor:
        """What is added to the tokens [C, 2N, d]: position of the segment, channel, parity, channel and parity."""
        segments = self.n_tokens // 2
        by_segment = self.position[:segments, None] + self.parity  # [N, 2, d]
        by_channel = self.channel.view(self.channels, segments, 2, -1) + self.channel_parity[:, None]  # [C, N, 2, d]
        return (by_channel + by_segment).flatten(1, 2)


def structural_matrix(parameter: Tensor) -> Tensor:
    """(unit lower)(upper) [h, e, e] of one parameter [h, e, e]: the upper's diagonal is softplus of the parameter's."""
    diagonal = parameter.diagonal(dim1=-2, dim2=-1)
    lower = parameter.tril(-1) + torch.eye(parameter.shape[-1], dtype=parameter.dtype, device=parameter.device)
    upper: Tensor = parameter.triu(1) + torch.diag_embed(F.softplus(diagonal))
    return lower @ upper


class SAMoVAR(StructuralVAR):
    """Queries and values are headwise RMSNorms of Lin(d→d)(x₀), one pair a layer.

    `layers` counts both the MLPs and the attention layers. Raises ValueError unless `heads` divides `width`, and
    for a look-back under two steps.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        super().__init__(**arguments)
        width, heads, layers = self.width, self.heads, self.n_layers
        self.queries = nn.ModuleList(HeadProjection(width, heads) for _ in range(layers))
        self.values = nn.ModuleList(HeadProjection(width, heads) for _ in range(layers))
        self.initialise()

    def attentions(self) -> Iterator[Callable[[Tensor, Tensor], Tensor]]:
        """For each layer the attention with queries and values [B, C, h, 2N, e] from x₀."""
        for query, value in zip(self.queries, self.values, strict=True):
            yield partial(_attend, query, value)


def _attend(query: nn.Module, value: nn.Module, x: Tensor, key: Tensor) -> Tensor:
    return causal_linear_attention(query(x), key, value(x))


class HeadProjection(nn.Module):
    """Lin(d→d), then RMSNorm of each head with its own weight."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = RMSNorm(heads, width // heads, eps=1e-8)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, T, d] to [B, C, h, T, e]."""
        heads = self.linear(x).view(*x.shape[:-1], *self.norm.weight.shape)  # [B, C, T, h, e]
        normalised: Tensor = self.norm(heads)
        return normalised.transpose(2, 3)
