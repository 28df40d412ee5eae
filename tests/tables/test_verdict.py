"""The rule of docs/verdicts.md at its boundaries. For three seeds half the interval is 2.484 standard deviations."""

import math

import pytest

from benchmark.judging.verdict import half_interval, verdict
from benchmark.workloads import FORECASTING

MSE = FORECASTING.metrics[0]


@pytest.mark.parametrize(
    ("mean", "std", "n", "published", "expected"),
    [
        (None, None, 0, 0.4, "missing"),
        (0.4, None, 1, 0.4, "too few seeds"),
        (0.4, 0.0, 2, 0.4, "too few seeds"),
        (0.4, 0.0, 3, 0.4, "reproduced"),
        # 2 % of 0.4 is 0.008: more than 0.005, so it counts
        (0.408, 0.0, 3, 0.4, "reproduced"),
        (0.4081, 0.0, 3, 0.4, "worse"),
        (0.392, 0.0, 3, 0.4, "reproduced"),
        (0.3919, 0.0, 3, 0.4, "better"),
        # 2 % of 0.1 is 0.002: less than 0.005
        (0.105, 0.0, 3, 0.1, "reproduced"),
        (0.1051, 0.0, 3, 0.1, "worse"),
        (0.095, 0.0, 3, 0.1, "reproduced"),
        (0.0949, 0.0, 3, 0.1, "better"),
        # 2.484 · 0.0032 = 0.00795, 2.484 · 0.0033 = 0.0082
        (0.4, 0.0032, 3, 0.4, "reproduced"),
        (0.4, 0.0033, 3, 0.4, "inconclusive"),
        # too wide to say 'reproduced', but one more seed would lie within 0.0082 · 2 of the mean: 0.008 + 0.0164 = 0.0244
        (0.4245, 0.0033, 3, 0.4, "worse"),
        (0.4243, 0.0033, 3, 0.4, "inconclusive"),
        (0.3755, 0.0033, 3, 0.4, "better"),
        (0.3757, 0.0033, 3, 0.4, "inconclusive"),
        (0.403, 0.013, 3, 0.509, "better"),
        (0.45, 0.03, 3, 0.381, "inconclusive"),
        (0.6, 0.0032, 3, 0.4, "worse"),
        (0.6, 0.033, 3, 0.4, "worse"),
        (0.6, 0.039, 3, 0.4, "inconclusive"),
        # five seeds: 2.776 / √5 = 1.2416 standard deviations
        (0.4, 0.0064, 5, 0.4, "reproduced"),
        (0.4, 0.0065, 5, 0.4, "inconclusive"),
    ],
)
def test_rule(mean: float | None, std: float | None, n: int, published: float, expected: str) -> None:
    assert verdict(mean, std, n, published, True, MSE) == expected


def test_missing_is_said_before_not_comparable_and_that_before_too_few() -> None:
    assert verdict(None, None, 0, 0.4, False, MSE) == "missing"
    assert verdict(0.4, None, 1, 0.4, False, MSE) == "not comparable"


def test_interval_is_students() -> None:
    assert half_interval(1.0, 3) == pytest.approx(4.302652729911275 / math.sqrt(3))
    assert half_interval(1.0, 5) == pytest.approx(2.776445105197793 / math.sqrt(5))


def test_tolerance() -> None:
    assert (MSE.tolerance(0.1), MSE.tolerance(0.25), MSE.tolerance(1.0)) == (0.005, 0.005, 0.02)
