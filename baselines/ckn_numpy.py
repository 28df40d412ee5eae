"""A convolutional kernel network from scratch, in NumPy alone: forward, backward, and trained filters.

Mairal, End-to-end kernel learning with supervised convolutional kernel networks, NIPS 2016, arXiv 1605.06265, section 3.
Read it from the top: a layer in four steps, each with its derivative; then the net, its loss, and one step of training.
No step has a loop over places: a correlation is one product of matrices, over a view of the map that strides make.

Maps are [B, H, W, c], a map's colours or channels last. A gradient of the loss by a thing is called d_thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]
LEAST_SQUARE, RIDGE = 1e-6, 0.01


# 1. What a patch is. With zeros about the map, each place has one, of k × k.


def patches(x: Array, size: int, edge: int) -> Array:
    """The patches [B, H', W', c, k, k] of a map x [B, H, W, c] with `edge` rows of zeros about it: a view, not a copy."""
    around = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    return sliding_window_view(around, (size, size), axis=(1, 2))


def correlated(x: Array, filters: Array, edge: int) -> Array:
    """⟨z_j, patch⟩ at each place, [B, H', W', p], with filters z [p, c, k, k]."""
    return np.tensordot(patches(x, filters.shape[-1], edge), filters, axes=([3, 4, 5], [1, 2, 3]))


def d_correlated(d_found: Array, filters: Array, edge: int) -> Array:
    """The gradient by x [B, H, W, c]: each place hands its gradient back to the k × k places that it looked at, which is a
    correlation again, with the filters turned about and their channels exchanged."""
    size = filters.shape[-1]
    turned = filters[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    return correlated(d_found, turned, size - 1 - edge)


# 2. Kernels of the angle between a patch and a filter: u = ⟨z, patch⟩/‖patch‖, ‖z‖ = 1.


class Kernel(NamedTuple):
    """κ(u), and κ′(u) from u and κ(u)."""

    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]


def exponential(sigma: float) -> Kernel:
    """κ(u) = exp((u − 1)/σ²): the Gaussian kernel of two points of the sphere."""
    a = 1 / sigma**2
    return Kernel(lambda u: np.exp(a * (u - 1)), lambda u, value: a * value)


SQUARE = Kernel(lambda u: u * u, lambda u, value: 2 * u)
"""κ(u) = u²."""


# 3. Places, pooled: a Gaussian of deviation s/√2 at every s-th of them.


def pooling(length: int, subsampling: int, dtype: Any) -> Array:
    """A [⌊(L−1)/s⌋+1, L], A_ij ∝ exp(−(j − i·s)²/s²) where |j − i·s| ≤ s: what it does to rows, and to columns."""
    off = np.arange(length) - subsampling * np.arange((length - 1) // subsampling + 1)[:, None]
    inside = np.abs(off) <= subsampling
    taps = np.exp(-((np.arange(-subsampling, subsampling + 1) / subsampling) ** 2))
    rows: Array = np.where(inside, np.exp(-((off / subsampling) ** 2)), 0.0) / taps.sum()
    return rows.astype(dtype)


def on_rows_and_columns(x: Array, down: Array, across: Array) -> Array:
    """y_b(i, j) = Σ down_ik·across_jl·x_b(k, l) for each channel, [B, h, w, p] of x [B, H, W, p]."""
    half = np.tensordot(down, x, axes=(1, 1))  # [h, B, W, p]
    return np.tensordot(half, across, axes=(2, 1)).transpose(1, 0, 3, 2)


# 4. The space that the filters span. In it, the image of a patch has the coordinates K^(−½) f, K_ij = κ(⟨z_i, z_j⟩).


class Root(NamedTuple):
    """K^(−½) [p, p], the eigenvectors V [p, p] of K, and e [p] = √(max(λ, 0) + 0.01) of its eigenvalues λ."""

    value: Array
    vectors: Array
    e: Array


def inverse_root(gram: Array) -> Root:
    """K^(−½) = V diag(1/e) Vᵀ of K [p, p]. In float64: near 0, float32 loses λ's first digits."""
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    e = np.sqrt(np.maximum(values, 0.0) + RIDGE)
    return Root((vectors / e) @ vectors.T, vectors, e)


def d_inverse_root(d_value: Array, root: Root) -> Array:
    """The gradient by K [p, p] (Daleckii and Krein): V (F ∘ (Vᵀ d V)) Vᵀ, F_ij = (1/e_i − 1/e_j)/(λ_i − λ_j).

    λ_i − λ_j = e_i² − e_j² = (e_i − e_j)(e_i + e_j), so F_ij = −1/((e_i + e_j) e_i e_j), and none divides by 0.
    """
    e, v = root.e, root.vectors
    divided = -1 / ((e[:, None] + e) * e[:, None] * e)
    found: Array = v @ (divided * (v.T @ d_value @ v)) @ v.T
    return found


# The layer: n·κ(u), pooled, mixed.


@dataclass
class Layer:
    """filters: Z [p, c, k, k], each of norm 1. kernel: κ. subsampling: s."""

    filters: Array
    kernel: Kernel
    subsampling: int
    _seen: dict[str, Any] = field(default_factory=dict)

    def forward(self, x: Array) -> Array:
        """The map [B, h, w, p] of a map x [B, H, W, c]; keeps what `backward` needs."""
        z, size, s = self.filters, self.filters.shape[-1], self.subsampling
        edge, box = size // 2, np.ones((1, 1, size, size), x.dtype)
        square = correlated((x * x).sum(3, keepdims=True), box, edge)  # ‖patch‖²
        n = np.sqrt(np.maximum(square, LEAST_SQUARE))
        u = correlated(x, z, edge) / n
        kappa = self.kernel.value(u)
        down, across = (pooling(length, s, x.dtype) for length in u.shape[1:3])
        pooled = on_rows_and_columns(n * kappa, down, across) if s > 1 else n * kappa
        flat = z.reshape(len(z), -1)
        angles = flat @ flat.T
        root = inverse_root(self.kernel.value(angles))
        self._seen = {"x": x, "square": square, "n": n, "u": u, "kappa": kappa, "down": down, "across": across,
                      "pooled": pooled, "angles": angles, "root": root}  # fmt: skip
        out: Array = pooled @ root.value.astype(x.dtype)
        return out

    def backward(self, d_out: Array) -> tuple[Array, Array]:
        """The gradients by x [B, H, W, c] and by Z [p, c, k, k], of that by the last `forward`'s map [B, h, w, p]."""
        z, seen = self.filters, self._seen
        x, n, u, kappa, root, angles = (seen[name] for name in ("x", "n", "u", "kappa", "root", "angles"))
        size, edge = z.shape[-1], z.shape[-1] // 2
        # out = pooled K^(−½), and K^(−½) is its own transpose.
        d_pooled = d_out @ root.value.astype(d_out.dtype)
        d_root = np.tensordot(seen["pooled"], d_out, axes=([0, 1, 2], [0, 1, 2]))
        # K = κ(Z Zᵀ), in which each filter stands twice.
        d_angles = d_inverse_root(d_root, root) * self.kernel.slope(angles, self.kernel.value(angles))
        d_z = ((d_angles + d_angles.T) @ z.reshape(len(z), -1)).reshape(z.shape)
        # pooled = A f Bᵀ, so d_f = Aᵀ d B.
        d_f = on_rows_and_columns(d_pooled, seen["down"].T, seen["across"].T) if self.subsampling > 1 else d_pooled
        # f_j = n κ(c_j/n) with c_j = ⟨z_j, patch⟩: ∂f/∂c = κ′(u), ∂f/∂n = κ(u) − u κ′(u).
        slope = self.kernel.slope(u, kappa)
        d_c = d_f * slope
        d_n = (d_f * (kappa - u * slope)).sum(3, keepdims=True)
        # n = √‖patch‖², where that is not as small as to be replaced.
        d_square = np.where(seen["square"] > LEAST_SQUARE, d_n / (2 * n), 0.0).astype(x.dtype)
        d_z += np.tensordot(d_c, patches(x, size, edge), axes=([0, 1, 2], [0, 1, 2]))
        d_x = d_correlated(d_c, z, edge)
        d_x += 2 * x * d_correlated(d_square, np.ones((1, 1, size, size), x.dtype), edge)
        return d_x, d_z.astype(z.dtype)


# The net: layers, one linear map, the cross-entropy of its softmax.


@dataclass
class Net:
    """weight [K, p·h·w], bias [K] of K classes; features stand in the order channel, row, column."""

    layers: Sequence[Layer]
    weight: Array
    bias: Array

    def scores(self, x: Array) -> Array:
        """[B, K] of images x [B, H, W, c]."""
        return self._features(x) @ self.weight.T + self.bias

    def _features(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        self._last = x.shape
        return x.transpose(0, 3, 1, 2).reshape(len(x), -1)

    def gradients(self, x: Array, y: Array) -> tuple[float, list[Array], Array, Array]:
        """The mean cross-entropy of images x [B, H, W, c] of the classes y [B], and its gradients: by the filters of each
        layer, by weight, by bias."""
        features = self._features(x)
        scores = features @ self.weight.T + self.bias
        logs = scores - scores.max(1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        d_scores = np.exp(logs)  # softmax − one-hot, over B
        d_scores[np.arange(len(y)), y] -= 1
        d_scores /= len(y)
        batch, height, width, channels = self._last
        d_x = (d_scores @ self.weight).reshape(batch, channels, height, width).transpose(0, 2, 3, 1)
        of_filters = []
        for layer in reversed(self.layers):
            d_x, d_z = layer.backward(d_x)
            of_filters.append(d_z)
        loss = -float(logs[np.arange(len(y)), y].mean())
        return loss, of_filters[::-1], d_scores.T @ features, d_scores.sum(0)

    def step(self, x: Array, y: Array, rate: float) -> float:
        """One step of gradient descent, after which each filter is a point of the sphere again; the loss before it."""
        loss, of_filters, d_weight, d_bias = self.gradients(x, y)
        for layer, d_z in zip(self.layers, of_filters, strict=True):
            moved = layer.filters - rate * d_z
            layer.filters = moved / np.sqrt((moved**2).sum((1, 2, 3), keepdims=True))
        self.weight = self.weight - rate * d_weight
        self.bias = self.bias - rate * d_bias
        return loss
