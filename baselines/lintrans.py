"""LinTrans: SAMoVAR's tokens in an ordinary linear transformer (Lu et al., ICML 2025, arXiv 2502.07244)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from baselines.layers import Dropout, RMSNorm, project
from baselines.linear_attention import causal_linear_attention
from baselines.segments import MLP, SegmentForecaster, ends_residual, heads_of, in_parts, own_tokens


class LinTrans(SegmentForecaster):
    """Blocks x ← x + attention(RMSNorm(x)); x ← x + MLP(RMSNorm(x)); the own tokens predict. Shapes as in `segments`.

    Raises ValueError unless `heads` divides `width`, and for a look-back under two steps.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        width, heads, layers = self.width, self.heads, self.n_layers
        self.attentions = nn.ModuleList(LinearAttention(width, heads, self.rate) for _ in range(layers))
        self.attention_norms = nn.ModuleList(RMSNorm(width) for _ in range(layers))
        self.mlps = nn.ModuleList(MLP(width, self.rate) for _ in range(layers))
        self.mlp_norms = nn.ModuleList(RMSNorm(width) for _ in range(layers))
        self.initialise()

    def encode(self, tokens: Tensor) -> Tensor:
        """tokens [d, 2N, C, B] to [d, N, C, B]."""
        x: Tensor = self.input_norm(self.dropout(tokens) + (self.position + self.channel).permute(2, 1, 0).unsqueeze(-1))
        blocks = zip(self.attention_norms, self.attentions, self.mlp_norms, self.mlps, strict=True)
        for layer, (attention_norm, attention, mlp_norm, mlp) in enumerate(blocks, start=1):
            last = layer == self.n_layers  # nothing is asked of the context tokens any more
            x = (own_tokens(x) if last else x) + attention(x, attention_norm, own=last)
            x = x + mlp(x, mlp_norm)
        return x


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

    def forward(self, x: Tensor, norm: nn.Module, own: bool = False) -> Tensor:
        """x [d, 2N, C, B] to the same shape, by way of a norm; with `own` to what the own tokens get, [d, N, C, B]."""
        output: Tensor = self.dropout(in_parts(lambda part: self._attend(norm(part), own), x))
        return output

    def _attend(self, x: Tensor, own: bool) -> Tensor:
        query, key, value = (
            heads_of(projected, self.heads)  # [h, e, ..., C, B]
            for projected in (
                project(self.query, own_tokens(x) if own else x),
                project(self.key, self.dropout(x)),
                project(self.value, x),
            )
        )
        return project(self.output, causal_linear_attention(query, key, value).flatten(0, 1))
