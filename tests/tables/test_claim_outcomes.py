"""The six outcomes in their order, and how sure they are: a small form of `python -m tables.claims.simulation`."""

from __future__ import annotations

import numpy as np
import pytest

from tables.claims.outcome import FAILS, HOLDS, NO_INTERVAL, NONE_SEEN, SMALLER, UNDECIDED, UNSIZED, Effect, outcome, worst
from tables.claims.simulation import coverage, document, outcomes
from tables.statistics import MEAN_PER_CELL, RATIO_OF_SUMS, Interval, Statistic, by_set, estimate, over_sets


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("value", "found", "beside", "expected"),
    [
        (15.0, None, None, NO_INTERVAL),
        (15.0, (5, 25), None, HOLDS),
        (14.996, (5, 25), None, HOLDS),
        (14.99, (5, 25), None, UNSIZED),
        (14.0, (5, 25), (-2.5, 0.5), HOLDS),
        (14.0, (5, 25), (-3, 1.5), UNSIZED),
        (14.0, (5, 25), (-2.5, -0.5), SMALLER),
        (6.5, (3, 10), None, SMALLER),
        (6.5, (3, 25), None, UNSIZED),
        (6.5, (-3, 10), None, FAILS),
        (6.5, (-3, 10), (-1, 1), FAILS),
        (20.0, (-1, 41), None, UNDECIDED),
        (6.5, (-3, 25), None, UNDECIDED),
        (-0.5, (-30, 25), None, NONE_SEEN),
        (-5.0, (-9, -1), None, FAILS),
    ],
)
def test_the_first_outcome_that_applies(
    value: float, found: tuple[float, float] | None, beside: tuple[float, float] | None, expected: str
) -> None:
    effect = Effect(value, interval(*found) if found else None, interval(*beside) if beside else None)
    assert outcome(effect, 15.0, 0.005) == expected


def test_rounding_of_printed_numbers_is_taken_for_no_mistake() -> None:
    assert outcome(Effect(14.9, interval(5, 25), favour=0.1), 15.0, 0.005) == HOLDS
    assert outcome(Effect(7.0, interval(-1, 14.9), favour=0.1), 15.0, 0.005) == UNDECIDED


def test_every_model_is_as_good_as_the_worst_of_them() -> None:
    assert worst([HOLDS, UNSIZED]) == UNSIZED and worst([HOLDS, NONE_SEEN, SMALLER]) == NONE_SEEN
    assert worst([NONE_SEEN, "not enough cells (1 of 32)"]) == "not enough cells (1 of 32)"
    assert worst(["not enough cells (1 of 32)", FAILS]) == FAILS
    assert worst(["not enough cells (10 of 32)", "not enough cells (9 of 32)"]) == "not enough cells (9 of 32)"


def test_the_interval_is_students_over_the_means_of_data_sets() -> None:
    cells = [("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")]
    first = dict(zip(cells, ((0.9,), (0.7,), (0.9,), (1.0,)), strict=True))
    second = dict.fromkeys(cells, (1.0,))
    found = estimate([first, second], cells, MEAN_PER_CELL)
    # data sets: 20, 10 and 0 %; their mean is 10, their deviation 10, Student's t of two degrees 4.3027
    assert found is not None and found.interval is not None and found.value == pytest.approx(12.5)
    assert (found.cells, found.sets, found.interval.centre) == (4, 3, pytest.approx(10.0))
    assert found.interval.high == pytest.approx(10 + 4.30265 * 10 / np.sqrt(3), abs=1e-3)
    # the ratio of sums: 12.5 %; without a 5 %, without b 13.33 %, without c 16.67 %
    values = by_set([first, second], cells, RATIO_OF_SUMS)
    assert values == pytest.approx([3 * 12.5 - 2 * left for left in (5, 40 / 3, 50 / 3)])
    assert over_sets(np.array([1.0, 2.0])) is None and over_sets(np.array([1.0, 2.0, np.inf])) is None


@pytest.mark.parametrize("effects", ["normal", "t, 5 degrees"])
@pytest.mark.parametrize(
    ("sets", "statistic", "draws"), [(3, MEAN_PER_CELL, 1_500), (8, MEAN_PER_CELL, 1_500), (8, RATIO_OF_SUMS, 4_000)]
)
def test_the_interval_covers_what_it_says(effects: str, sets: int, statistic: Statistic, draws: int) -> None:
    assert coverage(sets, effects, statistic, draws) >= 93


def test_a_claim_that_is_much_too_large_never_holds_and_printed_cells_find_a_small_shortfall() -> None:
    assert {outcomes(6.5, 15.0, 8, beside, draws=500)[HOLDS] for beside in (True, False)} == {0}
    assert outcomes(12.5, 15.0, 8, beside=True, draws=500)[SMALLER] > 80
    assert outcomes(12.5, 15.0, 8, beside=False, draws=500)[SMALLER] < 20
    assert outcomes(15.0, 15.0, 8, beside=True, draws=500)[HOLDS] > 95


def test_the_document_of_the_simulation() -> None:
    text = document(draws=10)
    assert text.count("\n| ") == 6 + 1 + 8 + 1 and "a few sets carry most" in text
