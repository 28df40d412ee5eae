"""What SAMoVAR, FixedVAR and LinTrans share: segments, their tokens, next-segment training (arXiv 2502.07244).

Shapes: B windows, C channels, N = ⌈L/H⌉ segments of H steps, two tokens a segment, d width, h heads, e = d/h. From the
tokens to what predicts, features come first and windows last, [d, 2N, C, B]: on a CPU, norms over d or e and whatever
goes through the tokens one by one then work on rows of C·B neighbours, where rows of e = 8 take five times as long.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from baselines.arguments import Rate, Size
from baselines.base import Forecaster, mean_squared_error
from baselines.draws import transformed
from baselines.footprint import LARGE, PARTS
from baselines.layers import Dropout, RMSNorm, project

STD = 0.02
"""Deviation of the initial weights, embeddings and tables."""


class Segments(NamedTuple):
    """Windows, normalised, padded with zeros on the left, and cut: values [N, C, B, H]; shift, scale [C, B, 1]."""

    values: Tensor
    shift: Tensor
    scale: Tensor


def cut(x: Tensor, horizon: int) -> Segments:
    """The segments of the windows x [B, L, C].

    Per window and channel, shift is the mean of the last H steps, scale the standard deviation (n − 1) over L
    plus 1e-8.
    """
    series = x.permute(2, 0, 1)  # [C, B, L], as a batch lies in memory
    shift = series[..., -horizon:].mean(dim=-1, keepdim=True)
    centred = series - series.mean(dim=-1, keepdim=True)
    # Not torch.std: on a CPU it takes four times as long.
    scale = torch.linalg.vector_norm(centred, dim=-1, keepdim=True) / math.sqrt(x.shape[1] - 1) + 1e-8
    padded = F.pad((series - shift) / scale, (-x.shape[1] % horizon, 0))  # [C, B, N·H]
    return Segments(padded.view(*padded.shape[:2], -1, horizon).permute(2, 0, 1, 3).contiguous(), shift, scale)


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
        width: Size = 64,
        heads: Size = 8,
        layers: Size = 3,
        dropout: Rate = 0.1,
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
        """tokens [d, 2N, C, B] to [d, N, C, B]."""

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
        last = self.encode(self._tokens(segments.values))[:, -1:]  # [d, 1, C, B]
        return _scale_back(self._predict(last)[0], segments)

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE [] of the forecast of x [B, L, C] against y [B, H, C], plus that of predictions 1 … N−1 against segments
        2 … N on the normalised scale."""
        segments = self._cut(x)
        predictions = self._predict(self.encode(self._tokens(segments.values)))  # [N, C, B, H]
        loss = mean_squared_error(_scale_back(predictions[-1], segments), y)
        if self.n_tokens > 2:
            loss = loss + F.mse_loss(predictions[:-1], segments.values[1:])
        return loss

    def _cut(self, x: Tensor) -> Segments:
        if x.shape[1:] != (self.lookback, self.channels):
            raise ValueError(f"windows are [B, {self.lookback}, {self.channels}], not {tuple(x.shape)}")
        return cut(x, self.horizon)

    def _tokens(self, segments: Tensor) -> Tensor:
        """Segments [N, C, B, H] to tokens [d, 2N, C, B], context before own."""
        weight = self.mixing.weight.expand(len(segments), -1, -1)
        mixed = torch.baddbmm(self.mixing.bias[:, None], weight, segments.flatten(2)).view_as(segments)
        context = self.context_norm(project(self.context, mixed.movedim(-1, 0)))
        own = self.own_norm(project(self.own, segments.movedim(-1, 0)))
        return torch.stack([context, own], dim=2).flatten(1, 2)

    def _predict(self, encoded: Tensor) -> Tensor:
        """[d, N, C, B] to the predictions of the segments that follow, [N, C, B, H]."""
        prediction: Tensor = self.head(self.output_norm(encoded).movedim(0, -1))
        return prediction


def own_tokens(tokens: Tensor) -> Tensor:
    """Every second token: [..., 2N, C, B] to [..., N, C, B]."""
    return tokens[..., 1::2, :, :]


def heads_of(x: Tensor, heads: int) -> Tensor:
    """[d, ...] as [h, e, ...]."""
    return x.view(heads, -1, *x.shape[1:])


def _scale_back(prediction: Tensor, segments: Segments) -> Tensor:
    """The normalised [C, B, H] as a forecast [B, H, C] on the window's scale."""
    return torch.addcmul(segments.shift, prediction, segments.scale).permute(1, 2, 0)


def in_parts(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """function(*tensors), all [..., C, B] and each channel for itself; of large tensors with the memory of some channels.

    From `LARGE` numbers on in one of the tensors (64 MiB; SAMoVAR's tokens on ECL, Traffic and the larger PEMS), nothing
    but the tensors is kept for the way back: the function is applied to some channels after the others, and once more
    there, with the same random numbers. That follows from the shape alone. With 883 channels, look-back 4096 and eight
    windows SAMoVAR's training step takes 8 GB with it, and a fifth more operations. (Inside of a transform of `torch.func`
    everything is kept; what is drawn is the same.)
    """
    if max(tensor.numel() for tensor in tensors) < LARGE:
        return function(*tensors)
    remade = function if transformed() else partial(checkpoint, function, use_reentrant=False)
    parts = zip(*(tensor.chunk(PARTS, dim=-2) for tensor in tensors), strict=True)
    return torch.cat([remade(*part) for part in parts], dim=-2)


class MLP(nn.Module):
    """Lin(d→4d), GELU, Lin(4d→d), dropout, of what a norm makes of the input."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = ends_residual(nn.Linear(4 * width, width))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        """x [d, ..., C, B] to the same shape."""
        output: Tensor = self.dropout(in_parts(lambda part: self._apply_to(norm(part)), x))
        return output

    def _apply_to(self, x: Tensor) -> Tensor:
        return project(self.down, F.gelu(project(self.up, x)))


def ends_residual(layer: nn.Linear) -> nn.Linear:
    """Marks a Linear whose output is added to the residual stream: its initial weights are smaller."""
    layer.ends_residual = True  # type: ignore[assignment]
    return layer
