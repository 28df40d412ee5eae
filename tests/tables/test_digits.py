import math

import pytest

from tables.numbers import best_and_second, fixed, span


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.38, "0.380"), (0.38049, "0.380"), (0.38051, "0.381"), (-0.0, "0.000"),
         (-0.0004, "0.000"), (-0.0006, "-0.001"), (12.0, "12.000"),
     (None, None), (math.nan, None), (math.inf, None), (-math.inf, None)],
)  # fmt: skip
def test_fixed_keeps_digits_and_shows_no_hole_as_a_number(value: float | None, text: str | None) -> None:
    assert fixed(value) == text


def test_fixed_with_other_digits() -> None:
    assert fixed(-2.84, 1) == "-2.8"
    assert fixed(-0.04, 1) == "0.0"


@pytest.mark.parametrize(
    ("values", "best", "second"),
    [
        ([0.3, 0.2, 0.4], {1}, {0}),
        ([0.3801, 0.3804, 0.39], {0, 1}, {2}),  # alike by what is printed
        ([0.3, 0.4, 0.4001], {0}, {1, 2}),
        ([0.4, 0.4], {0, 1}, set()),
        ([0.4, None], set(), set()),  # alone, nothing is won
        ([0.4, math.nan, 0.5], {0}, {2}),
        ([None, None], set(), set()),
        ([0.0, -0.0, 0.1], {0, 1}, {2}),
    ],
)
def test_best_and_second(values: list[float | None], best: set[int], second: set[int]) -> None:
    assert best_and_second(values) == (best, second)


def test_span() -> None:
    assert (span([3, 3]), span([1, 5, 2])) == ("3", "1 to 5")
