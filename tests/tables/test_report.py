"""The page as a file: the same bytes each time, asking for nothing, and what stands in it."""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from made_up import EVIL

from benchmark.grid.plan import switches_of
from benchmark.store.store import Store
from tables.__main__ import main
from tables.figures import curves
from tables.figures.data import Axis, Figure, Heat, HeatCell, Panel, Points, Rule, Surface
from tables.figures.page_renderer import SHORT, Pool, as_data, style_as_data
from tables.figures.style import Style
from tables.layout.html import HEADS
from tables.layout.table import Options
from tables.render import read, render, write_report
from tables.report.answer import answer
from tables.report.markup import anchor, html
from tables.report.page import ASSETS
from tables.rows.results import Curve
from tables.rows.row import Row

pytest_plugins = ("tests.tables.made_up",)


def page(made: Any) -> str:
    return str(write_report(*read(made.catalogue, made.results), made.results).read_text("utf-8"))


def test_what_ended_without_a_number_is_counted(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    made.add("toy", 4, "Plain", None, None, status="failed")
    text = page(made)
    assert "made: 2 failed" in text and "1 training that ended whole" in text


def data_of(text: str) -> Any:
    found = re.search('<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


class Reader(HTMLParser):
    """Ids, addresses that are followed, and elements that are left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [of[name] or "" for name in ("href", "src") if name in of]
        if tag not in ("meta", "link", "br", "input", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "br"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_render_and_the_command_write_it_and_the_same_bytes(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made.fill()
    path = made.results / "report.html"
    assert path in render(made.catalogue, made.results, Options(figures=False))
    first = path.read_bytes()
    path.write_text("stale")
    assert path in render(made.catalogue, made.results, Options(figures=False, digits=2, metrics=("r2",)), papers=["made"])
    assert path.read_bytes() == first, "whatever is asked of a render, the page is of all, and renewed"
    assert page(made).encode() == first
    assert main(["report", "--results-dir", str(made.results.parent / "none")]) == 2
    assert "no Results below" in capsys.readouterr().err


def test_no_result_no_page(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(made.catalogue, made.results) == [] and not (made.results / "report.html").exists()
    assert main(["report", "--results-dir", str(made.results)]) == 0
    assert capsys.readouterr().out == f"no Result of any known paper in {made.results}\n"


def test_it_asks_for_nothing_and_every_link_leads_somewhere(made: Any) -> None:
    made.fill()
    made.add(EVIL, 8, "With_SAM", 0.3)
    text = page(made)
    found, cells = Reader(text), data_of(text)["cells"]
    assert found.open == [] and len(set(found.ids)) == len(found.ids)
    assert "default-src 'none'" in text and "<p>Ended without a number: made: 1 diverged.</p>" in text
    places = {unescape(address) for address in found.addresses} - {"data:,"}
    assert places and all(place.startswith("#") for place in places)
    assert {unquote(place[1:]) for place in places} <= {*found.ids, *cells}
    assert "made/a_b & 50%#<1/8/With_SAM/sam" in cells, "names that an address has to write otherwise"
    assert {"answer", "made", "cells", "protocols", "explain", "claims", "cost", "environment", "reading"} <= set(found.ids)


def test_what_is_missing_is_told_apart_from_what_the_bar_shows(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.380, 0.381, 0.379)
    text = re.sub(r"\s+", " ", page(made))
    said = re.search(
        r'Cell by cell under <a href="#made--paper">paper</a>: 1 reproduced; (\d+) missing, which the bar', text
    )
    assert said and text.count('<i class="') == 1, "what was not run has no part of the bar"


def test_the_figures_of_claims_are_folded_behind_their_overview(made: Any) -> None:
    made.fill()
    text = page(made)
    overview, _, figures = text.partition('<details id="claims--figures">')
    assert "With_SAM is 20 % better than Plain" in overview[overview.index('id="claims"') :]
    assert "</details>" in figures[figures.index('id="claims--with-over-without"') :]
    assert 'td[style*="right"] { text-align: right; white-space: nowrap; }' in text, "a number is not broken in two"


def test_a_cell_has_its_seeds_its_recipe_with_sources_and_its_verdict(made: Any) -> None:
    made.fill()
    store = Store(made.results)
    for result in store.results():
        if result.key.startswith("made/toy/4/With_SAM/sam"):
            epochs = tuple({"val_mse": 0.51234 - i / 100} for i in range(3))
            store.write(replace(result, epochs=epochs, best_epoch=3, seconds=2.04, n_params=7, environment={"torch": "2"}))
    data = data_of(page(made))
    cell = data["cells"]["made/toy/4/With_SAM/sam"]
    assert [seed[:6] for seed in cell["seeds"]] == [
        [0, ["0.3800", "0.4800"], "0.3800", 3, 3, 2.0], [1, ["0.3810", "0.4810"], "0.3810", 3, 3, 2.0],
        [2, ["0.3790", "0.4790"], "0.3790", 3, 3, 2.0],
    ]  # fmt: skip
    assert data["environments"][cell["seeds"][0][7]] == [["torch", "2"]]
    assert cell["metrics"][0][:10] == ["MSE", "0.380 ± 0.001 (3)", "0.380", "16", "paper (verified)", "0.0 %", "0.26 %",
                                       "1 (not said)", "reproduced", "reproduced"]  # fmt: skip
    assert cell["metrics"][1][6:8] == ["–", "–"], "of what is not printed there is neither spread nor m"
    recipe = [data["values"][place] for place in cell["recipe"]]
    assert ["rho", "0.5", "verified", "test"] in recipe and ["sam", "on", "", ""] in recipe and cell["parameters"] == 7
    line, best = cell["curves"]["panels"][0]["marks"][:2]
    assert line["y"] == [0.512, 0.502, 0.492], "three digits"
    assert line["x"] == {"from": 1} and best["x"] == [3]
    assert data["cells"]["made/paper+other_rho/toy/4/With_SAM/sam"]["switches"] == ["other_rho"]
    assert data["cells"]["made/a_b & 50%#<1/8/Plain"]["lost"] == [0], "a seed that diverged"


def test_the_list_of_cells_has_what_a_verdict_is_by(made: Any) -> None:
    made.fill()
    text = page(made)
    heads = re.findall(r'<th scope="col">([^<]*)</th>', text[text.index('<table class="cells"') :])[: len(HEADS)]
    assert tuple(heads) == HEADS and {"spread", "m"} < set(HEADS)
    (line,) = (found for found in re.findall(r"<tr><th scope=row>made</th>.*", text) if ">0.380 ± 0.001 (3)<" in found)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", line)
    assert cells[HEADS.index("spread") - 1 : HEADS.index("spread") + 1] == ["0.26 %", "1 (not said)"]


def test_the_nearest_protocols_are_named_by_column_metric_and_cells(made: Any, row: Any) -> None:
    def rows(*off: float, metric: str = "mse") -> list[Row]:
        return [row(horizon=(4, 8)[place], mean=0.5 + each, published=0.5, metric=metric) for place, each in enumerate(off)]

    of = {("paper", "paper"): rows(0.1, 0.2), ("paper+other_rho", "paper"): rows(0.0, 0.1),
          ("paper+more_epochs", "paper"): rows(0.3)}  # fmt: skip
    found = answer(made.paper, of)
    assert found is not None and [name for name, _ in found.nearest] == ["With_SAM over toy", "With_SAM over toy (4)"]
    printed = replace(made.paper.printed, metrics=("mse", "mae"))
    both = {kind: [*table, *rows(0.1, metric="mae")] for kind, table in list(of.items())[:2]}
    found = answer(replace(made.paper, printed=printed), both)
    assert found is not None and [name for name, _ in found.nearest] == ["With_SAM, MSE", "With_SAM, MAE"]


def test_a_cell_shows_one_forecast_and_a_damaged_one_is_passed_over(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4, 0.41)
    first, second = (result.digest for result in sorted(Store(made.results).results(), key=lambda r: r.key))
    folder = made.results / "forecasts"
    folder.mkdir()
    (folder / f"{first}.npz").write_bytes(b"damaged")
    steps = np.arange(3 * 4, dtype=np.float32).reshape(3, 4, 1)
    past = np.zeros((3, 500, 1), np.float32)
    np.savez(folder / f"{second}.npz", past=past, truth=steps, forecast=steps + 1, mse=np.ones(3), window=np.arange(3))
    forecast = data_of(page(made))["cells"]["made/toy/4/With_SAM/sam"]["forecast"]
    (panel,) = forecast["panels"]
    assert panel["title"] == "median" and forecast["title"].startswith("made/toy/4/With_SAM/sam/s1: the last channel")
    past_, truth, forecast_, _ = panel["marks"]
    assert truth["y"] == [4, 5, 6, 7] and forecast_["y"] == [5, 6, 7, 8]
    assert past_["x"] == {"from": -119}, "as much of the input as a picture shows"


def test_the_answer_is_a_sentence_a_column_and_protocol(made: Any) -> None:
    made.fill()
    _, evidence = read(made.catalogue, made.results)
    found = answer(made.paper, evidence.rows_of["made"])
    assert found is not None
    assert [(said.protocol, said.verdict) for said in found.columns["With_SAM"]] == [
        ("paper", "reproduced"), ("paper+other_rho", "within"), ("released", "")]  # fmt: skip
    assert found.columns["With_SAM"][0].sentence == (
        "Under protocol `paper` it holds: in the one cell that is judged our mean lies less than 0.05 % off the printed "
        "number (90 % interval of the deviation, over seeds, −0.4 to 0.4 %, 3 seeds a cell)."
    )
    assert found.columns["With_SAM"][2].sentence.startswith("There is no verdict on it yet under protocol `released`")
    assert found.counts["paper"]["reproduced"] == 1
    switches = [name for protocol in ("paper+other_rho", "released") for name in switches_of(made.paper, protocol)]
    assert [name for name, _ in found.switches] == list(dict.fromkeys(switches)), "what its protocols do is said with it"
    assert all(what and what in page(made) for _, what in found.switches)
    assert answer(made.paper, {}) is None


def test_words_of_a_users_files_are_words_and_no_markup(made: Any) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    made.fill()
    made.paper.__dict__["title"] = evil
    text = page(made)
    assert evil not in text and "&lt;/script&gt;&lt;img src=x" in text
    assert "<img" not in html(f"# a\n\n{evil}\n\n![x](http://a.b/c.png)", "x") and "<h3" not in html("# a", "x")
    assert html("## B c\n\n| a |\n|---|\n| 1 |", "x").startswith('<h4 id="x--B-c">B c</h4>')
    assert anchor("made", "paper+x_y", "a b/c") == "made--paper+x_y--a-b-c"


def test_a_figure_as_data_says_what_it_says_as_a_figure() -> None:
    styles: Pool[Style] = Pool()
    line, dot = Style(colour=0, line="solid"), Style(colour="grey", shape="cross", size=3)
    marks = (
        Points(x=(1, 2, 3), y=(0.123456789, None, 2.0), style=line, meaning="m", series="s"),
        Points(x=(0.25,), y=(1.0,), spread=(0.5,), style=dot, meaning="m", labels=("here",)),
        Rule(across="y", at=0.0, style=line, meaning="zero"),
        Heat(
            cells=((HeatCell(value=1.5, text="1.5", bracketed=True, remark="r"), None),), label="l", most=2.0, meaning="m"
        ),
        Surface(
            x=(0.0, 1.0), y=(2.0,), heights=((0.123456789, None),), label="l", limits=(0.1, 1.0), levels=(0.5,), meaning="m"
        ),
    )
    x = Axis(label="a", scale="log", categories=("u",))
    panel = Panel(x=x, y=Axis(), marks=marks, title="t")
    found = as_data(Figure(name="n", title="T", panels=(panel,), panel_size=(2.0, 1.0)), styles)
    assert found == {"name": "n", "title": "T", "size": [2.0, 1.0], "across": 4, "panels": [{
        "title": "t", "x": {"label": "a", "scale": "log", "categories": ("u",)}, "marks": [
            {"kind": "points", "x": {"from": 1}, "y": [0.123457, None, 2], "style": 0, "meaning": "m", "series": "s"},
            {"kind": "points", "x": [0.25], "y": [1], "spread": [0.5], "style": 1, "meaning": "m", "labels": ["here"]},
            {"kind": "rule", "across": "y", "at": 0.0, "style": 0, "meaning": "zero"},
            {"kind": "heat", "cells": [[[1.5, "(1.5)", "r"], None]], "label": "l", "most": 2.0, "meaning": "m"},
            {"kind": "surface", "x": [0, 1], "y": [2], "heights": [[0.123457, None]], "label": "l", "limits": [0.1, 1.0],
             "levels": [0.5], "scale": "linear", "meaning": "m"},
        ]}]}  # fmt: skip
    assert [style_as_data(style) for style in styles.found] == [
        {"colour": 0, "line": "solid"}, {"colour": "grey", "shape": "cross", "size": 3}]  # fmt: skip


def test_a_long_line_is_thinned_out_and_says_so(row: Any) -> None:
    validation = array("d", [1 / (i + 1) for i in range(250)])
    figure = curves.of_cell(row(digests=("d",)), {"d": Curve(validation, 250)})
    assert figure is not None
    found = as_data(figure, Pool(), SHORT, 100)
    line, best = found["panels"][0]["marks"]
    assert found["every"] == 3 and len(line["y"]) == 84 and line["x"][-1] == 250 and best["x"] == [250]
    assert "every" not in as_data(figure, Pool(), SHORT, 250)
    assert curves.of_cell(row(digests=("e",)), {}) is None


def test_what_draws_the_charts_is_what_was_released_and_its_licences_are_in_the_page(made: Any) -> None:
    told = (ASSETS / "vendor/README.md").read_text("utf-8")
    for path in (ASSETS / "vendor").glob("*.js"):
        assert f"`{path.name}`" in told and hashlib.sha256(path.read_bytes()).hexdigest() in told
    made.fill()
    text = page(made)
    for licence in ("Copyright 2020-2025 Observable, Inc.", "Copyright 2010-2026 Mike Bostock", "Mikola Lysenko"):
        assert licence in text


def test_the_scripts_and_the_template_are_short() -> None:
    for path in [*ASSETS.glob("*.js"), *ASSETS.glob("*.css"), *ASSETS.glob("*.html")]:
        assert len(Path(path).read_text("utf-8").splitlines()) <= 300
