"""Synthetic sets whose least possible test MSE is known in closed form."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.data.registry import DataSet

Array = NDArray[np.float64]


def linear_pairs(dataset: DataSet, lookback: int, horizon: int) -> tuple[Array, list[NDArray[np.int64]]]:
    """SAMformer's motivating task (its section 3): inputs X ~ N(0, 1), targets X·W + noise, one W for all channels.

    Pair i is laid out as rows [i·(L+H), (i+1)·(L+H)) of one series [time, channels], so that windows gather it like any
    other; returned with the starts of train, validation and test. W is scaled to targets of unit variance, so the noise's
    variance is the least MSE that can be had.
    """
    options = dataset.options
    assert dataset.channels is not None
    counts = [int(options[k]) for k in ("train", "validation", "test")]
    random = np.random.default_rng(int(options["seed"]))
    weights = random.standard_normal((lookback, horizon)) / np.sqrt(lookback)
    inputs = random.standard_normal((sum(counts), dataset.channels, lookback))
    targets = inputs @ weights + float(options["noise"]) * random.standard_normal((sum(counts), dataset.channels, horizon))
    pairs = np.concatenate([inputs, targets], axis=2)  # [N, C, L + H]
    values = pairs.transpose(0, 2, 1).reshape(-1, dataset.channels)  # [N·(L + H), C]
    starts = np.arange(sum(counts), dtype=np.int64) * (lookback + horizon)
    first, second = counts[0], counts[0] + counts[1]
    return values, [starts[:first], starts[first:second], starts[second:]]


def coefficients(dataset: DataSet) -> tuple[Array, Array]:
    """A₁, A₂ [C, C] of the VAR(2) y_t = A₁·y_{t−1} + A₂·y_{t−2} + e_t, e_t ~ N(0, noise²·I).

    Each of C hidden oscillators has poles r·exp(±2πi/period), so the process is stable as long as every r < 1; a
    reflection Q mixes them, so that every channel depends on every other: A₁ = Q·diag(2r·cos ω)·Q, A₂ = −Q·diag(r²)·Q.
    """
    mix, first, second = _parts(dataset)
    return mix * first @ mix, mix * second @ mix


def _parts(dataset: DataSet) -> tuple[Array, Array, Array]:
    radii = np.asarray(dataset.options["radii"], dtype=np.float64)
    omega = 2 * np.pi / np.asarray(dataset.options["periods"], dtype=np.float64)
    vector = np.arange(1, len(radii) + 1, dtype=np.float64)
    mix = np.eye(len(radii)) - 2 * np.outer(vector, vector) / (vector @ vector)
    return mix, 2 * radii * np.cos(omega), -(radii**2)


def var(dataset: DataSet) -> Array:
    """The process [rows, C] of `coefficients`, after `burn_in` steps from zero."""
    assert dataset.rows is not None
    options = dataset.options
    mix, first, second = _parts(dataset)
    burn_in = int(options["burn_in"])
    random = np.random.default_rng(int(options["seed"]))
    noise = float(options["noise"]) * random.standard_normal((burn_in + dataset.rows, len(first)))
    hidden = noise  # the reflection leaves N(0, s²·I) as it is, so the hidden oscillators' noise is drawn directly
    for t in range(2, len(hidden)):
        hidden[t] += first * hidden[t - 1] + second * hidden[t - 2]
    values: Array = hidden[burn_in:] @ mix
    return values


@lru_cache(maxsize=16)
def _var_optimum(name: str, horizon: int) -> float:
    from benchmark.data.registry import DATASETS
    from benchmark.data.splits import segments

    dataset = DATASETS[name]
    values = var(dataset)
    train = segments(dataset, len(values), 0).train
    scale = values[train.start : train.end].std(axis=0)
    mix, first, second = _parts(dataset)
    impulse, before = np.ones_like(first), np.zeros_like(first)  # ψ of each oscillator: ψ_j = a₁·ψ_{j−1} + a₂·ψ_{j−2}
    spread, total = np.zeros_like(first), 0.0
    for _ in range(horizon):
        spread = spread + impulse**2  # hidden error variance of this step over noise²
        total += float(((mix**2 @ spread) / scale**2).mean())
        impulse, before = first * impulse + second * before, impulse
    return float(dataset.options["noise"]) ** 2 * total / horizon


def optimum(dataset: DataSet, lookback: int, horizon: int) -> float | None:
    """The least expected test MSE that any forecast from `lookback` steps can have, on the scale of the metrics.

    Linear pairs: the noise's variance. VAR(2): the mean over steps h ≤ horizon and channels c of Σ_h[c, c]/s_c², with the
    h-step error covariance Σ_h = Σ_{j<h} Ψ_j·Σ_e·Ψ_jᵀ and s_c the train segment's deviation that standardises channel c;
    it can be had from any look-back of two steps or more. None for a set of which it is not known.
    """
    if dataset.reader == "linear_pairs":
        return float(dataset.options["noise"]) ** 2
    if dataset.reader == "var" and lookback >= 2:
        return _var_optimum(dataset.name, horizon)
    return None
