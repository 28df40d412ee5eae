"""Expectations by hand: Wilcoxon's exact two-sided p of n differences of one sign is 2 / 2ⁿ. So has scipy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.config.paper import Last, Layout
from tables.documents.comparison import Pair, _holm, document, pairwise, ranks, samples
from tables.layout.table import Options, paper_tables
from tables.statistics import signed_rank

pytest_plugins = ("tests.tables.made_up",)

DATASETS = ("A", "B", "C", "D", "E", "F")


def rows(row: Any, cells: int) -> list[Any]:
    """Column With_SAM is lower by 0.1 and more in every cell but for the last of six."""
    found = []
    for i, dataset in enumerate(DATASETS[:cells]):
        first = 0.9 if i == 5 else 0.3 + i / 100
        for model, mean in (("With_SAM", first), ("Plain", 0.5 + i / 50)):
            found.append(row(dataset, 4, model, mean=mean, values=(mean,) * 3, own_sam=True))
    return found


def test_a_test_over_six_cells(made: Any, row: Any) -> None:
    (pair,) = pairwise(made.paper, samples(made.paper, rows(row, 6)))
    # log ratios −0.511, −0.517, −0.523, −0.529, −0.534 and +0.405: the positive rank is 1, and 2 of 2⁶ patterns give ≤ 1
    # (of the differences, −0.20 to −0.24 and +0.30, it would be 6: a cell of large errors would weigh most)
    assert (pair.first, pair.second, pair.n, pair.lower) == ("With_SAM", "Plain", 6, 5)
    assert pair.p == pytest.approx(2 * 2 / 64) and pair.holm == pair.p


def test_no_p_below_six_cells(made: Any, row: Any) -> None:
    (pair,) = pairwise(made.paper, samples(made.paper, rows(row, 5)))
    assert (pair.n, pair.lower, pair.p, pair.holm) == (5, 5, None, None)
    text = document(made.paper, rows(row, 5))
    assert "| With\\_SAM against Plain |   5 |     5 of 5 |          −40.72 % |   – |         – |" in text


def test_every_p_has_its_n(made: Any, row: Any) -> None:
    text = document(made.paper, rows(row, 6))
    assert "| 0.062 (n = 6) | 0.062 (n = 6) |" in text
    assert text.count("(n = ") == 2


def test_holm() -> None:
    def corrected(*ps: float | None) -> list[float | None]:
        return [p.holm for p in _holm([Pair("a", "b", 9, 5, 0.0, p, None) for p in ps])]

    assert corrected(0.01, 0.04, 0.03) == pytest.approx([0.03, 0.06, 0.06])
    assert corrected(0.5, 0.6) == [1.0, 1.0]
    assert corrected(0.02, None, 0.03) == [0.04, None, 0.04]


def of(row: Any, *pairs: tuple[float, float]) -> list[Any]:
    """A cell a pair: With_SAM's mean and Plain's."""
    return [
        row(dataset, horizon, model, mean=mean, values=(mean,) * 3, own_sam=True)
        for place, pair in enumerate(pairs)
        for dataset, horizon in [(DATASETS[place % 6], place // 6)]
        for model, mean in zip(("With_SAM", "Plain"), pair, strict=True)
    ]


def test_equal_pairs_are_left_out_and_p_is_none_below_the_least_possible(made: Any, row: Any) -> None:
    lower = [(0.3 + i / 100, 0.5 + i / 50) for i in range(6)]
    (pair,) = pairwise(made.paper, samples(made.paper, of(row, *lower[:5], (0.4, 0.4))))
    assert (pair.n, pair.lower, pair.equal, pair.p) == (6, 5, 1, None), "of five pairs 2 / 2⁵ is 0.06, not 0.04"
    rows = of(row, *lower, (0.4, 0.4), (0.4, 0.4))
    (pair,) = pairwise(made.paper, samples(made.paper, rows))
    assert (pair.n, pair.equal, pair.p) == (8, 2, 2 / 2**6)
    text = document(made.paper, rows)
    assert "0.031 (n = 6)" in text
    assert text.endswith("With\\_SAM against Plain: 2 of 8 cells are equal in both, and the test leaves them out.")
    (pair,) = pairwise(made.paper, samples(made.paper, of(row, *[(0.1, 0.1)] * 7)))
    assert (pair.lower, pair.equal, pair.p) == (0, 7, None)


def test_ties_share_their_ranks(made: Any, row: Any) -> None:
    # sizes 1, 1, 2, 3, 4, 5: ranks 1.5, 1.5, 3 … 6. A sum of 1.5 or less has the pattern of none, and two of one
    rows = of(row, *[(0.1, 0.1 * 2**size) for size in (1, 2, 3, 4, 5)], (0.2, 0.1))
    (pair,) = pairwise(made.paper, samples(made.paper, rows))
    assert (pair.tied, pair.equal, pair.p) == (2, 0, pytest.approx(2 * 3 / 64))
    assert "2 ratios share their size, and so their ranks" in document(made.paper, rows)


@pytest.mark.parametrize("n", [6, 9, 40])
def test_p_is_scipys_where_nothing_is_equal(n: int) -> None:
    from scipy.stats import wilcoxon

    first, second = np.random.default_rng(n).normal(size=(2, n))
    assert signed_rank(np.exp(first), np.exp(second)).p == pytest.approx(wilcoxon(first, second, method="exact").pvalue)


def test_a_mean_of_zero_has_no_percent(made: Any, row: Any) -> None:
    rows = of(row, (0.1, 0.0), (0.2, 0.4))
    (pair,) = pairwise(made.paper, samples(made.paper, rows))
    assert (pair.n, pair.lower, pair.difference_pct) == (2, 1, None)
    assert "a mean of Plain is 0, of which there is no percent" in document(made.paper, rows)


def test_a_mean_of_zero_has_no_logarithm_and_is_counted(made: Any, row: Any) -> None:
    rows = of(row, *[(0.3 + i / 100, 0.5 + i / 50) for i in range(6)], (0.0, 0.5))
    (pair,) = pairwise(made.paper, samples(made.paper, rows))
    assert (pair.n, pair.no_ratio, pair.equal, pair.p) == (7, 1, 0, 2 / 2**6)
    text = document(made.paper, rows)
    assert "1 of 7 cells has a mean of 0 or less, and the test leaves it out" in text and "0.031 (n = 6)" in text


def test_ranks_are_by_the_digits_shown_as_those_below_the_table_are(made: Any, row: Any) -> None:
    rows = of(row, (0.3801, 0.3804), (0.2, 0.3))
    found = ranks(made.paper, samples(made.paper, rows))
    assert [rank.value for rank in found.values()] == [1.25, 1.75]
    paper = replace(made.paper, datasets=DATASETS, layout=(Layout("T", ("mse",), last=(Last("rank"), Last("first"))),))
    (table,) = paper_tables(paper, rows, "paper", Options())
    below, first = table.below
    assert [value for value, _ in below.ours.values()] == [1.25, 1.75]
    assert [value for value, _ in first.ours.values()] == [2, 1]
    fine = ranks(made.paper, samples(made.paper, rows), 4)
    assert [rank.value for rank in fine.values()] == [1, 2]


def test_ranks(made: Any, row: Any) -> None:
    found = ranks(made.paper, samples(made.paper, rows(row, 6)))
    assert {name: rank.value for name, rank in found.items()} == pytest.approx({"With_SAM": 7 / 6, "Plain": 11 / 6})
    # five ranks of 1 and one of 2: their deviation is √(1/6), Student's t of five degrees 2.571
    interval = found["With_SAM"].interval
    assert interval and interval.high == pytest.approx(7 / 6 + 2.5706 / 6, abs=1e-4) and found["With_SAM"].cells == 6
    assert ranks(made.paper, samples(made.paper, of(row, (0.3, 0.4), (0.2, 0.3))))["Plain"].interval is None, (
        "two data sets"
    )
    alone = [r for r in rows(row, 6) if r.key.model == "Plain"]
    assert ranks(made.paper, samples(made.paper, alone)) == {} and document(made.paper, alone) == ""
