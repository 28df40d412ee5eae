"""A layer of a convolutional kernel network (Mairal, NIPS 2016, arXiv 1605.06265, section 3), as CKN-Pytorch-image has it
at 19ae94b (see docs/models.md, CKN)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Kernel = Literal["exp", "poly"]
Backward = Literal["exact", "released"]
LEAST_NORM, RIDGE = 1e-3, 0.01


class KernelLayer(nn.Module):
    """From a map [B, c, H, W] to the coordinates [B, p, ⌊(H−1)/s⌋+1, …] of its patches' images in the space that p filters
    span, pooled.

    weight [p, c, k, k]: filters of norm 1. A patch of norm n becomes n·κ(⟨z_j, patch⟩/n): κ(u) is exp((u − 1)/σ²)
    (``exp``) or u² (``poly``). Then a Gaussian of deviation s/√2 pools at every s-th place, and κ(Z Zᵀ)^(−½) mixes the
    channels. ridge_inside: the 0.01 that keeps that root finite is added below the root, not to it. backward: of that
    root's; ``released`` is not its derivative.
    """

    def __init__(
        self, channels: int, width: int, size: int, subsampling: int, kernel: str, sigma: float,
        backward: Backward = "exact", ridge_inside: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.subsampling, self.kernel = size, subsampling, kernel
        self.sharpness = 1 / sigma**2
        self.backward, self.ridge_inside = backward, ridge_inside
        self.weight = nn.Parameter(torch.randn(width, channels, size, size))
        self.register_buffer("_taps", gaussian(subsampling), persistent=False)
        self._kept: tuple[Tensor, Tensor] | None = None
        self.project()

    @torch.no_grad()
    def project(self) -> None:
        """Divides each filter by its norm."""
        self.weight.div_(self.weight.flatten(1).norm(dim=1).clamp(min=1e-6)[:, None, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """The map [B, p, h, w] of a map x [B, c, H, W]."""
        return self.mixed(self.pooled(self.mapped(x)))

    def mapped(self, x: Tensor) -> Tensor:
        """n·κ(u) [B, p, H, W] of the patches of x [B, c, H, W]; zeros beyond its edge."""
        edge = self.size // 2
        square = x.square().sum(1, keepdim=True)  # [B, 1, H, W]
        if self.size > 1:
            square = F.avg_pool2d(square, self.size, 1, edge, divisor_override=1)
        norm = square.clamp(min=LEAST_NORM**2).sqrt()
        products = F.conv2d(x, self.weight, padding=edge) if self.size > 1 else at_each_place(self.weight.flatten(1), x)
        scaled: Tensor = Scaled.apply(products, norm, self.kernel, self.sharpness)  # type: ignore[no-untyped-call]
        return scaled

    def kappa(self, u: Tensor) -> Tensor:
        """κ(u), number by number, of any shape [...]."""
        return u.square() if self.kernel == "poly" else torch.exp(self.sharpness * (u - 1))

    def pooled(self, x: Tensor) -> Tensor:
        """x [B, p, H, W] at every s-th place, [B, p, h, w]: the filter is a product, so rows and columns are two maps."""
        if self.subsampling == 1:
            return x
        down, across = (self._pooling(length).to(x.dtype) for length in x.shape[2:])
        return torch.matmul(down, torch.matmul(x, across.T))

    def _pooling(self, length: int) -> Tensor:
        """[⌊(L−1)/s⌋+1, L]: row i has the taps about the place i·s."""
        s, taps = self.subsampling, self._taps
        assert isinstance(taps, Tensor)
        places = torch.arange(length, device=taps.device)
        off = places - s * torch.arange((length - 1) // s + 1, device=taps.device)[:, None] + s
        return torch.where((off >= 0) & (off <= 2 * s), taps[off.clamp(0, 2 * s)], 0.0)

    def mixed(self, x: Tensor) -> Tensor:
        """The channels of x [B, p, h, w] at each place times κ(Z Zᵀ)^(−½)."""
        return at_each_place(self.root(), x)

    def root(self) -> Tensor:
        """κ(Z Zᵀ)^(−½) [p, p] as this layer has it; kept while nothing is to be differentiated and the filters stay."""
        if torch.is_grad_enabled():
            return self._root()
        if self._kept is None or not torch.equal(self._kept[0], self.weight):
            self._kept = self.weight.detach().clone(), self._root()
        return self._kept[1]

    def _root(self) -> Tensor:
        z = self.weight.flatten(1)
        found: Tensor = InverseRoot.apply(self.kappa(z @ z.T), self.backward, self.ridge_inside)  # type: ignore[no-untyped-call]
        return found


def at_each_place(matrix: Tensor, x: Tensor) -> Tensor:
    """A matrix [q, p] times the channels of x [B, p, h, w]: a convolution of 1 × 1, in half its time on a CPU."""
    found = torch.bmm(matrix.expand(len(x), -1, -1), x.flatten(2))
    return found.view(len(x), len(matrix), *x.shape[2:])


class Scaled(torch.autograd.Function):
    """n·κ(c/n) of products c [B, p, H, W] with patches of norms n [B, 1, H, W]; a is 1/σ². By hand it goes through the map
    half as often as autograd, which is a third of a step.

    ``exp``: f = exp(a·c/n − a + ln n), ∂f/∂c = a·f/n, ∂f/∂n = f/n − a·c·f/n². ``poly``: f = c²/n, ∂f/∂c = 2c/n,
    ∂f/∂n = −f/n.
    """

    @staticmethod
    def forward(ctx: Any, products: Tensor, norm: Tensor, kernel: str, sharpness: float) -> Tensor:
        """f [B, p, H, W]."""
        if kernel == "poly":
            found = (products * products).div_(norm)
        else:
            found = torch.addcmul(norm.log() - sharpness, products, sharpness / norm).exp_()
        ctx.save_for_backward(products, norm, found)
        ctx.kernel, ctx.sharpness = kernel, sharpness
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """The gradients of c [B, p, H, W] and of n [B, 1, H, W]."""
        products, norm, found = ctx.saved_tensors
        both = gradient * found
        of_both = both.sum(1, keepdim=True)
        if ctx.kernel == "poly":
            return (gradient * products).mul_(2 / norm), -of_both / norm, None, None
        share = ctx.sharpness / norm
        of_norm = (of_both - share * (both * products).sum(1, keepdim=True)) / norm
        return both.mul_(share), of_norm, None, None


class InverseRoot(torch.autograd.Function):
    """K^(−½) of a symmetric K [p, p], by its eigenvalues λ in float64: V diag(1/e) Vᵀ, e = √max(λ, 0) + 0.01, or
    √(max(λ, 0) + 0.01) where the ridge is inside. (Near zero float32 is off by 1e-7 in λ, 3e-4 in the root.)

    Backward, with G the gradient of the result: V (F ∘ Vᵀ G V) Vᵀ, F the divided differences of 1/e (Daleckii and Krein),
    which are −1/((r_i + r_j) e_i e_j), r the root without a ridge that was added to it. ``released`` has e for r.
    """

    @staticmethod
    def forward(ctx: Any, gram: Tensor, backward: str, ridge_inside: bool) -> Tensor:
        """K^(−½) [p, p] of a gram matrix K [p, p]."""
        values, vectors = torch.linalg.eigh(gram.double())
        values = values.clamp(min=0.0)
        roots = (values + RIDGE).sqrt() if ridge_inside else values.sqrt()
        e = roots if ridge_inside else roots + RIDGE
        ctx.save_for_backward(vectors, e, e if backward == "released" else roots)
        found: Tensor = ((vectors / e) @ vectors.T).to(gram.dtype)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient [p, p] of K."""
        vectors, e, roots = ctx.saved_tensors
        sums = roots[:, None] + roots
        factor = torch.where(sums > 0, 1 / (sums * e[:, None] * e).where(sums > 0, 1.0), 0.0)
        within = vectors.T @ gradient.double() @ vectors
        return -(vectors @ (factor * within) @ vectors.T).to(gradient.dtype), None, None


def gaussian(subsampling: int) -> Tensor:
    """[2s + 1] taps, of sum 1: exp(−i²/s²) at i = −s … s."""
    taps = torch.tensor([math.exp(-((i / subsampling) ** 2)) for i in range(-subsampling, subsampling + 1)])
    return taps / taps.sum()
