"""The last layer of a convolutional kernel network, fitted to features: by L-BFGS, and linear SVMs."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

KEPT, MOST_ROUNDS, GRADIENT, DECREASE = 50, 1000, 1e-7, 1e-10
AT_ONCE = 8192
"""Images whose features are held in float64 together."""


def squared_hinge(scores: Tensor, y: Tensor) -> Tensor:
    """½·max(0, 1 − t·f)² of all classes, one against all (t = ±1): summed over them, the mean [] over the images of scores
    [B, K] and classes y [B]."""
    return 0.5 * _margins(scores, y).square().sum(1).mean()


def _margins(scores: Tensor, y: Tensor) -> Tensor:
    sign = 2 * F.one_hot(y, scores.shape[1]).to(scores) - 1
    return (1 - sign * scores).clamp(min=0)


class Fit(NamedTuple):
    """weight [K, d] and bias [K]; penalty: α′; objective: of `fitted`."""

    weight: Tensor
    bias: Tensor
    penalty: float
    objective: float


@torch.no_grad()
def fitted(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, alpha: float) -> Fit:
    """The least of squared hinge + ½·α′·‖W‖² over features x [n, d] of the classes y [n], by L-BFGS from a weight [K, d]
    and a bias [K], which is free of penalty. α′ = α·d/n·b², b the mean over the images of √(mean of its squared features);
    the bias is sought as b times a number, so that it moves as the weights do.

    In float64: in float32 the search ends 3e-4 above the least, as the released one does.
    """
    scale = float(x.square().mean(1).sqrt().mean())
    penalty = alpha * x.shape[1] / len(x) * scale**2

    def objective(flat: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        both = torch.from_numpy(flat).to(x.device).view(len(bias), -1)  # [K, d + 1]
        found, level = both[:, :-1], scale * both[:, -1]
        loss, gradient = torch.zeros_like(level[0]), torch.zeros_like(both)
        for part, its in zip(torch.split(x, AT_ONCE), torch.split(y, AT_ONCE), strict=True):
            part = part.double()
            sign = 2 * F.one_hot(its, len(bias)).double() - 1
            margins = (1 - sign * (part @ found.T + level)).clamp(min=0)
            back = -(sign * margins) / len(x)
            loss += 0.5 * margins.square().sum() / len(x)
            gradient += torch.cat([back.T @ part, scale * back.sum(0)[:, None]], dim=1)
        gradient[:, :-1] += penalty * found
        return float(loss + 0.5 * penalty * found.square().sum()), gradient.flatten().cpu().numpy()

    start = torch.cat([weight.double(), bias.double()[:, None] / scale], dim=1).flatten().cpu().numpy()
    options = {"maxcor": KEPT, "maxiter": MOST_ROUNDS, "maxfun": 2 * MOST_ROUNDS, "gtol": GRADIENT, "ftol": DECREASE}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    both = torch.from_numpy(found.x).view(len(bias), -1)
    return Fit(both[:, :-1].to(weight), (scale * both[:, -1]).to(bias), penalty, float(found.fun))
