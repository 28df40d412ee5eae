"""FormerBaseline: a plain Transformer encoder over time; SAMoVAR's authors call it EncFormer on their poster.

Read in github.com/LJC-FVNR/Structural-Aligned-Mixture-of-VAR at 4e2581f, `models/` (docs/models.md, FormerBaseline).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Rate, Size
from baselines.base import Forecaster
from baselines.layers import Dropout, attention, glorot_, join_heads, split_heads
from baselines.mlp import mlp

STD = 0.01
"""Deviation of the initial positions and placeholders."""


class FormerBaseline(Forecaster):
    """A token holds all channels of one step; the horizon is H learned placeholders behind the window.

    The window's last value is taken out of all L + H tokens, placeholders too. Lin(C→width) and a row of a table of
    `positions` rows each; `layers` encoder layers, norm first, no mask, a ReLU MLP of mlp_ratio·width; Lin(width→C) on the
    placeholders' tokens; the last value back.

    Raises ValueError unless `heads` divides `width`, and where window and horizon have more steps than `positions`.
    """

    partial_targets = True

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 128,
        heads: Size = 8,
        layers: Size = 3,
        mlp_ratio: Size = 8,
        dropout: Rate = 0.1,
        positions: Size = 8192,
    ) -> None:
        super().__init__()
        if lookback + horizon > positions:
            raise ValueError(
                f"a look-back of {lookback} and a horizon of {horizon} have more steps than {positions} positions"
            )
        self.lookback, self.horizon, self.channels = lookback, horizon, channels
        # The whole table, as released: rows that no token has are parameters without a gradient, and decay.
        self.position = nn.Parameter(STD * torch.randn(positions, width))
        self.placeholder = nn.Parameter(STD * torch.randn(horizon, channels))
        self.embedding = nn.Linear(channels, width)
        self.layers = nn.ModuleList(_EncoderLayer(width, heads, mlp_ratio * width, dropout) for _ in range(layers))
        self.head = nn.Linear(width, channels)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C]; marks are not used."""
        if x.shape[1:] != (self.lookback, self.channels):
            raise ValueError(f"windows are [B, {self.lookback}, {self.channels}], not {tuple(x.shape)}")
        last = x[:, -1:]
        series = torch.cat([x, self.placeholder.to(x).expand(len(x), -1, -1)], dim=1) - last  # [B, L + H, C]
        tokens = self.embedding(series) + self.position[: series.shape[1]]  # [B, L + H, d]
        for number, layer in enumerate(self.layers, start=1):
            # Of the last layer nothing reads the window's tokens.
            tokens = layer(tokens, self.horizon if number == len(self.layers) else tokens.shape[1])
        forecast: Tensor = self.head(tokens[:, -self.horizon :]) + last
        return forecast


class _EncoderLayer(nn.Module):
    """x ← x + dropout(attention(LN(x))); x ← x + dropout(MLP(LN(x))), on tokens x [B, T, d]."""

    def __init__(self, width: int, heads: int, ff_width: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads, self.rate = heads, dropout
        self.attention_norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, 3 * width)  # queries, keys, values
        self.output = nn.Linear(width, width)
        self.ff_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, ff_width)
        self.down = nn.Linear(ff_width, width)
        self.dropout = Dropout(dropout)
        glorot_(self.projection)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, count: int) -> Tensor:
        """x [B, T, d] to its last `count` tokens, [B, count, d]; every token attends to all T."""
        normed = self.attention_norm(x)
        width = x.shape[-1]
        weight, bias = self.projection.weight, self.projection.bias
        query = F.linear(normed[:, -count:], weight[:width], bias[:width])
        key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, dim=-1)
        query, key, value = (split_heads(part, self.heads) for part in (query, key, value))  # [B, h, T, d/h]
        attended = join_heads(attention(query, key, value, self.rate if self.training else 0.0))
        x = x[:, -count:] + self.dropout(self.output(attended))
        rows = self.ff_norm(x).flatten(0, 1)  # [B·count, d]
        hidden = mlp(rows.T, self.up, self.down, "relu", self.dropout).T.view_as(x)
        output: Tensor = x + self.dropout(hidden)
        return output
