"""What SAMoVAR, FixedVAR and LinTrans share: segments, their tokens, next-segment training (arXiv 2502.07244).

Shapes: B windows, C channels, N = ⌈L/H⌉ segments of H steps, two tokens a segment, d width, h heads, e = d/h.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple, NotRequired, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from baselines.base import Forecaster, mean_squared_error
from baselines.footprint import LARGE
from baselines.layers import Dropout, RMSNorm

STD = 0.02
"""Deviation of the initial weights, embeddings and tables."""


class Segments(NamedTuple):
    """A window, normalised, padded with zeros on the left, and cut: values [B, C, N, H]; shift, scale [B, C, 1]."""

    values: Tensor
    shift: Tensor
    scale: Tensor


def cut(x: Tensor, horizon: int) -> Segments:
    """The segments of the windows x [B, L, C].

    Per window and channel, shift is the mean of the last H steps, scale the standard deviation (n − 1) over L
    plus 1e-8.
    """
    series = x.transpose(1, 2)  # [B, C, L]
    shift = series[..., -horizon:].mean(dim=-1, keepdim=True)
    scale = series.std(dim=-1, keepdim=True) + 1e-8
    padded = F.pad((series - shift) / scale, (-x.shape[1] % horizon, 0))  # [B, C, N·H]
    return Segments(padded.view(*padded.shape[:2], -1, horizon), shift, scale)


class Arguments(TypedDict):
    """Of a `SegmentForecaster` and its subclasses."""

    lookback: int
    horizon: int
    channels: int
    width: NotRequired[int]
    heads: NotRequired[int]
    layers: NotRequired[int]
    dropout: NotRequired[float]


class SegmentForecaster(Forecaster):
    """Predicts from each segment the next one; what follows the last segment is the forecast.

    A segment S_n [C, H] has two tokens a channel, in this order: context, RMSNorm(Lin(H→d)(Lin(C→C)(S_n))), and
    own, RMSNorm(Lin(H→d)(S_n)) (ARX tokens). A subclass's `encode` turns them into one vector a segment and
    channel, from tokens up to its own; RMSNorm and Lin(d→H) make it the prediction.

    Raises ValueError unless `heads` divides `width`, without layers, and for a look-back under two steps.
    """

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: int = 64,
        heads: int = 8,
        layers: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % heads or layers < 1:
            raise ValueError(f"heads must divide the width, and a layer is needed: {heads=}, {width=}, {layers=}")
        if lookback < 2:
            raise ValueError(f"the look-back has no standard deviation: it is {lookback} step(s)")
        self.lookback, self.horizon, self.channels = lookback, horizon, channels
        self.width, self.heads, self.n_layers, self.rate = width, heads, layers, dropout
        self.n_tokens = 2 * math.ceil(lookback / horizon)
        self.own = nn.Linear(horizon, width)
        self.own_norm = RMSNorm(width)
        self.mixing = nn.Linear(channels, channels)
        self.context = nn.Linear(horizon, width)
        self.context_norm = RMSNorm(width)
        self.position = nn.Parameter(torch.empty(self.n_tokens, width))
        self.channel = nn.Parameter(torch.empty(channels, self.n_tokens, width))
        self.input_norm = RMSNorm(width)
        self.dropout = Dropout(dropout)
        self.output_norm = RMSNorm(width)
        self.head = nn.Linear(width, horizon)

    @abstractmethod
    def encode(self, tokens: Tensor) -> Tensor:
        """tokens [B, C, 2N, d] to [B, C, N, d]."""

    @torch.no_grad()
    def initialise(self) -> None:
        """N(0, 0.02) for every Linear and table, zero biases; what ends a residual branch is divided by √(2·layers)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                residual = getattr(module, "ends_residual", False)
                nn.init.normal_(module.weight, std=STD / math.sqrt(2 * self.n_layers) if residual else STD)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.position, std=STD)
        nn.init.normal_(self.channel, std=STD)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C]; marks are not used."""
        segments = self._cut(x)
        last = self.encode(self._tokens(segments.values))[:, :, -1]  # [B, C, d]
        return _scale_back(self._predict(last), segments)

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE of the forecast, plus that of predictions 1 … N−1 against segments 2 … N on the normalised scale."""
        segments = self._cut(x)
        predictions = self._predict(self.encode(self._tokens(segments.values)))  # [B, C, N, H]
        loss = mean_squared_error(_scale_back(predictions[:, :, -1], segments), y)
        if self.n_tokens > 2:
            loss = loss + F.mse_loss(predictions[:, :, :-1], segments.values[:, :, 1:])
        return loss

    def _cut(self, x: Tensor) -> Segments:
        if x.shape[1:] != (self.lookback, self.channels):
            raise ValueError(f"windows are [B, {self.lookback}, {self.channels}], not {tuple(x.shape)}")
        return cut(x, self.horizon)

    def _tokens(self, segments: Tensor) -> Tensor:
        """Segments [B, C, N, H] to tokens [B, C, 2N, d], context before own."""
        mixed = self.mixing.weight @ segments.flatten(2) + self.mixing.bias[:, None]  # [B, C, N·H]
        context = self.context_norm(self.context(mixed.view_as(segments)))
        own = self.own_norm(self.own(segments))
        return torch.stack([context, own], dim=3).flatten(2, 3)

    def _predict(self, encoded: Tensor) -> Tensor:
        """[..., d] to the prediction of the segment that follows, [..., H]."""
        prediction: Tensor = self.head(self.output_norm(encoded))
        return prediction


def own_tokens(tokens: Tensor) -> Tensor:
    """Every second token: [..., 2N, d] to [..., N, d]."""
    return tokens[..., 1::2, :]


def _scale_back(prediction: Tensor, segments: Segments) -> Tensor:
    """The normalised [B, C, H] as a forecast [B, H, C] on the window's scale."""
    return torch.addcmul(segments.shift, prediction, segments.scale).transpose(1, 2)


def window_by_window(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """function(*tensors), all [B, …] and each window for itself; of large tensors with the memory of one window.

    From `LARGE` numbers on in the first tensor (64 MiB; SAMoVAR's tokens on ECL, Traffic and the larger PEMS), nothing
    but the tensors is kept for the way back: the function is applied to one window after the other, and once more there,
    with the same random numbers. That follows from the shape alone. With 883 channels, look-back 4096 and eight windows
    SAMoVAR's training step takes 6 GB with it, and a fifth more operations.
    """
    if tensors[0].numel() < LARGE:
        return function(*tensors)
    windows = zip(*(torch.split(tensor, 1) for tensor in tensors), strict=True)
    return torch.cat([checkpoint(function, *window, use_reentrant=False) for window in windows])


class MLP(nn.Module):
    """Lin(d→4d), GELU, Lin(4d→d), dropout, of what a norm makes of the input."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = ends_residual(nn.Linear(4 * width, width))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        """x [B, …, d] to the same shape."""
        output: Tensor = self.dropout(window_by_window(lambda window: self.down(F.gelu(self.up(norm(window)))), x))
        return output


def ends_residual(layer: nn.Linear) -> nn.Linear:
    """Marks a Linear whose output is added to the residual stream: its initial weights are smaller."""
    layer.ends_residual = True  # type: ignore[assignment]
    return layer


def causal_linear_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """out_t = Σ_{i ≤ t} (q_t · k_i) v_i on [..., T, e], without softmax or scale.

    Two forms of one function: with the T² products q_t · k_i, or with the running sum of the T·e² products k_i v_iᵀ.
    On a CPU the first is faster up to T of about 2e²: 128 tokens at e = 8, 512 at 16; at e = 32 by a hundred times.
    """
    tokens, width = key.shape[-2:]
    form = by_products if tokens <= 2 * width * width else by_running_sum
    return form(query, key, value)


def by_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(Q Kᵀ, masked to i ≤ t) V."""
    tokens = key.shape[-2]
    past = torch.ones(tokens, tokens, dtype=key.dtype, device=key.device).tril()
    return (query @ key.transpose(-1, -2) * past) @ value  # a product with a mask takes a fifth of tril's time


def by_running_sum(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """q_t · Σ_{i ≤ t} k_i v_iᵀ."""
    state = (key.unsqueeze(-1) * value.unsqueeze(-2)).cumsum(dim=-3)  # [..., T, e, e]
    return (query.unsqueeze(-2) @ state).squeeze(-2)
