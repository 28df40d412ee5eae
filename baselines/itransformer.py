"""iTransformer: attention over channels (Liu et al., ICLR 2024, arXiv 2310.06625)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Rate, Size
from baselines.base import Forecaster
from baselines.layers import Dropout, attention, join_heads, split_heads
from baselines.revin import normalise_windows


class ITransformer(Forecaster):
    """A token is a channel's whole look-back window, or that of a time feature (paper, section 3 and figure 2).

    Windows are normalised per channel, if `normalise`, and the forecast scaled back. Embedding Lin(L→width),
    `layers` encoder layers, layer norm, Lin(width→H) on the channels' tokens.

    With `time_marks` the windows' time features become further tokens, as the released code does for every data
    set that has dates; a window without marks has none. The weights do not depend on their number. PyTorch's
    default initialisation. Raises ValueError unless `heads` divides `width`.
    """

    partial_targets = True

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 512,
        heads: Size = 8,
        layers: Size = 2,
        ff_width: Size | None = None,
        dropout: Rate = 0.1,
        time_marks: bool = False,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.channels, self.time_marks, self.normalise = channels, time_marks, normalise
        self.embedding = nn.Linear(lookback, width)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(_EncoderLayer(width, heads, ff_width or width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, horizon)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] and, with `time_marks`, marks [B, L, F] to the forecast [B, H, C]."""
        series = x.transpose(1, 2).contiguous()  # [B, C, L]
        scale = None
        if self.normalise:
            series, *scale = normalise_windows(series)
        if self.time_marks and marks is not None:
            series = torch.cat([series, marks.transpose(1, 2).to(series)], dim=1)  # [B, C + F, L]
        tokens = self.dropout(self.embedding(series))  # [B, C + F, d]
        for layer in self.layers:
            tokens = layer(tokens)
        forecast: Tensor = self.head(self.norm(tokens[:, : self.channels]))  # [B, C, H]
        if scale is not None:
            mean, std = scale
            forecast = torch.addcmul(mean, forecast, std)
        return forecast.transpose(1, 2)


class _EncoderLayer(nn.Module):
    """x ← LN(x + dropout(attention(x))); x ← LN(x + FFN(x)), on tokens x [B, T, d]."""

    def __init__(self, width: int, heads: int, ff_width: int, dropout: float) -> None:
        super().__init__()
        self.attention = SoftmaxAttention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, ff_width)
        self.down = nn.Linear(ff_width, width)
        self.ff_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, d] to [B, T, d]."""
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        hidden = self.dropout(F.gelu(self.up(x)))  # [B, T, ff_width]
        output: Tensor = self.ff_norm(x + self.dropout(self.down(hidden)))
        return output


class SoftmaxAttention(nn.Module):
    """softmax(QKᵀ/√(d/h))·V per head, dropout on the weights, then an output projection; no mask."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, d] to [B, T, d]."""
        query, key, value = (
            split_heads(projection(x), self.heads)  # [B, h, T, d/h]
            for projection in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        attended = attention(query, key, value, dropout)  # [B, h, T, d/h]
        output: Tensor = self.output(join_heads(attended))
        return output
