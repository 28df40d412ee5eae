"""Figures as pictures: the same bytes for the same data, every part on the page, nothing that the data does not say."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import pytest

import tables
from tables.figures.data import Arrows, Axis, Figure, Heat, HeatCell, LegendEntry, Panel, Points, Rule, Surface, scale_of
from tables.figures.matplotlib_renderer import laid_out, pictures
from tables.figures.style import COLOURS, SHAPES, Style, colour_code, style_of_series


def line(*y: float | None, **more: Any) -> Points:
    style = style_of_series(0, line="solid")
    return Points(x=tuple(range(len(y))), y=y, style=style, meaning="a point", series="A", **more)


def figure(*panels: Panel, title: str = "a $title$ with_marks", names: tuple[str, ...] = ("A",), **more: Any) -> Figure:
    legend = tuple(LegendEntry(name=name, style=style_of_series(place)) for place, name in enumerate(names))
    panels = panels or (Panel(x=Axis(), y=Axis(), marks=(line(1, 2, 3),)),)
    return Figure(name="made", title=title, panels=panels, panel_size=(2.6, 2.2), legend=legend, **more)


HEAT = Panel(
    x=Axis(categories=("A", "B")), y=Axis(categories=("first", "second")),
    marks=(
        Heat(cells=((HeatCell(value=-30, text="−30.0"), None), (None, HeatCell(value=1, text="+1.0", bracketed=True))),
             label="deviation, %", most=20, meaning="a deviation"),
        Rule(across="y", at=0.5, style=Style(colour="white", line="solid"), meaning="between"),
    ),
)  # fmt: skip
ARROWS = Panel(x=Axis(), y=Axis(), marks=(
    Arrows(x=(0, 1), start=(1, 2), end=(2, 1), style=style_of_series(0, line="solid"), meaning="from off to on"),
))  # fmt: skip
SURFACE = Panel(x=Axis(), y=Axis(), marks=(
    Surface(x=(0.0, 1.0, 2.0), y=(0.0, 5.0), heights=((0.1, 1.0, None), (0.2, 3.0, 9.0)), label="loss", limits=(0.1, 9.0),
            levels=(0.5, 2.0), scale="log", meaning="a loss"),
))  # fmt: skip
EVERY_KIND = figure(
    HEAT, ARROWS, SURFACE,
    Panel(x=Axis(scale="log", ticks=(1, 10), limits=(1, 10)), y=Axis(scale="symlog"),
          marks=(line(1, 2, spread=(0.1, None)),)),
)  # fmt: skip


def test_same_data_same_bytes_whatever_the_users_settings() -> None:
    first = pictures(EVERY_KIND)
    with matplotlib.rc_context({"font.size": 20, "savefig.dpi": 30, "axes.grid": False}):
        second = pictures(EVERY_KIND)
    assert first == second and set(first) == {"png", "svg"}
    assert first["png"].startswith(b"\x89PNG") and b"<svg" in first["svg"]
    assert not re.search(rb"\d{4}-\d\d-\d\dT", first["svg"]), "no date"


def test_settings_are_set_back() -> None:
    before = {k: v for k, v in matplotlib.rcParams.items() if k != "backend"}
    pictures(EVERY_KIND)
    assert {k: v for k, v in matplotlib.rcParams.items() if k != "backend"} == before


@pytest.mark.parametrize(
    "mark", [line(1, 2, 3), *HEAT.marks[:1], *ARROWS.marks, *SURFACE.marks], ids=lambda mark: type(mark).__name__
)
def test_every_kind_of_mark_is_seen(mark: Any) -> None:
    png = pictures(figure(Panel(x=Axis(), y=Axis(), marks=(mark,)), names=()))["png"]
    pixels = matplotlib.image.imread(io.BytesIO(png))
    colourful = abs(pixels[..., 0] - pixels[..., 2]) > 0.3
    assert colourful.sum() > 200


def test_no_line_is_drawn_across_a_hole() -> None:
    for marks in (line(0.4, None, 0.5), line(0.4, None, 0.5, spread=(0.1, None, 0.1))):
        (axes,) = laid_out(figure(Panel(x=Axis(), y=Axis(), marks=(marks,)))).axes
        drawn = [float(y) for y in axes.lines[0].get_ydata()]
        assert drawn[0] == 0.4 and drawn[1] != drawn[1] and drawn[2] == 0.5


def test_a_heat_map_begins_at_the_top_and_brackets_in_words() -> None:
    axes = laid_out(figure(HEAT)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["−30.0", "(+1.0)"]
    assert [text.get_color() for text in axes.texts] == ["white", "black"], "read on dark and on light"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    bottom, top = axes.get_ylim()
    assert bottom > top


def test_a_surface_has_its_lines_and_its_first_row_at_the_bottom() -> None:
    axes, bar = laid_out(figure(SURFACE)).axes
    assert axes.get_ylim()[0] < axes.get_ylim()[1] and bar.get_ylabel() == "loss"
    assert [text.get_text() for text in bar.get_yticklabels()] == ["0.5", "2"]
    with pytest.raises(ValueError, match="expected as many of each"):
        Surface(x=(0.0,), y=(0.0,), heights=((1.0, 2.0),), label="", limits=(0, 1), levels=(), meaning="")


def test_an_arrow_is_hollow_at_its_start_and_filled_at_its_end() -> None:
    (axes,) = laid_out(figure(ARROWS)).axes
    shaft, start, end = axes.lines[:3]
    assert [float(y) for y in shaft.get_ydata()] == [1, 2]
    assert (start.get_ydata()[0], start.get_markerfacecolor()) == (1, "white")
    assert (end.get_ydata()[0], end.get_markerfacecolor()) == (2, COLOURS[0])


LONG = "A sentence that goes on for longer than the page is wide, and for longer still, since it has much to say"


def test_title_notes_and_legend_stay_on_the_page_and_beside_the_panels() -> None:
    names = tuple(f"A model with a long name, number {number}" for number in range(18))
    page = laid_out(figure(title=LONG, names=names, notes=(LONG, LONG)))
    title = page._suptitle.get_window_extent()  # type: ignore[attr-defined]
    assert page._suptitle.get_text().replace("\n", " ") == ". ".join([LONG] * 3)  # type: ignore[attr-defined]
    legend, panel = page.legends[0].get_window_extent(), page.axes[0].get_tightbbox()
    assert panel is not None
    for box in (title, legend, panel):
        assert box.x0 >= 0 and box.x1 <= page.bbox.x1 and box.y0 >= 0 and box.y1 <= page.bbox.y1
    assert title.y0 >= panel.y1 and panel.y0 >= legend.y1
    assert panel.height > 100, "long words take nothing from the panel"


def test_labels_that_all_panels_share_stand_at_the_outer_panels_alone() -> None:
    def labels(*panels: Panel) -> list[tuple[str, str]]:
        axes = laid_out(figure(*panels, across=2)).axes
        return [(each.get_xlabel(), each.get_ylabel()) for each in axes if each.get_visible()]

    same = Panel(x=Axis(label="x"), y=Axis(label="y"), marks=(line(1, 2),))
    assert labels(same, same, same) == [("", "y"), ("x", ""), ("x", "y")]
    other = Panel(x=Axis(label="z"), y=Axis(label="y"), marks=(line(1, 2),))
    assert labels(same, same, other) == [("x", "y"), ("x", ""), ("z", "y")]


def test_a_remark_stands_beside_its_title() -> None:
    panel = Panel(x=Axis(), y=Axis(), marks=(line(1, 2),), title="median", remark="window 17420, MSE 12.345")
    for axes in laid_out(figure(panel, panel, panel)).axes:
        assert axes._left_title.get_window_extent().x1 < axes._right_title.get_window_extent().x0  # type: ignore[attr-defined]


def test_the_names_of_many_categories_stand_upright_and_none_runs_into_another() -> None:
    for count, rotation in ((2, 0), (8, 90)):
        names = tuple(f"Exchange {place}" for place in range(count))
        (axes,) = laid_out(figure(Panel(x=Axis(categories=names), y=Axis(), marks=(line(*range(count)),)))).axes
        labels = axes.get_xticklabels()
        assert {label.get_rotation() for label in labels} == {rotation}
        boxes = [label.get_window_extent() for label in labels]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_names_are_no_formulas_and_stand_on_one_line() -> None:
    svg = laid_out(figure(Panel(x=Axis(categories=("$a$\nb",)), y=Axis(), marks=(line(1),), title="$c$\td")))
    (axes,) = svg.axes
    assert axes.get_xticklabels()[0].get_text() == r"\$a\$ b" and axes.get_title(loc="left") == r"\$c\$ d"


def test_an_axis_of_whole_numbers_names_no_halves() -> None:
    (axes,) = laid_out(figure(Panel(x=Axis(whole=True, limits=(0.5, 1.5)), y=Axis(), marks=(line(None, 1),)))).axes
    assert [tick for tick in axes.get_xticks() if 0.5 <= tick <= 1.5] == [1.0]


@pytest.mark.parametrize(("ends", "named"), [((0.2, 1.7), {"0.2", "0.5", "1"}), ((240, 590), {"300", "400", "500"})])
def test_an_axis_of_powers_has_plain_numbers(ends: tuple[float, float], named: set[str]) -> None:
    page = laid_out(figure(Panel(x=Axis(), y=Axis(scale="log"), marks=(line(*ends),))))
    page.canvas.draw()
    assert named <= {label.get_text() for label in page.axes[0].get_yticklabels()}


def test_the_first_seven_series_differ_in_colour_and_shape_and_the_next_in_their_pair() -> None:
    styles = [style_of_series(place) for place in range(14)]
    assert len({colour_code(style.colour) for style in styles[:7]}) == len({style.shape for style in styles[:7]}) == 7
    assert len({(colour_code(style.colour), style.shape) for style in styles}) == 14
    assert set(SHAPES) == {style.shape for style in styles}


def test_marks_whose_parts_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match="as many of each, found 2, 1"):
        Points(x=(1, 2), y=(1,), style=style_of_series(0), meaning="a point")
    with pytest.raises(ValueError, match="as many of each, found 1, 0"):
        Heat(cells=((None,), ()), label="", most=1, meaning="")


def test_one_module_imports_matplotlib() -> None:
    folder = Path(tables.__file__).parent
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "matplotlib" for name in names):
                found.add(path.relative_to(folder).as_posix())
    assert found == {"figures/matplotlib_renderer.py"}
    code = "import sys, tables.__main__; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=folder.parent).returncode == 0, "imported when it is needed"


def test_an_axis_is_one_of_powers_where_its_ends_are_far_apart() -> None:
    assert scale_of([0.2, None, 1.7]) == "log" and scale_of([0.072, 0.075]) == "linear"
    assert scale_of([-0.1, 4.0]) == scale_of([0.0, 4.0]) == scale_of([float("nan")]) == scale_of([]) == "linear"
    assert scale_of([1.0, 15.0], 20) == "linear"
