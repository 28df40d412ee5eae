"""The figures beside the main one, as data: what is shown of which rows."""

from __future__ import annotations

import json
import math
from array import array
from dataclasses import asdict
from typing import Any

import pytest
from made_up import changed

from benchmark.config.catalogue import catalogue
from tables.figures import cost, curves, deviation, horizons, sam
from tables.figures.data import Arrows, Heat, Points, Rule
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
    found[1] = changed(found[1], verdict="within")
    figure = deviation.figure(made.paper, found, "paper", "about")
    assert figure is not None and figure.title == "about: ours against printed"
    (panel,) = figure.panels
    (heat,) = panel.marks
    assert isinstance(heat, Heat) and heat.label == "deviation, %"
    cells = [cell for line in heat.cells for cell in line if cell]
    assert [(cell.text, cell.bracketed) for cell in cells] == [
        ("0.0", False), ("+22.7", True), ("+9.1", False), ("+31.8", False),
    ]  # fmt: skip
    assert [round(cell.value, 1) for cell in cells] == [0.0, 22.7, 9.1, 31.8]
    assert [cell.remark for cell in cells] == ["reproduced", "within", "worse", "worse"]
    assert panel.y.categories == ("toy  4", "toy  8") and panel.x.categories == ("With_SAM", "Plain")
    assert deviation.figure(made.paper, [row(mean=None, published=0.4), row(mean=0.4)], "paper", "about") is None


def test_the_heat_map_has_holes_and_divides_the_data_sets(made: Any, row: Any) -> None:
    found = [row("toy", 4, mean=0.3, published=0.4), row("a_b & 50%#<1", 4, "Plain", mean=0.4, published=0.4)]
    figure = deviation.figure(made.paper, found, "paper", "about")
    assert figure is not None
    heat, rule = figure.panels[0].marks
    assert isinstance(heat, Heat) and isinstance(rule, Rule)
    assert [[cell and cell.text for cell in line] for line in heat.cells] == [["−25.0", None], [None, "0.0"]]
    assert (rule.across, rule.at) == ("y", 0.5)
    assert figure.notes == ("In brackets: neither reproduced nor better nor worse; grey: nothing to compare",)


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
    figure = sam.figure(paper, found, "about")
    assert figure is not None and [entry.name for entry in figure.legend] == [
        "SAMformer-torch", "Transformer → SAMformer", "TSMixer → TSMixer+SAM", "Transformer-norevin → SAMformer-norevin",
    ]  # fmt: skip
    assert sam.figure(paper, found[:1], "about") is None


def test_a_data_set_without_a_pair_has_no_panel_and_a_small_difference_looks_small(row: Any) -> None:
    paper = catalogue().papers["samformer"]
    found = [row(d, 96, m, sam=on, mean=mean) for d, m, on, mean in (
        ("ETTh1", "Transformer", False, 0.5), ("ETTh1", "SAMformer", True, 0.4), ("ETTm1", "Transformer", False, 0.309),
        ("ETTm1", "SAMformer", True, 0.306), ("Weather", "Transformer", False, 0.2), ("Exchange", "SAMformer", True, 0.1),
    )]  # fmt: skip
    figure = sam.figure(paper, found, "about")
    assert figure is not None and [panel.title for panel in figure.panels] == ["ETTh1", "ETTm1"]
    wide, near = (panel.y.limits for panel in figure.panels)
    assert wide is None and near is not None and near[0] < 0.306 < 0.309 < near[1]
    assert near[1] - near[0] == pytest.approx(1.1 * sam.LEAST_SPAN * 0.309)
    assert sam.figure(paper, found[-2:], "about") is None


def test_an_arrow_a_pair_and_horizon(made: Any, row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam, "sam_pairs", lambda *_: [("Plain", ("Plain", False), ("With_SAM", True))])
    figure = sam.figure(made.paper, [*rows(row), row("toy", 16)], "about")
    assert figure is not None and figure.title == "about: SAM off against on"
    (panel,) = figure.panels
    (arrows,) = panel.marks
    assert isinstance(arrows, Arrows) and arrows.series == "Plain → With_SAM"
    assert arrows.x == (0.0, 1.0) and panel.x.categories == ("4", "8"), "a horizon that the paper has, with both sides"
    assert arrows.start == pytest.approx((0.54, 0.58)) and arrows.end == pytest.approx((0.44, 0.48))
    assert [entry.name for entry in figure.legend] == ["Plain → With_SAM"]
    assert figure.notes == ("Hollow: SAM off, filled: SAM on",)


def test_cost_is_relative_to_the_best_of_each_cell(made: Any, row: Any) -> None:
    figure = cost.figure(made.paper, [*rows(row), row("other", 4, "Plain", seconds=5.0)], "about")
    assert figure is not None and figure.title == "about: cost against error"
    marks = [mark for mark in figure.panels[0].marks if isinstance(mark, Points)]
    assert [(mark.series, mark.meaning) for mark in marks] == [
        ("With_SAM", "a cell"), ("Plain", "a cell"), ("With_SAM", "the column's median"), ("Plain", "the column's median"),
    ]  # fmt: skip
    with_sam, plain, _, median = marks
    assert (with_sam.x, with_sam.y, with_sam.labels) == ((20.0, 20.0), (0.0, 0.0), ("toy, 4", "toy, 8"))
    assert plain.x == (10.0, 10.0), "alone in a cell: no comparison"
    assert plain.y == pytest.approx((22.73, 20.83), abs=0.01) and median.y == pytest.approx((21.78,), abs=0.01)
    assert [entry.name for entry in figure.legend] == ["With_SAM (2)", "Plain (2)"]
    assert median.style.size > plain.style.size and median.style.colour == plain.style.colour == 1
    assert cost.figure(made.paper, rows(row)[:1], "about") is None


def test_the_axes_of_cost_hold_every_cell_and_name_round_numbers(made: Any, row: Any) -> None:
    figure = cost.figure(made.paper, rows(row), "about")
    assert figure is not None
    x, y = figure.panels[0].x, figure.panels[0].y
    assert (x.scale, x.limits, x.ticks) == ("log", (1.0, 100.0), (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0))
    assert (y.scale, y.ticks) == ("symlog", (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)) and y.limits is not None
    assert y.limits[0] < 0 and y.limits[1] > 22.73
    assert "seconds" in x.label and "%" in y.label


def test_a_curve_a_seed_with_a_mark_at_the_chosen_epoch(made: Any, row: Any) -> None:
    found = {"With_SAM4": Curve(array("d", [0.9, 0.5, 0.6]), 2), "Plain4": Curve(array("d", [0.7]), None)}
    figure = curves.figure(made.paper, rows(row), found, "about")
    assert figure is not None and figure.title == "about: learning curves"
    (panel,) = figure.panels
    assert panel.title == "toy, 4" and (panel.x.label, panel.y.label) == ("epoch", "validation MSE")
    assert [(m.x, m.y, m.series, m.meaning) for m in panel.marks if isinstance(m, Points)] == [
        ((1, 2, 3), (0.9, 0.5, 0.6), "With_SAM", "one seed"), ((2,), (0.5,), "With_SAM", "its best epoch"),
        ((1,), (0.7,), "Plain", "one seed"),
    ]  # fmt: skip
    assert [entry.name for entry in figure.legend] == ["With_SAM", "Plain"]
    assert figure.notes == ("Validation MSE of every seed; mark: its best epoch",)
    assert curves.figure(made.paper, rows(row), {}, "about") is None


def test_long_curves_show_their_extremes_and_not_every_epoch_and_first_epochs_lie_outside(made: Any, row: Any) -> None:
    values = [0.4 + 2.0 / (epoch + 1) for epoch in range(1000)]
    values[501], values[777] = 0.9, 0.1
    figure = curves.figure(made.paper, rows(row), {"Plain4": Curve(array("d", values), 778)}, "about")
    assert figure is not None
    line, best = figure.panels[0].marks
    assert isinstance(line, Points) and len(line.x) <= 123 and (line.x[0], line.x[-1]) == (1, 1000)
    assert dict(zip(line.x, line.y, strict=True)).items() >= {502: 0.9, 778: 0.1}.items(), "peaks and dips are there"
    assert isinstance(best, Points) and best.x == (778,)
    limits = figure.panels[0].y.limits
    assert limits is not None and limits[0] < 0.1 and 0.4 < limits[1] < 1.0, "the descent does not press the rest flat"
    assert "What is high, as first epochs are, lies above the picture" in figure.notes


def test_an_epoch_without_a_number_is_a_hole_and_one_epoch_has_an_axis_of_its_own(made: Any, row: Any) -> None:
    figure = curves.figure(made.paper, rows(row), {"Plain4": Curve(array("d", [0.9, math.nan, 0.6]), 3)}, "about")
    assert figure is not None and figure.panels[0].marks[0].y == (0.9, None, 0.6)  # type: ignore[union-attr]
    assert figure.panels[0].x.limits is None
    figure = curves.figure(made.paper, rows(row), {"Plain4": Curve(array("d", [0.9]), 1)}, "about")
    assert figure is not None and figure.panels[0].x.limits == (0.5, 1.5) and figure.panels[0].x.whole


def test_of_many_cells_the_first_are_shown_and_the_figure_says_so(made: Any, row: Any) -> None:
    many = [row("toy", h, digests=("a",)) for h in range(1, 21)]
    figure = curves.figure(made.paper, many, {"a": Curve(array("d", [0.9, 0.8]), 2)}, "about")
    assert figure is not None and len(figure.panels) == 16 and figure.panels[-1].title == "toy, 16"
    assert figure.notes[0] == "The first 16 of 20 cells"


def test_curves_of_both_sam_settings_are_told_apart(made: Any, row: Any) -> None:
    both = [row(digests=("a",)), row(sam=False, own_sam=False, digests=("a",))]
    both.append(row(model="Plain", sam=False, digests=("a",)))
    figure = curves.figure(made.paper, both, {"a": Curve(array("d", [0.9, 0.8]), 2)}, "about")
    assert figure is not None
    assert [entry.name for entry in figure.legend] == ["With_SAM, SAM on", "With_SAM, SAM off", "Plain"]


def test_a_figure_is_data_that_any_page_can_take(made: Any, row: Any) -> None:
    found = [changed(each, values=(0.4,) * 3) for each in rows(row)]
    broken = {"With_SAM4": Curve(array("d", [math.nan, 0.5]), 2)}
    figures = [
        horizons.figure(made.paper, [*found, row("toy", 16, mean=None)], "about"), cost.figure(made.paper, found, "about"),
        deviation.figure(made.paper, found, "paper", "about"), curves.figure(made.paper, found, broken, "about"),
    ]  # fmt: skip
    for figure in figures:
        assert figure is not None
        json.dumps(asdict(figure), allow_nan=False)
