"""LinTrans: SAMoVAR's tokens in an ordinary linear transformer (Lu et al., ICML 2025, arXiv 2502.07244)."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor, nn

from baselines.layers import Dropout, RMSNorm, join_heads, split_heads
from baselines.segments import (
    MLP,
    Arguments,
    SegmentForecaster,
    causal_linear_attention,
    ends_residual,
    own_tokens,
    window_by_window,
)


class LinTrans(SegmentForecaster):
    """Blocks x ← x + attention(RMSNorm(x)); x ← x + MLP(RMSNorm(x)); the own tokens predict. Shapes as in `segments`.

    Raises ValueError unless `heads` divides `width`, and for a look-back under two steps.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        super().__init__(**arguments)
        width, heads, layers = self.width, self.heads, self.n_layers
        self.attentions = nn.ModuleList(LinearAttention(width, heads, self.rate) for _ in range(layers))
        self.attention_norms = nn.ModuleList(RMSNorm(width) for _ in range(layers))
        self.mlps = nn.ModuleList(MLP(width, self.rate) for _ in range(layers))
        self.mlp_norms = nn.ModuleList(RMSNorm(width) for _ in range(layers))
        self.initialise()

    def encode(self, tokens: Tensor) -> Tensor:
        """tokens [B, C, 2N, d] to [B, C, N, d]."""
        x = self.input_norm(self.dropout(tokens) + (self.position + self.channel))
        blocks = zip(self.attention_norms, self.attentions, self.mlp_norms, self.mlps, strict=True)
        for attention_norm, attention, mlp_norm, mlp in blocks:
            x = x + attention(x, attention_norm)
            x = x + mlp(x, mlp_norm)
        return own_tokens(x)


class LinearAttention(nn.Module):
    """Causal linear attention of what a norm makes of the input.

    q = Lin(x), k = Lin(dropout(x)), v = Lin(x), an output Lin, dropout.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = ends_residual(nn.Linear(width, width))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        """x [B, C, T, d] to the same shape, by way of a norm."""
        output: Tensor = self.dropout(window_by_window(lambda window: self._attend(norm(window)), x))
        return output

    def _attend(self, x: Tensor) -> Tensor:
        query, key, value = (
            split_heads(projected, self.heads)  # [B, C, h, T, e]
            for projected in (self.query(x), self.key(self.dropout(x)), self.value(x))
        )
        attended: Tensor = self.output(join_heads(causal_linear_attention(query, key, value)))
        return attended
