"""The convolutional kernel network whose layers are computed in NumPy alone (`ckn_numpy`), as a model like any other."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from baselines.arguments import Size, Weight
from baselines.ckn import CKN
from baselines.ckn_layer import KernelLayer
from baselines.ckn_numpy import SQUARE, Layer, exponential

Layout = Literal["ckn5", "ckn14", "scratch2", "scratch3", "scratch5"]
Filters = Literal["sampled", "first", "random"]
Loss = Literal["squared_hinge", "cross_entropy"]


class NumPyLayer(KernelLayer):
    """A kernel layer with forward and backward of the lesson, wherever its tensors are. Its ridge is inside the root."""

    def forward(self, x: Tensor) -> Tensor:
        """The map [B, p, h, w] of a map x [B, c, H, W]."""
        found: Tensor = _InNumPy.apply(x, self.weight, self)  # type: ignore[no-untyped-call]
        return found


class _InNumPy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, layer: NumPyLayer) -> Tensor:
        kernel = SQUARE if layer.kernel == "poly" else exponential(layer.sharpness**-0.5)
        ctx.layer = Layer(weight.detach().cpu().numpy(), kernel, layer.subsampling)
        return _tensor(ctx.layer.forward(_map(x)), x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        d_x, d_z = ctx.layer.backward(_map(gradient))
        return _tensor(d_x, gradient), torch.from_numpy(d_z).to(gradient.device), None


def _map(x: Tensor) -> np.ndarray[Any, Any]:
    return x.detach().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _tensor(x: np.ndarray[Any, Any], like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2).to(like.device)


class CKNFromScratch(CKN):
    """As `CKN`, its layers in NumPy: their ridge is inside the root, their gradient is exact, and filters are trained."""

    layer: ClassVar[type[KernelLayer]] = NumPyLayer

    def __init__(
        self, *, channels: int, size: int, classes: int, layout: Layout = "scratch2", filters: Filters = "sampled",
        patch_count: Size = 150_000, loss: Loss = "cross_entropy", fit_alpha: Weight = 0.0, alternating: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            channels=channels, size=size, classes=classes, layout=layout, ridge_inside=True, filters=filters,
            patch_count=patch_count, loss=loss, fit_alpha=fit_alpha, alternating=alternating,
        )  # fmt: skip
