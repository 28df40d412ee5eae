"""FITS: a complex linear map from a window's low frequencies to those of window and horizon together.

Xu, Zeng and Xu, ICLR 2024, arXiv 2307.03756; read in github.com/LJC-FVNR/Structural-Aligned-Mixture-of-VAR at 4e2581f and
github.com/VEWOXIC/FITS at d040bb0, `models/` (docs/models.md, FITS).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Size
from baselines.base import Forecaster
from baselines.footprint import frequencies, too_few_frequencies

EPS = 1e-5
"""Added to a window's variance."""


class FITS(Forecaster):
    """The lowest frequencies of each channel, which hold `harmonics` of a season of `period` steps and all that is slower,
    stretched to the length of window and horizon by one complex Lin for all channels, with `individual` one for each.

    Windows are standardised per channel, and the forecast scaled back. Weights are real numbers in pairs [..., 2], real and
    imaginary part: optimizers, clipping and SAM take a complex number as two real ones.

    Raises ValueError for a window, or a window and horizon together, that has not so many frequencies.
    """

    partial_targets = True

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        period: Size = 24,
        harmonics: Size = 6,
        individual: bool = False,
    ) -> None:
        super().__init__()
        self.lookback, self.horizon, self.channels, self.individual = lookback, horizon, channels, individual
        self.taken, self.given = frequencies(lookback, horizon, period, harmonics)
        self.bins = (lookback + horizon) // 2 + 1
        if reason := too_few_frequencies(lookback, horizon, period, harmonics):
            raise ValueError(reason)
        maps = channels if individual else 1
        self.weights = nn.ParameterList(_complex(self.given, self.taken, bound=self.taken**-0.5) for _ in range(maps))
        self.biases = nn.ParameterList(_complex(self.given, bound=self.taken**-0.5) for _ in range(maps))

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C]; marks are not used."""
        if x.shape[1:] != (self.lookback, self.channels):
            raise ValueError(f"windows are [B, {self.lookback}, {self.channels}], not {tuple(x.shape)}")
        series = x.transpose(1, 2)  # [B, C, L]
        mean = series.mean(dim=-1, keepdim=True)
        scale = (series.var(dim=-1, keepdim=True) + EPS).sqrt()
        low = torch.fft.rfft((series - mean) / scale)[..., : self.taken]  # [B, C, K]
        spectrum = F.pad(self._stretched(low), (0, self.bins - self.given))
        # Where L + H is odd, this is one step short, as released: the forecast is still the last H of them.
        both = torch.fft.irfft(spectrum, n=2 * (self.bins - 1)) * ((self.lookback + self.horizon) / self.lookback)
        return torch.addcmul(mean, both[..., -self.horizon :], scale).transpose(1, 2)

    def _stretched(self, low: Tensor) -> Tensor:
        """Complex frequencies [B, C, K] to [B, C, M]."""
        if not self.individual:
            return F.linear(low, torch.view_as_complex(self.weights[0]), torch.view_as_complex(self.biases[0]))
        weights, biases = (torch.view_as_complex(torch.stack(list(each))) for each in (self.weights, self.biases))
        # [C, B, K] @ [C, K, M] + [C, 1, M]
        return torch.baddbmm(biases[:, None], low.transpose(0, 1), weights.transpose(1, 2)).transpose(0, 1)


def _complex(*shape: int, bound: float) -> nn.Parameter:
    """Complex numbers as [*shape, 2]: real parts U(±bound), imaginary parts 0."""
    real = torch.empty(shape).uniform_(-bound, bound)
    return nn.Parameter(torch.stack([real, torch.zeros_like(real)], dim=-1))
