"""How much the seeds of a cell differ, by all cells of its column together (docs/verdicts.md, rule 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

SAME = 1e-24
"""A variance of seed/printed below this is that of equal numbers: a float's rounding, not a seed's luck."""
LEAST_BETWEEN = 0.001
"""Log-variances whose own variance is no more than this are those of one spread."""


def student(probability: float, degrees: ArrayLike) -> Array:
    """The quantile of Student's t; `degrees` may be any positive number, infinity too."""
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return np.asarray(stdtrit(degrees, probability), dtype=np.float64)


def moderated(variances: ArrayLike, degrees: ArrayLike) -> tuple[Array, Array]:
    """Own variances of seed/printed and their degrees (n − 1), [..., K] each, to deviations and degrees, [..., K] each.

    Each variance is drawn towards those of its column as far as they are alike: the empirical Bayes estimate of Smyth
    (2004, Statistical Applications in Genetics and Molecular Biology 3, section 6). Where they are all alike it is the
    exponential of the mean log-variance, which one wide cell does not move, and not the mean variance. A variance of 0
    has no say and stays 0; a single one stays what it is.
    """
    from scipy.special import digamma, polygamma

    own, f = np.broadcast_arrays(np.asarray(variances, np.float64), np.asarray(degrees, np.float64))
    used = own > SAME
    count = used.sum(-1, keepdims=True)
    logs = np.where(used, np.log(np.where(used, own, 1.0)) - digamma(f / 2) + np.log(f / 2), 0.0)
    mean = logs.sum(-1, keepdims=True) / np.maximum(count, 1)
    among = np.where(used, (logs - mean) ** 2, 0.0).sum(-1, keepdims=True) / np.maximum(count - 1, 1)
    between = among - np.where(used, polygamma(1, f / 2), 0.0).sum(-1, keepdims=True) / np.maximum(count, 1)
    differ = between > LEAST_BETWEEN
    prior = 2 * _inverse_trigamma(np.where(differ, between, 1.0))  # degrees
    towards = np.exp(mean + digamma(prior / 2) - np.log(prior / 2))
    pooled = np.where(differ, (prior * towards + f * own) / (prior + f), np.exp(mean))
    total = np.where(used, f, 0.0).sum(-1, keepdims=True)
    shared = np.where(differ, np.minimum(prior + f, total), total)
    together = used & (count > 1)
    return np.sqrt(np.where(used, np.where(together, pooled, own), 0.0)), np.where(together, shared, f)


def _inverse_trigamma(values: Array) -> Array:
    """The argument at which ψ′ has these positive values, by Newton's method on 1/ψ′, which is nearly straight."""
    from scipy.special import polygamma

    found = 0.5 + 1 / values
    for _ in range(50):
        slope = polygamma(1, found)
        step = slope * (1 - slope / values) / polygamma(2, found)
        found = found + step
        if np.all(np.abs(step) <= 1e-10 * found):
            break
    return np.asarray(found)
