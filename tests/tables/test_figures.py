"""The figures beside the main one: what is drawn of which rows, and that the same rows give the same bytes."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from made_up import changed

from benchmark.config.catalogue import catalogue
from tables.figures import cost, curves, deviation, sam
from tables.rows.results import Curve

pytest_plugins = ("tests.tables.made_up",)


def rows(row: Any) -> list[Any]:
    return [
        row("toy", h, m, sam=sam, mean=mean + h / 100, published=0.44, values=(mean,) * 3, digests=(f"{m}{h}",), seconds=s)
        for h in (4, 8)
        for m, sam, mean, s in (("With_SAM", True, 0.4, 20.0), ("Plain", False, 0.5, 10.0))
    ]


def test_the_heat_map_says_the_deviation_and_brackets_what_is_no_verdict(made: Any, row: Any) -> None:
    found = rows(row)
    found[1] = changed(found[1], verdict="inconclusive")
    drawn = deviation._draw(made.paper, found, "title")
    texts = [text.get_text() for text in drawn.axes[0].texts]
    assert texts == ["0.0", "(+22.7)", "+9.1", "+31.8"]
    assert [t.get_text() for t in drawn.axes[0].get_yticklabels()] == ["toy  4", "toy  8"]
    assert deviation.pictures(made.paper, [row(mean=None, published=0.4), row(mean=0.4)], "paper", "title") == {}


def test_pairs_that_differ_in_sam_alone(row: Any) -> None:
    paper = catalogue().papers["samformer"]
    shown = [("Transformer", False), ("SAMformer", True), ("TSMixer", False), ("TSMixer+SAM", True),
             ("Transformer-norevin", False), ("SAMformer-norevin", True), ("SAMformer-torch", True)]  # fmt: skip

    found = [row("ETTh1", 96, model, sam=setting) for model, setting in [*shown, ("SAMformer-torch", False)]]
    assert [(without, with_) for _, without, with_ in sam.sam_pairs(paper, found)] == [
        (("SAMformer-torch", False), ("SAMformer-torch", True)), (("Transformer", False), ("SAMformer", True)),
        (("TSMixer", False), ("TSMixer+SAM", True)), (("Transformer-norevin", False), ("SAMformer-norevin", True)),
    ]  # fmt: skip
    assert sam.sam_pairs(paper, found[:1]) == []


def test_an_arrow_a_pair_and_horizon(made: Any, row: Any) -> None:
    drawn = sam._draw(made.paper, rows(row), [("Plain", ("Plain", False), ("With_SAM", True))], "title")
    ends = [tuple(map(float, line.get_ydata())) for line in drawn.axes[0].lines if len(line.get_xdata()) == 2]
    assert ends == [pytest.approx((0.54, 0.44)), pytest.approx((0.58, 0.48))]
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["Plain → With_SAM"]


def test_cost_is_relative_to_the_best_of_each_cell(made: Any, row: Any) -> None:
    found = cost.points(made.paper, [*rows(row), row("other", 4, "Plain", seconds=5.0)])
    assert found["With_SAM"] == [(20.0, 0.0), (20.0, 0.0)]
    assert [(s, round(e, 2)) for s, e in found["Plain"]] == [(10.0, 22.73), (10.0, 20.83)], "alone in a cell: no comparison"
    assert cost.pictures(made.paper, rows(row)[:1], "title") == {}


def test_a_curve_a_seed_with_a_mark_at_the_chosen_epoch(made: Any, row: Any) -> None:
    found = {"With_SAM4": Curve(array("d", [0.9, 0.5, 0.6]), 2), "Plain4": Curve(array("d", [0.7]), None)}
    drawn = curves._draw(made.paper, [r for r in rows(row) if r.key.horizon == 4], found, "title")
    lines = [(list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in drawn.axes[0].lines]
    assert lines == [([1.0, 2.0, 3.0], [0.9, 0.5, 0.6]), ([2.0], [0.5]), ([1.0], [0.7])]
    assert curves.pictures(made.paper, rows(row), {}, "title") == {}


def test_same_rows_same_bytes(made: Any, row: Any) -> None:
    found = {"With_SAM4": Curve(array("d", [0.9, 0.5, 0.6]), 2)}

    def drawn() -> list[dict[str, bytes]]:
        return [
            deviation.pictures(made.paper, rows(row), "paper", "a_b $x$"),
            cost.pictures(made.paper, rows(row), "a_b $x$"),
            curves.pictures(made.paper, rows(row), found, "a_b $x$"),
        ]  # fmt: skip

    first = drawn()
    assert all(set(files) == {"png", "svg"} for files in first) and drawn() == first
