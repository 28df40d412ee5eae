from __future__ import annotations

import re
from typing import Any

import matplotlib

from tables.figures import horizons

pytest_plugins = ("tests.tables.made_up",)


def shown(row: Any) -> list[Any]:
    return [
        row("toy", h, m, sam=sam, mean=0.4 + h / 100, std=0.01, published=0.41, values=(0.39, 0.4, 0.41))
        for h in (4, 8)
        for m, sam in (("With_SAM", True), ("Plain", False))
    ]


def test_same_rows_same_bytes_whatever_the_users_settings(made: Any, row: Any) -> None:
    first = horizons.pictures(made.paper, shown(row), "a $title$ with_marks")
    with matplotlib.rc_context({"font.size": 20, "savefig.dpi": 30, "axes.grid": False}):
        second = horizons.pictures(made.paper, shown(row), "a $title$ with_marks")
    assert first == second and set(first) == {"png", "svg"}
    assert first["png"].startswith(b"\x89PNG") and b"<svg" in first["svg"]
    assert not re.search(rb"\d{4}-\d\d-\d\dT", first["svg"]), "no date"


def test_settings_are_set_back(made: Any, row: Any) -> None:
    before = {k: v for k, v in matplotlib.rcParams.items() if k != "backend"}
    horizons.pictures(made.paper, shown(row), "")
    assert {k: v for k, v in matplotlib.rcParams.items() if k != "backend"} == before


def test_a_panel_a_data_set_with_results(made: Any, row: Any) -> None:
    evil = "a_b & 50%#<1"
    rows = [*shown(row), row(evil, mean=None, published=0.4)]
    drawn = horizons._draw(rows, ["toy", evil], "title")
    assert [axis.get_title(loc="left") for axis in drawn.axes] == ["toy", evil]
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert labels == ["With_SAM, SAM on", "Plain, SAM off", "one seed", "printed"]


def test_no_line_is_drawn_across_a_hole(made: Any, row: Any) -> None:
    rows = [row("toy", h, mean=mean, std=0.01, values=(0.4,) * 3) for h, mean in ((4, 0.4), (8, None), (16, 0.5))]
    (axis,) = horizons._draw(rows, ["toy"], "title").axes
    ours = [float(y) for y in axis.lines[0].get_ydata()]
    assert ours[0] == 0.4 and ours[1] != ours[1] and ours[2] == 0.5


def test_nothing_done_nothing_drawn(made: Any, row: Any) -> None:
    assert horizons.pictures(made.paper, [row(mean=None), row(metric="mae")], "title") == {}


def test_the_legend_stays_on_the_page(made: Any, row: Any) -> None:
    rows = [row("toy", 4, name, published=0.4, values=(0.4,)) for name in ("A model with a long name", "B", "C", "D")]
    drawn = horizons._draw(rows, ["toy"], "title")
    drawn.draw_without_rendering()
    box = drawn.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= drawn.bbox.x1 and box.y0 >= 0
