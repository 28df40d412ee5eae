"""Windows normalised each by its own moments, and the losses of what is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.draws import transformed
from baselines.layers import by_hand


class Normalised(NamedTuple):
    """Series [..., L] of mean 0 and deviation 1 over time, and what was taken out: mean, std [..., 1]."""

    values: Tensor
    mean: Tensor
    std: Tensor


def normalise_windows(x: Tensor, eps: float = 1e-5) -> Normalised:
    """Each window and channel of x [..., L] with mean 0 and deviation 1 over time.

    std is √(population variance + eps); mean and std carry no gradient. x is left as it is. What comes back is not to be
    written to: see `repeated_windows`.
    """
    seen = _seen.get()
    if seen is None or x.requires_grad or transformed():
        return _normalise_windows(x, eps)
    key = (x.data_ptr(), x.shape, x.stride(), x._version, eps)
    if key not in seen:
        seen[key] = x, _normalise_windows(x, eps)
    return seen[key][1]


def _normalise_windows(x: Tensor, eps: float) -> Normalised:
    mean = x.detach().mean(dim=-1, keepdim=True)  # [..., 1]
    centred = x - mean
    # Not torch.var: on a CPU that alone takes four times as long as this whole function.
    squares = torch.linalg.vector_norm(centred.detach(), dim=-1, keepdim=True).square()
    std = torch.sqrt(squares / x.shape[-1] + eps)
    return Normalised(centred.div_(std), mean, std)


_seen: ContextVar[dict[tuple[Any, ...], tuple[Tensor, Normalised]] | None] = ContextVar("seen", default=None)
"""Within `repeated_windows`, in its thread: by a tensor's place, form and version, itself (which so keeps its place) and
its outcome."""


@contextmanager
def repeated_windows() -> Iterator[None]:
    """Within it the same windows are normalised once, however often they pass: SAM's two passes are over the same ones."""
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


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


def denormalised_loss(revin: RevIN, forecast: Tensor, mean: Tensor, std: Tensor, y: Tensor) -> Tensor:
    """MSE [] of a forecast [B, C, H] that is still to be taken back by `RevIN.denormalise`, against y [B, C, H].

    mean, std [B, C, 1], or of fewer windows, [C, 1], for all. Raises ValueError if forecast and y have different shapes.
    """
    check_time_last(forecast, y)
    if not by_hand(forecast):
        return F.mse_loss(revin.denormalise(forecast, mean, std), y)
    loss: Tensor = _DenormalisedLoss.apply(forecast, revin.weight, revin.bias, revin.denorm_eps, mean, std, y)  # type: ignore[no-untyped-call]
    return loss


class _DenormalisedLoss(torch.autograd.Function):
    """`way_back` and its gradients: half of the calls that torch makes of the same."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, mean: Tensor, std: Tensor, y: Tensor
    ) -> Tensor:
        loss, kept = way_back(z, weight, bias, eps, mean, std, y)
        ctx.save_for_backward(*kept)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *way_back_gradients(ctx.saved_tensors, gradient), None, None, None, None


WayBack = tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor]
"""What `way_back` keeps for its gradients: e and z [B, C, H], the divisor [C, 1], the bias [C, 1], a [B, C, 1]."""


def way_back(
    z: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, mean: Tensor, std: Tensor, y: Tensor
) -> tuple[Tensor, WayBack]:
    """The mean [] of e² for e = mean + (z − bias)·a − y and a = std/(weight + eps); z, y [B, C, H]."""
    if weight is not None and bias is not None:
        weight, bias = weight[:, None] + eps if eps else weight[:, None], bias[:, None]
        std = std / weight
        mean = torch.addcmul(mean, bias, std, value=-1)
    error = (z * std).add_(mean).sub_(y)  # addcmul takes twice as long where two of three are broadcast
    flat = error.reshape(-1)
    return torch.dot(flat, flat) / len(flat), (error, z, weight, bias, std)


def way_back_gradients(kept: WayBack, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Of z [B, C, H], weight and bias [C] (None without), for a gradient [] of what `way_back` gives."""
    error, z, weight, bias, a = kept
    of_z = error * (a * (gradient * (2 / error.numel())))
    if weight is None or bias is None:
        return of_z, None, None
    total = of_z.sum(dim=(0, 2))
    of_weight = torch.addcmul((of_z * z).sum(dim=(0, 2)), bias[:, 0], total, value=-1).div_(weight[:, 0]).neg_()
    return of_z, of_weight, total.neg_()


def check_time_last(forecast: Tensor, y: Tensor) -> None:
    """Raises ValueError if a forecast [B, C, H] and its target have different shapes."""
    if forecast.shape != y.shape:
        raise ValueError(f"with time last the forecasts are {tuple(forecast.shape)}, the target {tuple(y.shape)}")


def all_pairs_loss(revin: RevIN, forecast: Tensor, mean: Tensor, std: Tensor, y: Tensor) -> Tensor:
    """Mean over i, j, c, h of (mean_i + std_i·z_j − y_j)², z the forecast [B, C, H] less the affine part.

    mean, std [B, C, 1], y [B, C, H]. Raises ValueError if forecast and y have different shapes.

    In O(B). Let m, s be the batch's averages of mean and std, r the root mean square of std_i − s, and u_i =
    (std_i − s)/r. Split mean_i = m + a·u_i + e_i by regression on u, so that u and e have average 0 and are
    orthogonal to each other. Then mean_i + std_i·z − y = (m + s·z − y) + (a + r·z)·u_i + e_i, and the average
    over i of its square is the sum of the three mean squares: nothing but squares is added, so nothing
    cancels.
    """
    check_time_last(forecast, y)
    m, mean = _centred(mean)
    s, std = _centred(std)
    r = std.square().mean(dim=0).sqrt()
    # r is 0 up to rounding where all windows have one std (B = 1, or windows without any variation): u is
    # then about 0.
    u = std / r.maximum(1e-12 * s)  # [B, C, 1]
    a = (u * mean).mean(dim=0)
    common = denormalised_loss(revin, forecast, m, s, y)
    spread = denormalised_loss(revin, forecast, a, r, y.new_zeros(()).expand_as(y))
    return common + spread + (mean - a * u).square().mean()


def _centred(t: Tensor) -> tuple[Tensor, Tensor]:
    """The average [C, 1] of t [B, C, 1] over the batch, and t less that average."""
    average = t.mean(dim=0)
    deviation = t - average
    # Twice: rounding of the average must not look like a common part of deviations that are as small.
    return average, deviation - deviation.mean(dim=0)
