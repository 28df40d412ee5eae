"""SAMoVAR: linear attention aligned with a vector autoregression (Lu et al., ICML 2025, arXiv 2502.07244)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers import RMSNorm, project
from baselines.linear_attention import causal_linear_attention
from baselines.segments import MLP, STD, SegmentForecaster, heads_of, in_parts, own_tokens

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From x₀ at the tokens whose output is asked for [d, Q, C, B], x₀ [d, 2N, C, B] and keys [h, e, 2N, C, B] to
[h, e, Q, C, B]; Q is 2N, or N: the own tokens."""


class StructuralVAR(SegmentForecaster):
    """SAMoVAR but for the attention's queries and values, which a subclass gives; shapes as in `segments`.

    All MLPs come first and make x₀. Then the attention layers, without projections, each with the output of the one
    before as its keys, the first with x₀: k_t ← dropout(Σ_{i ≤ t} (q_t · k_i) v_i). The layers' outputs at the own
    tokens are summed, each head is multiplied by the structural matrix, x₀ there is added.
    """

    def __init__(self, **arguments: Any) -> None:
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
    def attentions(self) -> Iterator[Attention]:
        """For each layer what makes its output."""

    def encode(self, tokens: Tensor) -> Tensor:
        """tokens [d, 2N, C, B] to [d, N, C, B]."""
        x = self.input_norm(self.dropout(tokens) + self._offsets())
        for norm, mlp in zip(self.mlp_norms, self.mlps, strict=True):
            x = x + mlp(x, norm)
        x = self.var_norm(x)  # x₀
        key = heads_of(x, self.heads)  # [h, e, 2N, C, B]
        outputs = []
        for layer, attention in enumerate(self.attentions(), start=1):
            if layer < self.n_layers:
                key = self.dropout(attention(x, x, key))
                outputs.append(own_tokens(key))
            else:  # nothing is asked of the context tokens any more
                outputs.append(self.dropout(attention(own_tokens(x), x, key)))
        # [h, f, e] @ [h, e, N·C·B]
        structured = structural_matrix(self.structure).mT @ reduce(torch.add, outputs).flatten(2)
        own = own_tokens(x)
        return own + structured.view(own.shape)

    def _offsets(self) -> Tensor:
        """What is added to the tokens [d, 2N, C, 1]: position of the segment, channel, parity, channel and parity."""
        segments = self.n_tokens // 2
        by_segment = self.position[:segments, None] + self.parity  # [N, 2, d]
        by_channel = self.channel.view(self.channels, segments, 2, -1) + self.channel_parity[:, None]  # [C, N, 2, d]
        return (by_channel + by_segment).flatten(1, 2).permute(2, 1, 0).unsqueeze(-1)


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

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        width, heads, layers = self.width, self.heads, self.n_layers
        self.queries = nn.ModuleList(HeadProjection(width, heads) for _ in range(layers))
        self.values = nn.ModuleList(HeadProjection(width, heads) for _ in range(layers))
        self.initialise()

    def attentions(self) -> Iterator[Attention]:
        """For each layer the attention with queries and values from x₀."""
        for query, value in zip(self.queries, self.values, strict=True):
            yield partial(in_parts, partial(_attend, query, value))


def _attend(query: nn.Module, value: nn.Module, asking: Tensor, x: Tensor, key: Tensor) -> Tensor:
    return causal_linear_attention(query(asking), key, value(x))


class HeadProjection(nn.Module):
    """Lin(d→d), then RMSNorm of each head with its own weight."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = RMSNorm(heads, width // heads, eps=1e-8)

    def forward(self, x: Tensor) -> Tensor:
        """x [d, ...] to [h, e, ...]."""
        normalised: Tensor = self.norm(heads_of(project(self.linear, x), len(self.norm.weight)))
        return normalised
