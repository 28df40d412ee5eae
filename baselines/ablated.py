"""SAMformer's architecture with its attention frozen, or with what its authors' repository has as σReparam.

The two columns beside Transformer and SAMformer in the experiment that motivates SAMformer (Ilbert et al., ICML 2024, arXiv
2402.10198, section 3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Size
from baselines.layers import attention
from baselines.samformer import SAMformer


class Ablated(SAMformer):
    """The TensorFlow form of SAMformer, without the backward pass written by hand.

    `frozen_attention`: query, key, value and output projection stay as they were initialised; the forecaster alone is
    trained. `sigma_reparam`: as the released code has it (romilbert/samformer at 71f10ea, `spectral_norm.py`), what goes
    into query, key and value is multiplied by γ/σ, σ the largest singular value of the tokens [C, L] over all windows that
    pass together, γ one trained number, at first 1; the weights, which σReparam is about (Zhai et al., ICML 2023), stay as
    they are. With it a forecast depends on the other windows of its batch, as in the released code.
    """

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, width: Size = 16, revin: bool = True,
        frozen_attention: bool = False, sigma_reparam: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(lookback=lookback, horizon=horizon, channels=channels, width=width, revin=revin)
        self.gamma = nn.Parameter(torch.ones(())) if sigma_reparam else None
        if frozen_attention:
            for layer in (self.query, self.key, self.value, self.output):
                assert layer is not None
                layer.requires_grad_(False)

    def attended(self, tokens: Tensor) -> Tensor:
        """What query, key and value are made of, from tokens [B, C, L] to the same shape."""
        if self.gamma is None:
            return tokens
        gram = tokens @ tokens.mT  # [B, C, C]
        finite = gram.isfinite()  # LAPACK raises at NaN, and one diverged replica would end its companions
        squares = torch.linalg.eigvalsh(gram.where(finite, 0.0))[..., -1]  # of σ, [B]
        largest = squares.where(finite.all(-1).all(-1), torch.nan).max().sqrt()
        divided: Tensor = tokens * (self.gamma / largest)
        return divided

    def _forecast(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        tokens, mean, std = self._windows(x)
        if self.revin is not None and self.revin.weight is not None and self.revin.bias is not None:
            tokens = torch.addcmul(self.revin.bias[:, None], tokens, self.revin.weight[:, None])
        given = self.attended(tokens).unsqueeze(1)  # torch's kernels want an axis of heads: [B, 1, C, L]
        mixed = attention(self.query(given), self.key(given), self.value(given)).squeeze(1)  # [B, C, width]
        assert self.output is not None
        forecast = F.linear(tokens + self.output(mixed), self.forecaster.weight, self.forecaster.bias)
        return forecast, None if mean is None or std is None else (mean, std)

    def _by_hand(self, x: Tensor) -> bool:
        return False
