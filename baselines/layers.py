"""Layers that several models share."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Normalised(NamedTuple):
    """Series [B, C, L] of mean 0 and deviation 1 over time, and what was taken out: mean, std [B, C, 1]."""

    values: Tensor
    mean: Tensor
    std: Tensor


def normalise_windows(x: Tensor, eps: float = 1e-5) -> Normalised:
    """Each window and channel of x [B, C, L] with mean 0 and deviation 1 over time.

    std is √(population variance + eps); mean and std carry no gradient. x is left as it is.
    """
    mean = x.detach().mean(dim=-1, keepdim=True)  # [B, C, 1]
    centred = x - mean
    # Not torch.var: on a CPU that alone takes four times as long as this whole function.
    squares = torch.linalg.vector_norm(centred.detach(), dim=-1, keepdim=True).square()
    std = torch.sqrt(squares / x.shape[-1] + eps)
    return Normalised(centred.div_(std), mean, std)


class RevIN(nn.Module):
    """Reversible instance normalisation without hidden state (Kim et al., ICLR 2022).

    Works on series with time last, [B, C, L]. The statistics are returned by `normalise` and handed to
    `denormalise`, so that a forward pass leaves nothing behind in the module.

    `affine`: a scale and a shift for each channel. `denorm_eps`: added to the scale that the way back divides
    by; 1e-10 in the released PyTorch code of SAMformer, 0 in its TensorFlow code.
    """

    def __init__(self, channels: int, *, affine: bool = True, denorm_eps: float = 0.0, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.denorm_eps = denorm_eps
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def normalise_plainly(self, x: Tensor) -> Normalised:
        """x [B, C, L] as by `normalise`, without the affine part: for a model that folds that into its first projection."""
        return normalise_windows(x, self.eps)

    def normalise(self, x: Tensor) -> Normalised:
        """x [B, C, L] to ((x − mean)/std · weight + bias, mean, std), the statistics [B, C, 1] detached."""
        values, mean, std = self.normalise_plainly(x)
        if self.weight is not None and self.bias is not None:
            values = torch.addcmul(self.bias[:, None], values, self.weight[:, None])
        return Normalised(values, mean, std)

    def denormalise(self, y: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """y [..., C, H] back to the scale of the windows that have these mean and std [..., C, 1]."""
        if self.weight is not None and self.bias is not None:
            # One multiplication and one addition over y; the rest is done on one number a channel.
            std = std / (self.weight[:, None] + self.denorm_eps)
            mean = mean - self.bias[:, None] * std
        return torch.addcmul(mean, y, std)


class RMSNorm(nn.Module):
    """x/√(mean square + eps) · weight: the mean over the last axis of the weight's, which are the first axes of x."""

    def __init__(self, *shape: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """x [*shape, ...] to the same shape."""
        normalised: Tensor = _RMSNorm.apply(x, self.weight, self.eps)  # type: ignore[no-untyped-call]
        return normalised


class _RMSNorm(torch.autograd.Function):
    """Keeps x and one number a vector for the way back: torch's own keeps x̂ too, and takes a third more time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        axis = weight.ndim - 1
        precise = x.to(torch.promote_types(x.dtype, torch.float32))  # x may be bfloat16
        rate = torch.rsqrt(precise.square().sum(dim=axis, keepdim=True) / x.shape[axis] + eps)
        ctx.save_for_backward(x, weight, rate)
        return (x * rate).mul_(_upright(weight, x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, rate = ctx.saved_tensors
        heads, width = (1, *weight.shape)[-2:]
        products = (gradient * x).reshape(heads, width, -1)  # [h, e, R]
        rates = rate.reshape(heads, 1, -1)
        of_weight = (products @ rates.mT).view_as(weight)
        along = (weight.view(heads, 1, width) @ products).mul_(rates.pow(3)).div_(width).view_as(rate)
        of_x = (gradient * _upright(weight, x)).mul_(rate).addcmul_(x, along, value=-1)
        return of_x, of_weight, None


def _upright(weight: Tensor, x: Tensor) -> Tensor:
    """A weight of the first axes of x, to multiply x with."""
    return weight.view(*weight.shape, *[1] * (x.ndim - weight.ndim))


def project(layer: nn.Linear, x: Tensor) -> Tensor:
    """What a Linear makes of the first axis: x [d, ...] to [d', ...]."""
    projected = torch.addmm(layer.bias[:, None], layer.weight, x.flatten(1))
    return projected.view(-1, *x.shape[1:])


class Dropout(nn.Module):
    """Dropout with probability `rate`, to the nearest of the multiples of 2⁻¹⁶.

    On a CPU the masks come from 16 bits each of torch's default generator, a seventh of the time of torch's own, where
    one draw a number takes a quarter of a training step; and they multiply, since `where` takes ten times as long.
    Raises ValueError unless 0 ≤ rate < 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.level = round(rate * 2**16)
        if not 0 <= self.level < 2**16:
            raise ValueError(f"a dropout rate is at least 0 and under 1, it is {rate}")

    def forward(self, x: Tensor) -> Tensor:
        """x [...] to the same shape; x itself in eval mode."""
        if not (self.training and self.level):
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.rate)
        bits = torch.empty(x.numel() // 4 + 1, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        keep = bits[: x.numel()].view(x.shape) >= self.level - 2**15
        return x * (keep * torch.tensor(2**16 / (2**16 - self.level), dtype=x.dtype))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[..., T, d] to one sequence a head, [..., h, T, d/h]."""
    return x.view(*x.shape[:-1], heads, -1).transpose(-2, -3)


def join_heads(x: Tensor) -> Tensor:
    """[..., h, T, d/h] back to [..., T, d]."""
    return x.transpose(-2, -3).flatten(-2)


@torch.no_grad()
def glorot_(layer: nn.Linear, fan_in: int | None = None, fan_out: int | None = None) -> None:
    """Kernel U(±√(6/(fan_in + fan_out))) and a zero bias; the fans are the layer's sizes unless given."""
    fan_in = layer.in_features if fan_in is None else fan_in
    fan_out = layer.out_features if fan_out is None else fan_out
    limit = math.sqrt(6 / (fan_in + fan_out))
    nn.init.uniform_(layer.weight, -limit, limit)
    nn.init.zeros_(layer.bias)


def all_pairs_loss(revin: RevIN, forecast: Tensor, mean: Tensor, std: Tensor, y: Tensor) -> Tensor:
    """Mean over i, j, c, h of (mean_i + std_i·z_j − y_j)², z the forecast [B, C, H] less the affine part.

    mean, std [B, C, 1], y [B, C, H]. Raises ValueError if forecast and y have different shapes.

    In O(B). Let m, s be the batch's averages of mean and std, r the root mean square of std_i − s, and u_i =
    (std_i − s)/r. Split mean_i = m + a·u_i + e_i by regression on u, so that u and e have average 0 and are
    orthogonal to each other. Then mean_i + std_i·z − y = (m + s·z − y) + (a + r·z)·u_i + e_i, and the average
    over i of its square is the sum of the three mean squares: nothing but squares is added, so nothing
    cancels.
    """
    if forecast.shape != y.shape:
        raise ValueError(f"with time last the forecasts are {tuple(forecast.shape)}, the target {tuple(y.shape)}")
    m, mean = _centred(mean)
    s, std = _centred(std)
    r = std.square().mean(dim=0).sqrt()
    # r is 0 up to rounding where all windows have one std (B = 1, or windows without any variation): u is
    # then about 0.
    u = std / r.maximum(1e-12 * s)  # [B, C, 1]
    a = (u * mean).mean(dim=0)
    common = F.mse_loss(revin.denormalise(forecast, m, s), y)
    spread = revin.denormalise(forecast, a, r).square().mean()
    return common + spread + (mean - a * u).square().mean()


def _centred(t: Tensor) -> tuple[Tensor, Tensor]:
    """The average [C, 1] of t [B, C, 1] over the batch, and t less that average."""
    average = t.mean(dim=0)
    deviation = t - average
    # Twice: rounding of the average must not look like a common part of deviations that are as small.
    return average, deviation - deviation.mean(dim=0)
