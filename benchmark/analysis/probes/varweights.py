"""The VAR weights of SAMoVAR and FixedVAR: the matrices Φ that take the keys x₀ to what the last layer gives.

Per window, channel and head, with T = 2N tokens of e features, the own token of segment n at t = 2n + 1, queries q_l and
values v_l of layer l = 1 … M, and the structural matrix D, all in eval mode:

- a layer: o_l[t] = Σ_{i ≤ t} v_l[i] q_l[t]ᵀ k_l[i], with k_1 = x₀ and k_{l+1} = o_l;
- in x₀: o_l[t] = Σ_{j ≤ t} B_l[t, j] x₀[j] with B_1[t, j] = v_1[j] q_1[t]ᵀ and
  B_l[t, j] = Σ_{i=j..t} v_l[i] (q_l[t]ᵀ B_{l−1}[i, j]);
- the whole: z[n] = Σ_{j ≤ t} Φ[n, j] x₀[j] with Φ[n, j] = [j = t]·I + Dᵀ Σ_l B_l[t, j].

(Lu et al., ICML 2025, arXiv 2502.07244, section 4, and the layers of `baselines.samovar`.) z[n] becomes the prediction of
segment n + 1; key j belongs to segment ⌊j/2⌋, so its lag is n + 1 − ⌊j/2⌋ segments; even j: context token, odd j: own.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.base import Forecaster
from baselines.fixedvar import FixedVAR
from baselines.samovar import SAMoVAR, StructuralVAR, structural_matrix
from baselines.segments import cut
from benchmark.errors import UsageError

CHANNELS = 8
"""Of more channels the last so many are looked at."""
MOST_BYTES = 2 << 30
ROWS_BYTES = 128 << 20
"""What the weights of all layers' tokens of some windows, channels and heads take at a time."""
LONGEST, STRONGEST = 3, 24
"""Paths of so many steps or fewer are told apart, and so many of them kept."""


@dataclass(frozen=True)
class Inside:
    """What a model's last layers work with, of some of its channels.

    keys: x₀ [B, C, T, h, e]. queries, values [M, B, C, T, h, e]. own: z [B, C, N, h, e]. structure: D [h, e, e].
    """

    keys: Tensor
    queries: Tensor
    values: Tensor
    own: Tensor
    structure: Tensor

    def rows(self, tensor: Tensor) -> Tensor:
        """[..., B, C, T, h, e] with a row for each window, channel and head: [..., B·C·h, T, e]."""
        return tensor.movedim(-2, -3).flatten(-5, -3)


def inside(model: Forecaster, x: Tensor) -> Inside:
    """What happens inside a model at windows x [B, L, C], of its last channels; with gradients where they are enabled.

    Raises UsageError for a model that has no VAR weights.
    """
    if not isinstance(model, SAMoVAR | FixedVAR):
        raise UsageError(f"var: expected SAMoVAR or FixedVAR, which have VAR weights, found {type(model).__name__}")
    caught: dict[str, Tensor] = {}

    def keys(module: nn.Module, given: Any, found: Tensor) -> None:
        caught["keys"] = found

    def own(module: nn.Module, given: tuple[Tensor]) -> None:
        caught["own"] = given[0]

    hooks = model.var_norm.register_forward_hook(keys), model.output_norm.register_forward_pre_hook(own)
    try:
        model.training_loss(x, x.new_zeros(len(x), model.horizon, x.shape[2]))  # which predicts from every segment
    finally:
        for hook in hooks:
            hook.remove()
    x0 = caught["keys"]  # [d, T, C, B]
    both = [_tables(model, table, x0) for tables in (model.queries, model.values) for table in tables]
    formed = [_formed(each, model.heads) for each in (x0, caught["own"], *both)]
    layers = model.n_layers
    return Inside(
        formed[0], torch.stack(formed[2 : 2 + layers]), torch.stack(formed[2 + layers :]), formed[1],
        structural_matrix(model.structure),
    )  # fmt: skip


def _tables(model: StructuralVAR, table: Any, x0: Tensor) -> Tensor:
    """A layer's queries or values at all tokens, [d, T, C, B]."""
    if isinstance(model, SAMoVAR):
        found: Tensor = table(x0).flatten(0, 1)
        return found
    rows: Tensor = table[:, : model.n_tokens].permute(2, 3, 1, 0).flatten(0, 1)  # [d, T, C]
    return rows.unsqueeze(-1).expand(x0.shape)


def _formed(features: Tensor, heads: int) -> Tensor:
    """[d, T, C, B] as [B, C, T, h, e], of the last channels."""
    tokens = features[:, :, -CHANNELS:].permute(3, 2, 1, 0)  # [B, C, T, d]
    found: Tensor = tokens.reshape(*tokens.shape[:3], heads, -1)
    return found


def layer_weights(queries: Tensor, values: Tensor) -> list[Tensor]:
    """B_l [R, T, T, e, e] by layer (line t, column j; zero for j > t), of queries and values [M, R, T, e]."""
    tokens = queries.shape[2]
    past = torch.ones(tokens, tokens, dtype=queries.dtype).tril()
    found = [torch.einsum("tj,rjg,rtf->rtjgf", past, values[0], queries[0])]
    for query, value in zip(queries[1:], values[1:], strict=True):
        lines = []
        for t in range(tokens):
            taken = torch.einsum("re,rijef->rijf", query[:, t], found[-1][:, : t + 1])
            lines.append(torch.einsum("rig,rijf->rjgf", value[:, : t + 1], taken))
        found.append(torch.stack(lines, dim=1))
    return found


def var_weights(found: Inside) -> tuple[Tensor, Tensor]:
    """Φ [B, C, N, T, h, e, e], and by number of steps the norm of what paths of that length bring to the last token,
    ‖Dᵀ B_l[T − 1, j]‖ [M, B, C, T, h] (Frobenius)."""
    windows, channels, tokens, heads, e = found.keys.shape
    queries, values = found.rows(found.queries), found.rows(found.values)
    structure = found.structure.mT.repeat(windows * channels, 1, 1)[:, None, None]  # [R, 1, 1, e, e]
    own = torch.arange(1, tokens, 2)
    size = max(1, ROWS_BYTES // (8 * len(queries) * tokens**2 * e**2))
    whole, lengths = [], []
    for rows in torch.split(torch.arange(queries.shape[1]), size):
        layers = layer_weights(queries[:, rows], values[:, rows])
        weights = structure[rows] @ torch.stack(layers).sum(dim=0)[:, own]  # [R, N, T, e, e]
        weights[:, torch.arange(len(own)), own] += torch.eye(e, dtype=weights.dtype)
        whole.append(weights.float())
        lengths.append(torch.stack([(structure[rows, 0] @ each[:, -1]).norm(dim=(-2, -1)) for each in layers]))
    shape = windows, channels, heads
    phi = torch.cat(whole).view(*shape, len(own), tokens, e, e).permute(0, 1, 3, 4, 2, 5, 6)
    return phi, torch.cat(lengths, dim=1).view(-1, *shape, tokens).movedim(-1, -2)


def applied(weights: Tensor, keys: Tensor) -> Tensor:
    """Σ_j Φ[n, j] x₀[j] [B, C, N, h, e] of weights [B, C, N, T, h, e, e] and keys [B, C, T, h, e]."""
    return torch.einsum("bcnthij,bcthj->bcnhi", weights.to(keys.dtype), keys)


def worst_error(found: Tensor, true: Tensor, axes: tuple[int, ...]) -> float:
    """The largest of ‖found − true‖/‖true‖ of two tensors [...], the norms over some axes."""
    return float(((found - true).norm(dim=axes) / true.norm(dim=axes)).max())


def released_weights(found: Inside) -> Tensor:
    """P_M [B, C, T, T, h], what the notebook in the released `visualization/` has for weights, not the model's (4e2581f).

    It takes the scalar q_l[t]·v_l[i] where the model has the matrix v_l[i] q_l[t]ᵀ, whose trace that scalar is, and the
    product of the layers for their sum: P_0 = 1, P_l[t, j] = Σ_{i ≤ t} (q_l[t]·v_l[i]) P_{l−1}[i, j].
    """
    product = None
    for query, value in zip(found.queries, found.values, strict=True):
        step = torch.einsum("bcthe,bcihe->bchti", query, value).tril()
        product = step if product is None else step @ product
    assert product is not None
    return product.permute(0, 1, 3, 4, 2)


def released_output(found: Inside, product: Tensor) -> Tensor:
    """What those weights P_M [B, C, T, T, h] make of the keys, Σ_j (Dᵀ P_M[t, j] + [j = t]·I) x₀[j] [B, C, N, h, e]."""
    mixed = torch.einsum("hfe,bctjh,bcjhf->bcthe", found.structure, product, found.keys)
    return (mixed + found.keys)[:, :, 1::2]


def strongest_paths(queries: Tensor, values: Tensor, structure: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The paths i₀ ≤ i₁ ≤ … ≤ i_l = T − 1 that bring most to the last token, of one window, channel and head: tokens [P, 4]
    (−1 behind a shorter one's end) and the norms [P] of their matrices.

    A path's matrix is Π_{m=2..l} (q_m[i_m]·v_{m−1}[i_{m−2}]) times Dᵀ v_l[i_{l−1}] q_1[i₁]ᵀ; all of them together are
    Dᵀ Σ_l B_l. queries, values [M, T, e]; structure [e, e]. Points of a path may coincide.
    """
    tokens, found = queries.shape[1], []
    for length in range(1, min(len(queries), LONGEST) + 1):
        axes = [torch.arange(tokens).view([-1 if i == a else 1 for i in range(length)]) for a in range(length)]
        places = [*axes, torch.tensor(tokens - 1)]
        weight = (values[length - 1] @ structure).norm(dim=-1)[places[length - 1]] * queries[0].norm(dim=-1)[places[1]]
        for m in range(2, length + 1):
            products = queries[m - 1] @ values[m - 2].mT  # [T, T]
            weight = weight * products[places[m], places[m - 2]].abs()
        for before, after in pairwise(places):
            weight = weight * (before <= after)
        best = weight.flatten().topk(min(STRONGEST, weight.numel()))
        ends = np.array(np.unravel_index(best.indices.numpy(), tuple(weight.shape))).T
        last = np.full((len(ends), 1), tokens - 1)
        rest = np.full((len(ends), LONGEST - length), -1)
        found += list(zip(best.values.tolist(), np.hstack([ends, last, rest]).tolist(), strict=True))
    chosen = sorted((each for each in found if each[0] > 0), reverse=True)[:STRONGEST]
    return np.array([path for _, path in chosen], dtype=np.int64), np.array([value for value, _ in chosen])


@torch.no_grad()
def var(model: Forecaster, x: Tensor, released: bool = False) -> Mapping[str, NDArray[Any]]:
    """Of windows x [B, L, C], of at most eight channels: weights Φ [B, C, N, T, h, e, e]; keys x₀ [B, C, T, h, e]; own z
    [B, C, N, h, e], the float32 model's; channel [C], their numbers from 1; structure D [h, e, e]; norms ‖Φ‖/√e
    [B, C, N, T, h]; by_length [M, B, C, T, h] as `var_weights` has it; path_tokens, path_norms of the first window, last
    channel and the head with the largest weights (head). error_own, error_forecast: the worst relative error of ΣΦ·x₀
    against z, and of the forecast that it leads to against the model's own, over windows, channels and segments. released:
    released_weights [B, C, T, T, h] and error_released, of what those make of the same keys at the last token, over all
    windows and channels together.

    Everything is in float64 but what it is compared with. Raises UsageError for another model, and where the weights take
    more than 2 GB.
    """
    theirs, exact = inside(model, x), inside(deepcopy(model).double(), x.double())
    windows, channels, tokens, heads, e = exact.keys.shape
    if (size := 2 * windows * channels * tokens**2 * heads * e**2) > MOST_BYTES:
        raise UsageError(f"var: expected weights of at most 2 GB, found {size / 1e9:.1f} GB; give fewer --windows")
    weights, lengths = var_weights(exact)
    z = applied(weights, exact.keys)
    norms = weights.norm(dim=(-2, -1)) / e**0.5
    head = int(lengths.sum(dim=0)[0, -1].sum(dim=0).argmax())
    queries, values = (each[:, 0, -1, :, head] for each in (exact.queries, exact.values))
    path_tokens, path_norms = strongest_paths(queries, values, exact.structure[head])
    arrays: dict[str, Any] = {
        "weights": weights, "keys": exact.keys.float(), "own": theirs.own, "structure": exact.structure.float(),
        "norms": norms, "channel": np.arange(x.shape[2] - channels, x.shape[2]) + 1, "by_length": lengths.float(),
        "head": head, "path_tokens": path_tokens, "path_norms": path_norms,
        "error_own": worst_error(z, theirs.own.double(), (-2, -1)), "error_forecast": _forecast_error(model, x, z),
    }  # fmt: skip
    if released:
        product = released_weights(exact)
        last, true = released_output(exact, product)[:, :, -1], exact.own[:, :, -1]
        arrays |= {"released_weights": product.float(), "error_released": float((last - true).norm() / true.norm())}
    return {name: np.asarray(value) for name, value in arrays.items()}


def _forecast_error(model: Forecaster, x: Tensor, z: Tensor) -> float:
    """The worst relative error of the forecast from z [B, C, N, h, e], by window and channel, against the model's own."""
    found = forecast_from(deepcopy(model).double(), x.double(), z[:, :, -1])
    return worst_error(found, model(x)[..., -z.shape[1] :].double(), (1,))


def forecast_from(model: Forecaster, x: Tensor, last: Tensor) -> Tensor:
    """The forecast [B, H, C] of the last channels, from the last token's z [B, C, h, e] and the windows x [B, L, C]."""
    assert isinstance(model, StructuralVAR)
    prediction = model.head(model.output_norm(last.flatten(2).permute(2, 1, 0)).permute(2, 1, 0))  # [B, C, H]
    segments = cut(x, model.horizon)  # shift, scale [C, B, 1]
    shift, scale = (each[-last.shape[1] :, :, 0].T.unsqueeze(-1) for each in (segments.shift, segments.scale))
    forecast: Tensor = (shift + prediction * scale).transpose(1, 2)
    return forecast
