"""Expectations by hand: Wilcoxon's exact two-sided p of n differences of one sign is 2 / 2ⁿ."""

from __future__ import annotations

from typing import Any

import pytest

from tables.documents.comparison import Pair, _holm, document, pairwise, ranks, samples

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
    # differences −0.20, −0.21, −0.22, −0.23, −0.24 and +0.30: the positive rank sum is 6, of 2⁶ sign patterns 14 give ≤ 6
    assert (pair.first, pair.second, pair.n, pair.lower) == ("With_SAM", "Plain", 6, 5)
    assert pair.p == pytest.approx(2 * 14 / 64) and pair.holm == pair.p


def test_no_p_below_six_cells(made: Any, row: Any) -> None:
    (pair,) = pairwise(made.paper, samples(made.paper, rows(row, 5)))
    assert (pair.n, pair.lower, pair.p, pair.holm) == (5, 5, None, None)
    text = document(made.paper, rows(row, 5))
    assert "| With\\_SAM against Plain |   5 |     5 of 5 |          −40.72 % |   – |         – |" in text


def test_every_p_has_its_n(made: Any, row: Any) -> None:
    text = document(made.paper, rows(row, 6))
    assert "| 0.438 (n = 6) | 0.438 (n = 6) |" in text
    assert text.count("(n = ") == 2


def test_holm() -> None:
    def corrected(*ps: float | None) -> list[float | None]:
        return [p.holm for p in _holm([Pair("a", "b", 9, 5, 0.0, p, None) for p in ps])]

    assert corrected(0.01, 0.04, 0.03) == pytest.approx([0.03, 0.06, 0.06])
    assert corrected(0.5, 0.6) == [1.0, 1.0]
    assert corrected(0.02, None, 0.03) == [0.04, None, 0.04]


def test_ranks(made: Any, row: Any) -> None:
    found = ranks(made.paper, samples(made.paper, rows(row, 6)))
    assert {name: rank.value for name, rank in found.items()} == pytest.approx({"With_SAM": 7 / 6, "Plain": 11 / 6})
    low, high = found["With_SAM"].low, found["With_SAM"].high
    assert low == 1.0 and high is not None and 7 / 6 < high < 2 and found["With_SAM"].cells == 6
    alone = [r for r in rows(row, 6) if r.key.model == "Plain"]
    assert ranks(made.paper, samples(made.paper, alone)) == {} and document(made.paper, alone) == ""
