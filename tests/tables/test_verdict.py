"""The rule of docs/verdicts.md: a spread that a column shares, cells, columns, and the seeds that would decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import polygamma

from benchmark.judging.column import judge_column
from benchmark.judging.compare import Beside, Comparison, Ours, compare
from benchmark.judging.printed import PrintedNumber
from benchmark.judging.spread import _inverse_trigamma, moderated, student
from benchmark.judging.verdict import Evidence, Needed, needed, rounded_up
from benchmark.workloads import FORECASTING

MSE = FORECASTING.metrics[0]
T90_2, T95_2 = 2.919985580355516, 4.302652729911275
"""Student's 0.95 and 0.975 quantiles at two degrees."""


def cell(mean: float | None, std: float | None, n: int, printed: float = 0.4, *, m: int | None = None, half: float = 0.0,
         lookback: int = 512, profile: str = "paper", source: str = "paper") -> Beside:  # fmt: skip
    number = PrintedNumber(printed, None, "512", "verified", source, m, half)
    ours = Ours(mean=mean, std=std, n=n, seeds=tuple(range(n)))
    return Beside(ours=ours, printed=number, lookback=lookback, profile=profile)


def one(*args: float | None, **more: object) -> Comparison:
    return compare([cell(*args, **more)], MSE)[0]  # type: ignore[arg-type]


PRINTED = {"SAMformer": (0.381, 0.409, 0.423, 0.427), "Transformer": (0.509, 0.535, 0.570, 0.601)}
ETTH1 = [
    ("SAMformer", ((0.373, 0.002), (0.406, 0.003), (0.435, 0.004), (0.462, 0.006)),
     ["within 3.4 %", "reproduced", "within 4.1 %", "worse"], "within 2.6 %", 2.05),
    ("Transformer", ((0.403, 0.013), (0.451, 0.009), (0.480, 0.013), (0.506, 0.013)), ["better"] * 4, "better", -17.03),
    ("SAMformer", ((0.382, 0.002), (0.419, 0.008), (0.428, 0.003), (0.429, 0.002)),
     ["reproduced", "within 3.6 %", "within 2.3 %", "reproduced"], "reproduced", 1.09),
    ("Transformer", ((0.558, 0.020), (0.521, 0.005), (0.566, 0.025), (0.596, 0.008)),
     ["worse", "within 5.0 %", "within 4.5 %", "within 3.3 %"], "within 3.1 %", 1.37),
]  # fmt: skip
"""ETTh1 at horizons 96, 192, 336, 720, three seeds (of training semantics 2) against five of the paper: first with
protocol paper, then with batch_mixed_denorm."""


@pytest.mark.parametrize(("model", "ours", "verdicts", "column", "deviation"), ETTH1)
def test_etth1(model: str, ours: Sequence[tuple[float, float]], verdicts: list[str], column: str, deviation: float) -> None:
    cells = [cell(mean, std, 3, printed, m=5, half=0.0005)
             for (mean, std), printed in zip(ours, PRINTED[model], strict=True)]  # fmt: skip
    assert [found.words for found in compare(cells, MSE)] == verdicts
    found = judge_column(cells, MSE)
    assert found is not None and found.words == column and found.deviation_pct == pytest.approx(deviation, abs=0.005)
    assert (found.cells, found.seeds, found.paper_seeds) == (4, (3, 3), 5)


def test_what_is_not_judged_by_its_numbers() -> None:
    assert one(None, None, 0).verdict == "missing"
    assert one(None, None, 0, lookback=96).verdict == "missing"
    assert one(0.4, None, 1, lookback=96).verdict == "not comparable"
    assert one(0.4, 0.0, 3, source="quoted").verdict == one(0.4, 0.0, 3, profile="quick").verdict == "not comparable"
    assert one(0.4, None, 1).verdict == one(0.4, 0.0, 2).verdict == "too few seeds"
    assert str(one(0.4, 0.0, 2).needed) == "3 seeds to be judged at all; then it is seen how many would decide it"
    assert compare([replace(cell(0.4, 0.0, 3), printed=None)], MSE) == [Comparison()]
    assert compare([replace(cell(0.4, 0.0, 3), same_task=False)], MSE) == [Comparison(verdict="not comparable")]


@pytest.mark.parametrize("printed", [0.0, -0.1])
def test_a_printed_number_that_is_not_above_0_is_not_comparable(printed: float) -> None:
    assert one(0.4, 0.01, 3, printed) == Comparison(verdict="not comparable")


def test_a_seed_that_is_not_finite_leaves_its_cell_unjudged() -> None:
    ours = Ours.of({0: 0.4, 1: math.nan, 2: 0.4, 3: 0.4}, not_finite=(4,))
    assert (ours.mean, ours.n, ours.not_finite) == (pytest.approx(0.4), 3, (4, 1))
    lost, whole = replace(cell(0.4, 0.0, 3), ours=ours), cell(0.4, 0.0, 3)
    assert [found.verdict for found in compare([lost, whole], MSE)] == ["not finite", "reproduced"]
    found = judge_column([lost, whole], MSE)
    assert found is not None and found.cells == 1 and judge_column([lost], MSE) is None


def test_equal_seeds_are_judged_by_their_deviation_alone() -> None:
    for mean, printed in ((0.408, 0.4), (0.392, 0.4), (0.105, 0.1), (0.095, 0.1)):
        assert one(mean, 0.0, 3, printed).verdict == "reproduced"
    assert one(0.4081, 0.0, 3).verdict == one(0.1051, 0.0, 3, 0.1).verdict == "worse"
    assert one(0.3919, 0.0, 3).verdict == "better"
    assert one(0.4, 1e-16, 3).spread_pct == 0, "a float's rounding"
    assert one(0.105, 0.0, 3, 0.1).tolerance_pct == pytest.approx(5), "0.005 is more than 2 % of it"


def test_a_spread_of_0_has_no_say_in_that_of_others() -> None:
    alone, beside = compare([cell(0.4, 0.004, 3)], MSE)[0], compare([cell(0.4, 0.0, 3), cell(0.4, 0.004, 3)], MSE)
    assert (beside[0].spread_pct, beside[1]) == (0.0, alone)
    assert alone.spread_pct == pytest.approx(1) and alone.degrees == 2


def test_one_cell_is_judged_by_its_own_spread() -> None:
    most = (0.02 - 0.005) * math.sqrt(3) / T90_2  # of a spread, where the deviation is 0.5 %
    assert one(0.402, 0.4 * most * 0.999, 3).verdict == "reproduced"
    beyond = one(0.402, 0.4 * most * 1.01, 3)
    assert beyond.words == "within 2.1 %" and beyond.margin_pct == 2.1, "2.015 % rounded up"
    least = 0.4 * (0.1 - 0.02 - 0.00125) / (T95_2 * math.sqrt(1 / 3 + 1))
    assert one(0.44, least * 0.999, 3, half=0.0005).verdict == "worse"
    assert one(0.44, least * 1.001, 3, half=0.0005).verdict == "within"
    assert one(0.36, least * 0.999, 3, half=0.0005).verdict == "better"


def test_two_cells_that_are_alike_share_one_spread_which_is_not_the_mean_variance() -> None:
    first, second = compare([cell(0.4, 0.004, 3), cell(0.4, 0.008, 3)], MSE)
    assert first.spread_pct == second.spread_pct and first.degrees == second.degrees == 4
    euler = 0.5772156649015329  # ψ(1) = −γ: the mean log-variance is too low by that
    assert first.spread_pct == pytest.approx(100 * math.sqrt(0.01 * 0.02 * math.exp(euler)))


def test_cells_that_differ_are_drawn_together_and_keep_their_order() -> None:
    variances = np.array([1e-6, 1e-4, 1e-2, 4e-5])
    spreads, degrees = moderated(variances, np.array([2.0, 2.0, 9.0, 4.0]))
    own = np.sqrt(variances)
    assert spreads.max() / spreads.min() < own.max() / own.min() and (np.argsort(spreads) == np.argsort(own)).all()
    assert np.all(degrees > [2, 2, 9, 4]) and np.all(degrees <= 17), "unequal seeds: their degrees add up at most"
    both = moderated(np.stack([variances, variances[::-1]]), np.array([2.0, 2.0, 9.0, 4.0]))[0]
    assert both[0] == pytest.approx(spreads), "columns side by side"


def test_the_inverse_of_the_trigamma_function() -> None:
    values = np.array([1e-3, 0.1, 1.0, 50.0])
    assert polygamma(1, _inverse_trigamma(values)) == pytest.approx(values)


def test_students_quantiles() -> None:
    assert (float(student(0.95, 2)), float(student(0.975, 2))) == pytest.approx((T90_2, T95_2))
    assert float(student(0.975, math.inf)) == pytest.approx(1.959964)


def test_two_printed_digits_leave_room_for_their_rounding() -> None:
    assert one(0.43, 0.0, 3, half=0.0005).verdict == "worse"
    assert one(0.41, 0.0, 3, half=0.005).verdict == "within", "0.4 may be 0.405, of which 0.41 is 1.2 % off"
    assert str(one(0.41, 0.0, 3, half=0.005).needed) == "no number of seeds: the digits that are printed may explain it"


def test_a_margin_is_rounded_up() -> None:
    assert (rounded_up(0.0301), rounded_up(0.03), rounded_up(0.0)) == (3.1, 3.0, 0.0)


@pytest.mark.parametrize(
    ("deviation", "spread", "m", "expected"),
    [
        (0.01, 0.02, 1, "25 seeds"),  # (2.487 · 2)²
        (0.0, 0.01, 1, "4 seeds"),  # 1.5 seeds would: but three have not
        (0.019, 0.02, 1, "more than 100 seeds"),
        (0.06, 0.02, 1, "no number of seeds: the paper's own may explain it"),
        (0.06, 0.02, 5, "4 seeds"),  # 1/n = (0.04 / 0.056)² − 1/5 = 0.31
        (0.02, 0.02, 5, "no number of seeds: the digits that are printed may explain it"),
    ],
)
def test_seeds_needed(deviation: float, spread: float, m: int, expected: str) -> None:
    evidence = Evidence(deviation=deviation, error=0, error_of_both=0, degrees=2, half_unit=0, tolerance=0.02)
    assert str(needed(evidence, spread, 3, m)) == expected


@pytest.mark.parametrize(
    ("mean", "m", "expected", "more"),
    [
        (0.4, 1, "3 seeds to be judged at all; then 7 seeds", 5),  # (2.487 · 2.1 / 2)²
        (0.5, 5, "3 seeds to be judged at all, which would decide it", 1),
        (0.4092, 1, "3 seeds to be judged at all; then no number of seeds: the paper's own may explain it", 0),
        (0.4079, 1, "3 seeds to be judged at all; then more than 100 seeds", 0),
    ],
)
def test_too_few_seeds_need_a_verdict_first_and_then_what_the_columns_spread_asks_for(
    mean: float, m: int, expected: str, more: int
) -> None:
    column = [cell(0.4, 0.0084, 5, m=m), cell(0.4, 0.0084, 5, m=m), cell(mean, 0.02, 2, m=m)]
    found = compare(column, MSE)[2]
    assert found.verdict == "too few seeds" and found.needed is not None and str(found.needed) == expected
    assert found.needed.more(2) == more


def test_words_of_needed() -> None:
    assert str(Needed(100)) == "100 seeds" and str(Needed(101)) == "more than 100 seeds" and Needed(101).too_many


def test_a_column_may_hold_where_its_cells_are_open() -> None:
    cells = [cell(0.4 * share, 0.008, 3, m=5) for share in (0.99, 1.01, 1.0, 1.005)]
    assert {found.verdict for found in compare(cells, MSE)} == {"within"}
    found = judge_column(cells, MSE)
    assert found is not None and (found.verdict, found.largest, found.shared_error_pct) == ("reproduced", 0, None)
    assert found.low_pct < found.deviation_pct < found.high_pct
    assert found.error_pct == pytest.approx(2 / math.sqrt(12)) and found.spread_pct == pytest.approx(2)


def test_unequal_seeds_of_a_columns_cells() -> None:
    cells = [cell(0.4, 0.004, 3), cell(0.4, 0.008, 9)]
    found = judge_column(cells, MSE)
    assert found is not None and found.seeds == (3, 9)
    assert found.spread_pct == pytest.approx(100 * math.sqrt((2 * 1e-4 + 8 * 4e-4) / 10))
    assert found.error_pct == pytest.approx(found.spread_pct * math.sqrt(1 / 3 + 1 / 9) / 2)


def test_luck_that_cells_share_shows_in_the_error_of_the_seeds_means() -> None:
    values = (0.39, 0.40, 0.41)
    ours = Ours.of(dict(enumerate(values)))
    cells = [replace(cell(0.4, 0.01, 3), ours=ours) for _ in range(4)]
    found = judge_column(cells, MSE)
    assert found is not None and found.shared_error_pct == pytest.approx(2 * found.error_pct)
    cells[0] = replace(cells[0], ours=Ours.of({0: 0.39, 1: 0.40, 5: 0.41}))
    found = judge_column(cells, MSE)
    assert found is not None and found.shared_error_pct is None, "other seeds"
