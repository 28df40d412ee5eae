"""SAMformer: one attention layer over channels (Ilbert et al., ICML 2024, arXiv 2402.10198).

The two variants follow the released code (github.com/romilbert/samformer at 71f10ea), which has one in
TensorFlow (the paper's) and one in PyTorch. They differ in the value projection, the initialisation and the
way back through RevIN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from baselines import channel_attention
from baselines.arguments import Size
from baselines.base import Forecaster, mean_squared_error
from baselines.layers import by_hand, glorot_
from baselines.revin import RevIN, all_pairs_loss, denormalised_loss

Variant = Literal["tensorflow", "pytorch"]
Fans = Literal["keras2", "keras3"]


class SAMformer(Forecaster):
    """A token is a channel's whole look-back window: X [B, C, L], the RevIN-normalised input transposed.

    Forecast = Lin(L→H)(X + attention(X)), transposed and scaled back (paper, section 3.2, equation 4), where
    attention(X) = softmax(QKᵀ/√width)·V, one head, Q and K of `width`, and
    - `tensorflow`: V of `width` too, then an output projection Lin(width→L); Glorot-uniform kernels, zero
    biases;
    - `pytorch`: V = Lin(L→L)(X), no output projection; PyTorch's default initialisation.

    `revin=False` leaves out the normalisation and the way back. `batch_mixed_denorm` repeats what the
    released TensorFlow code does (its RevIN indexes the statistics with `None`, which adds an axis): every
    forecast is scaled back with every window's statistics, so `forward` returns [B, B, H, C], entry [i, j]
    being forecast j on window i's scale, and the loss is the mean over all pairs. It is the one case where a
    forecast depends on other windows.

    `fans` says whose initial attention kernels the TensorFlow form has: those of Keras 2, with which the paper's
    code was written, or those of Keras 3.15, four times as wide.

    Raises ValueError for an unknown variant or `fans`, and for `batch_mixed_denorm` without RevIN or with `pytorch`.
    """

    partial_targets = batches_stack = True

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 16,
        variant: Variant = "tensorflow",
        revin: bool = True,
        batch_mixed_denorm: bool = False,
        fans: Fans = "keras2",
    ) -> None:
        super().__init__()
        if variant not in get_args(Variant):
            raise ValueError(f"variant is one of {', '.join(get_args(Variant))}, not '{variant}'")
        if fans not in get_args(Fans):
            raise ValueError(f"fans is one of {', '.join(get_args(Fans))}, not '{fans}'")
        if batch_mixed_denorm and (variant != "tensorflow" or not revin):
            raise ValueError("batch_mixed_denorm needs variant='tensorflow' and revin=True")
        self.lookback, self.channels = lookback, channels
        self.batch_mixed_denorm = batch_mixed_denorm
        keras = variant == "tensorflow"
        self.revin = RevIN(channels, denorm_eps=0.0 if keras else 1e-10) if revin else None
        self.query = nn.Linear(lookback, width)
        self.key = nn.Linear(lookback, width)
        self.value = nn.Linear(lookback, width if keras else lookback)
        self.output = nn.Linear(width, lookback) if keras else None
        self.forecaster = nn.Linear(lookback, horizon)
        if keras:
            self._initialise_as_keras(fans)

    @torch.no_grad()
    def _initialise_as_keras(self, fans: Fans) -> None:
        """Glorot-uniform kernels, U(±√(6/(fan_in + fan_out))), and zero biases.

        Keras 2 (tf_keras 2.15, `_compute_fans`) takes a kernel's last two axes for its input and output and
        multiplies both by the axes before. That changes the limits of the attention kernels: [L, heads=1, width]
        has fan_in 1·L and fan_out width·L, not L and width as Keras 3.15 has it (seen in its weights: ±0.107 at
        L 512, where Keras 2 has ±0.026). [heads=1, width, L] has fan_in width and fan_out L in both.
        """
        width, lookback = self.query.weight.shape
        for layer in (self.query, self.key, self.value):
            glorot_(layer, lookback, width * lookback if fans == "keras2" else width)
        if self.output is not None:
            glorot_(self.output, width, lookback)
        glorot_(self.forecaster, lookback, self.forecaster.out_features)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C], with `batch_mixed_denorm` [B, B, H, C]; marks are not used.

        Raises ValueError if x has another length or number of channels than the model.
        """
        forecast, statistics = self._forecast(x)
        if self.revin is not None and statistics is not None:
            mean, std = statistics
            if self.batch_mixed_denorm:
                mean, std = mean[:, None], std[:, None]  # [B, 1, C, 1] against [B, C, H]
            forecast = self.revin.denormalise(forecast, mean, std)
        return forecast.transpose(-1, -2)

    def mse(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE [] of the forecast of x [B, L, C] against y [B, H, C], with `batch_mixed_denorm` of all pairs.

        Raises ValueError if x and y do not fit each other.
        """
        revin, target = self.revin, y.transpose(1, 2)  # [B, C, H]
        if revin is None:
            return mean_squared_error(self(x), y)
        if self.batch_mixed_denorm or not self._by_hand(x):
            forecast, statistics = self._forecast(x)
            assert statistics is not None
            return (all_pairs_loss if self.batch_mixed_denorm else denormalised_loss)(revin, forecast, *statistics, target)
        tokens, mean, std = self._windows(x)
        assert mean is not None and std is not None
        ends = revin.denorm_eps, mean, std, target
        loss: Tensor = channel_attention.Loss.apply(ends, tokens, revin.weight, revin.bias, *self._parts())  # type: ignore[no-untyped-call]
        return loss

    def gradients(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor | None]] | None:
        """`training_loss` [] of x [B, L, C] and y [B, H, C], and its gradients; None where autograd has to derive them.

        Raises ValueError if x and y do not fit each other.
        """
        revin = self.revin
        if (
            revin is None
            or self.batch_mixed_denorm
            or not self._by_hand(x)
            or not all(p.requires_grad for p in self.parameters())
        ):
            return None
        tokens, mean, std = self._windows(x)
        assert mean is not None and std is not None
        ends = revin.denorm_eps, mean, std, y.transpose(1, 2)
        loss, found = channel_attention.gradients(ends, tokens, revin.weight, revin.bias, *self._parts())
        head, output = found[8:10], found[10:]
        return loss, (*found[:8], *output, *head)

    def _forecast(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """x [B, L, C] to the forecast [B, C, H] before the way back, and RevIN's (mean, std), each [B, C, 1]."""
        tokens, mean, std = self._windows(x)
        scale, shift = (None, None) if self.revin is None else (self.revin.weight, self.revin.bias)
        passes = channel_attention.Passes.apply if self._by_hand(x) else channel_attention.plainly
        forecast: Tensor = passes(tokens, scale, shift, *self._parts())
        return forecast, None if mean is None or std is None else (mean, std)

    def _windows(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """x [B, L, C] as tokens [B, C, L], and what RevIN took out of them, each [B, C, 1]."""
        if x.shape[1:] != (self.lookback, self.channels):
            raise ValueError(f"windows are [B, {self.lookback}, {self.channels}], not {tuple(x.shape)}")
        tokens = x.transpose(1, 2)
        if self.revin is None:
            return tokens.contiguous(), None, None
        tokens, mean, std = self.revin.normalise_plainly(tokens)
        return tokens.contiguous(), mean, std

    def _parts(self) -> list[Tensor]:
        """Weight and bias of each layer, as `channel_attention.project` takes them."""
        layers = (self.query, self.key, self.value, self.forecaster, *((self.output,) if self.output is not None else ()))
        return [part for layer in layers for part in (layer.weight, layer.bias)]

    def _by_hand(self, x: Tensor) -> bool:
        return by_hand(x) and self.channels <= channel_attention.BY_HAND
