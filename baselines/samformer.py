"""SAMformer: one attention layer over channels (Ilbert et al., ICML 2024, arXiv 2402.10198).

The two variants follow the released code (github.com/romilbert/samformer at 71f10ea), which has one in
TensorFlow (the paper's) and one in PyTorch. They differ in the value projection, the initialisation and the
way back through RevIN.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Size
from baselines.base import Forecaster
from baselines.layers import RevIN, all_pairs_loss, glorot_

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

    partial_targets = True

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
        if self.revin is None or not self.batch_mixed_denorm:
            return super().mse(x, y, marks)
        forecast, statistics = self._forecast(x)
        assert statistics is not None
        return all_pairs_loss(self.revin, forecast, *statistics, y.transpose(1, 2))

    def _forecast(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """x [B, L, C] to the forecast [B, C, H] before the way back, and RevIN's (mean, std), each [B, C, 1].

        The same function as the class describes, in another order. The forecaster is linear, so it is applied
        to X and to the attention's output apart: Z = X + attention(X) is never formed, all that reads X is
        one matrix product, and RevIN's affine part acts on that product instead of on X. As the normalised
        window carries no gradient, neither does the backward pass ever go back to [B, C, L]. That saves a
        quarter of a step's time.
        """
        if x.shape[1:] != (self.lookback, self.channels):
            raise ValueError(f"windows are [B, {self.lookback}, {self.channels}], not {tuple(x.shape)}")
        tokens = x.transpose(1, 2).contiguous()  # [B, C, L]
        head = self.forecaster
        mix: Tensor = head.weight  # [H, V], from the attention's output to the horizon
        head_bias: Tensor = head.bias
        if self.output is not None:
            mix, head_bias = mix @ self.output.weight, head_bias + mix @ self.output.bias
        layers = (self.query, self.key, self.value)
        kernel = torch.cat([*(layer.weight for layer in layers), head.weight])  # [2·width + V + H, L]
        bias = torch.cat([*(layer.bias for layer in layers), head_bias])
        statistics = None
        if self.revin is None or self.revin.weight is None or self.revin.bias is None:
            projected = F.linear(tokens, kernel, bias)  # [B, C, 2·width + V + H]
        else:
            tokens, mean, std = self.revin.normalise_plainly(tokens)
            statistics = mean, std
            shift = torch.addcmul(bias, self.revin.bias[:, None], kernel.sum(dim=1))  # [C, 2·width + V + H]
            projected = torch.addcmul(shift, F.linear(tokens, kernel), self.revin.weight[:, None])
        sizes = [*(layer.out_features for layer in layers), head.out_features]
        query, key, value, direct = torch.split(projected, sizes, dim=-1)
        # On a CPU three times as fast as softmax(QKᵀ)V written out at 862 channels, and no slower at 7. Its
        # kernels want an axis of heads: [B, 1, C, width].
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        attended = F.scaled_dot_product_attention(query, key, value).squeeze(1)  # [B, C, V]
        return direct + F.linear(attended, mix), statistics
