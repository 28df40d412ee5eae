"""FixedVAR: SAMoVAR with fixed autoregressive weights (Lu et al., ICML 2025, arXiv 2502.07244)."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from baselines.samovar import StructuralVAR
from baselines.segments import STD, Arguments

MOST_TOKENS = 128


class FixedVAR(StructuralVAR):
    """SAMoVAR, but queries and values are tables, the same for every window: [C, 128, h, e], the first 2N rows used.

    Raises ValueError where 2⌈L/H⌉ exceeds the 128 rows, and for what SAMoVAR refuses.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        super().__init__(**arguments)
        if self.n_tokens > MOST_TOKENS:
            shape = f"look-back {self.lookback} at horizon {self.horizon}"
            raise ValueError(f"FixedVAR has tables for {MOST_TOKENS} tokens, {shape} makes {self.n_tokens}")
        table = (self.channels, MOST_TOKENS, self.heads, self.width // self.heads)
        self.queries = nn.ParameterList(torch.empty(table) for _ in range(self.n_layers))
        self.values = nn.ParameterList(torch.empty(table) for _ in range(self.n_layers))
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """As SAMoVAR; the tables N(0, 0.02)."""
        super().initialise()
        for table in (*self.queries, *self.values):
            nn.init.normal_(table, std=STD)

    def queries_values(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each layer (q, v) [C, h, 2N, e]; x₀ is not used."""
        return [(self._rows(query), self._rows(value)) for query, value in zip(self.queries, self.values, strict=True)]

    def _rows(self, table: Tensor) -> Tensor:
        return table[:, : self.n_tokens].transpose(1, 2)
