"""The main figure as data: MSE by horizon, with the seeds and the printed values beside the means."""

from __future__ import annotations

from typing import Any

import pytest

from tables.figures import horizons
from tables.figures.data import Points

pytest_plugins = ("tests.tables.made_up",)


def shown(row: Any) -> list[Any]:
    return [
        row("toy", h, m, sam=sam, mean=0.4 + h / 100, std=0.01, published=0.41, values=(0.39, 0.4, 0.41))
        for h in (4, 8)
        for m, sam in (("With_SAM", True), ("Plain", False))
    ]


def marks(figure: Any, series: str) -> dict[str, Points]:
    """Of one series in the first panel, by what they mean."""
    return {mark.meaning: mark for mark in figure.panels[0].marks if mark.series == series}


def test_a_panel_a_data_set_with_results(made: Any, row: Any) -> None:
    evil = "a_b & 50%#<1"
    only_printed = horizons.figure(made.paper, [*shown(row), row(evil, mean=None, published=0.4)], "about")
    assert only_printed is not None and [panel.title for panel in only_printed.panels] == ["toy"]
    figure = horizons.figure(made.paper, [*shown(row), row(evil, mean=0.4, values=(0.4,) * 3)], "about")
    assert figure is not None and figure.title == "about: mean ± standard deviation over seeds"
    assert [panel.title for panel in figure.panels] == ["toy", evil]
    assert [entry.name for entry in figure.legend] == ["With_SAM, SAM on", "Plain, SAM off", "one seed", "printed"]
    (x, y) = figure.panels[0].x, figure.panels[0].y
    assert (x.label, x.categories, y.label) == ("horizon (steps)", ("4", "8"), "test MSE")


def test_means_seeds_and_printed_values_of_a_series_stand_side_by_side(made: Any, row: Any) -> None:
    figure = horizons.figure(made.paper, shown(row), "about")
    found = marks(figure, "With_SAM, SAM on")
    assert list(found) == ["mean ± standard deviation over seeds", "one seed", "printed"]
    means, seeds, printed = found.values()
    assert means.y == pytest.approx((0.44, 0.48)) and means.spread == (0.01, 0.01)
    assert seeds.y == (0.39, 0.4, 0.41) * 2 and seeds.labels == ("seed 0", "seed 1", "seed 2") * 2
    assert printed.y == (0.41, 0.41)
    assert printed.x[0] < means.x[0] < seeds.x[0] == seeds.x[2] < means.x[1]
    other = marks(figure, "Plain, SAM off")["mean ± standard deviation over seeds"]
    assert means.x[0] < 0 < other.x[0], "beside one another, around the horizon"


def test_sam_on_is_filled_and_drawn_through_and_off_is_hollow_and_dashed(made: Any, row: Any) -> None:
    figure = horizons.figure(made.paper, shown(row), "about")
    assert figure is not None
    on, off, *_ = (entry.style for entry in figure.legend)
    assert (on.colour, on.shape, on.filled, on.line) == (0, "circle", True, "solid")
    assert (off.colour, off.shape, off.filled, off.line) == (1, "square", False, "dashed")
    for name, style in (("With_SAM, SAM on", on), ("Plain, SAM off", off)):
        means, seeds, printed = marks(figure, name).values()
        assert means.style == style and seeds.style.colour == printed.style.colour == style.colour
        assert (seeds.style.line, printed.style.line) == ("none", "none") and printed.style.shape == "cross"


def test_a_cell_without_a_number_is_a_hole(made: Any, row: Any) -> None:
    means = {4: 0.4, 8: None, 16: 0.5}
    rows = [row("toy", h, mean=mean, values=(0.4,) * 3 if mean else ()) for h, mean in means.items()]
    figure = horizons.figure(made.paper, rows, "about")
    assert marks(figure, "With_SAM, SAM on")["mean ± standard deviation over seeds"].y == (0.4, None, 0.5)


def test_one_seed_has_no_spread_and_what_is_not_printed_no_mark(made: Any, row: Any) -> None:
    figure = horizons.figure(made.paper, [row(n=1, mean=0.4, values=(0.4,))], "about")
    found = marks(figure, "With_SAM, SAM on")
    assert list(found) == ["mean ± standard deviation over seeds"], "the one seed is its mean"
    assert found["mean ± standard deviation over seeds"].spread == (None,)
    assert figure is not None and figure.title == "about: one seed"
    assert [entry.name for entry in figure.legend] == ["With_SAM, SAM on"]


def test_without_sam_in_the_picture_nothing_is_said_of_it(made: Any, row: Any) -> None:
    figure = horizons.figure(made.paper, [row(model="Plain", sam=False, n=2, mean=0.5, values=(0.49, 0.51))], "about")
    assert figure is not None
    style = figure.legend[0].style
    assert figure.legend[0].name == "Plain" and (style.filled, style.line) == (True, "solid")


@pytest.mark.parametrize("count", [1, 2, 5, 9, 14])
def test_what_belongs_to_a_series_stands_nearer_to_it_than_to_the_next(count: int, made: Any, row: Any) -> None:
    rows = [row(model=f"M{i}", n=2, mean=0.4, values=(0.39, 0.41), published=0.4) for i in range(count)]
    figure = horizons.figure(made.paper, rows, "about")
    assert figure is not None and figure.panel_size[0] * figure.across < 13
    found: dict[str, list[float]] = {}
    for mark in figure.panels[0].marks:
        found.setdefault(mark.series, []).append(mark.x[0])  # type: ignore[union-attr]
    means = [places[0] for places in found.values()]
    for i, (mean, *others) in enumerate(found.values()):
        assert len(others) == 2 and all(min(means, key=lambda m: abs(m - x)) == means[i] for x in others), mean


def test_nothing_done_nothing_shown(made: Any, row: Any) -> None:
    assert horizons.figure(made.paper, [row(mean=None), row(metric="mae"), row(main=False)], "about") is None
