"""FixedVAR: SAMoVAR with fixed autoregressive weights (Lu et al., ICML 2025, arXiv 2502.07244)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from baselines.footprint import FIXED_ROWS
from baselines.linear_attention import causal_linear_attention
from baselines.samovar import Attention, StructuralVAR
from baselines.segments import STD, in_parts


class FixedVAR(StructuralVAR):
    """SAMoVAR, but queries and values are tables, the same for every window: [C, 128, h, e], the first 2N rows used.

    Raises ValueError where 2⌈L/H⌉ exceeds the 128 rows, and for what SAMoVAR refuses.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        if self.n_tokens > FIXED_ROWS:
            shape = f"look-back {self.lookback} at horizon {self.horizon}"
            raise ValueError(f"FixedVAR has tables for {FIXED_ROWS} tokens, {shape} makes {self.n_tokens}")
        table = (self.channels, FIXED_ROWS, self.heads, self.width // self.heads)
        self.queries = nn.ParameterList(torch.empty(table) for _ in range(self.n_layers))
        self.values = nn.ParameterList(torch.empty(table) for _ in range(self.n_layers))
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """As SAMoVAR; the tables N(0, 0.02)."""
        super().initialise()
        for table in (*self.queries, *self.values):
            nn.init.normal_(table, std=STD)

    def attentions(self) -> Iterator[Attention]:
        """For each layer the attention with queries and values from the tables; x₀ is not used but for its shape."""
        for query, value in zip(self.queries, self.values, strict=True):
            yield partial(_attend, self._rows(query), self._rows(value))

    def _rows(self, table: Tensor) -> Tensor:
        """[h, e, 2N, C, 1]."""
        return table[:, : self.n_tokens].permute(2, 3, 1, 0).unsqueeze(-1)


def _attend(query: Tensor, value: Tensor, asking: Tensor, x: Tensor, key: Tensor) -> Tensor:
    every = x.shape[1] // asking.shape[1]
    return in_parts(causal_linear_attention, query[:, :, every - 1 :: every], key, value)
