from __future__ import annotations

import math
from typing import Any

import pytest

from benchmark.store.store import Store
from tables.documents.paper import document
from tables.layout import markdown
from tables.layout.subject import Subject
from tables.rows.build import rows
from tables.rows.results import index

pytest_plugins = ("tests.tables.made_up",)

TABLE = """\
| data set         |   L |   H | model     | SAM   |       MSE, ours (n) |   printed |   its L |   deviation |   spread |            m | verdict           | would decide                                                                         |     MAE, ours (n) |
|:-----------------|----:|----:|:----------|:------|--------------------:|----------:|--------:|------------:|---------:|-------------:|:------------------|:-------------------------------------------------------------------------------------|------------------:|
| toy              |  16 |   4 | With\\_SAM | on    |   0.380 ± 0.001 (3) |     0.380 |      16 |       0.0 % |   0.26 % | 1 (not said) | reproduced        | –                                                                                    | 0.480 ± 0.001 (3) |
| toy              |  16 |   4 | Plain     | off   | 0.450 ± 0.000 (3) § |    0.500‡ |      16 |     −10.0 % |   0.00 % | 1 (not said) | better            | –                                                                                    | 0.550 ± 0.000 (3) |
| toy              |  16 |   4 | Wider     | on    |         0.370 (1) § |         – |         |           – |        – |            – | no printed number |                                                                                      |         0.470 (1) |
| toy              |  16 |   8 | With\\_SAM | on    |   0.415 ± 0.007 (2) |    0.400† |      16 |       3.7 % |        – | 1 (not said) | too few seeds     | 3 seeds to be judged at all; then no number of seeds: the paper's own may explain it | 0.515 ± 0.007 (2) |
| toy              |  16 |   8 | Plain     | off   | 0.415 ± 0.000 (3) § |     0.600 |      96 |     −30.8 % |        – | 1 (not said) | not comparable    | –                                                                                    | 0.515 ± 0.000 (3) |
| a\\_b & 50%#&lt;1 |  16 |   4 | With\\_SAM | on    |           0.100 (1) |     0.100 |      16 |       0.1 % |        – | 1 (not said) | too few seeds     | 3 seeds to be judged at all, which would decide it                                   |         0.200 (1) |
| a\\_b & 50%#&lt;1 |  16 |   4 | Plain     | off   |                   – |     0.200 |      16 |           – |        – | 1 (not said) | missing           | –                                                                                    |                 – |
| a\\_b & 50%#&lt;1 |  16 |   8 | With\\_SAM | on    |                   – |         – |         |           – |        – |            – | no printed number |                                                                                      |                 – |
| a\\_b & 50%#&lt;1 |  16 |   8 | Plain     | off   |                   – |         – |         |           – |        – |            – | no printed number |                                                                                      |                 – |"""  # noqa: E501


def test_whole_table(made: Any) -> None:
    made.fill()
    table = rows(made.catalogue, made.paper, index(Store(made.results)), "paper", "paper")
    text = document(Subject(paper=made.paper, rows=table, protocol="paper", profile="paper"))
    assert TABLE in text
    assert text.startswith("# made: Made up: 50 % of A\\_B & C &lt; D #1\n")
    assert "MSE: of 6 printed numbers 1 reproduced, 1 better, 2 too few seeds, 1 not comparable, 1 missing." in text
    assert all((line in text) == (mark not in "¶◊") for mark, line in markdown.LEGEND.items())
    assert "nan" not in text and "-0.000" not in text and "Not run" not in text


def test_each_further_metric_that_is_printed_has_its_own_cell_by_cell(made: Any, row: Any) -> None:
    mse = [row(horizon=horizon, mean=0.45, published=0.45) for horizon in (4, 8)]
    mae = [row(metric="mae", mean=0.5, published=0.6), row(metric="mae", horizon=8, mean=0.55)]
    text = document(Subject(paper=made.paper, rows=[*mse, *mae], protocol="paper", profile="paper"))
    first, _, second = text.partition("## Cell by cell: MAE, where it is printed\n\n")
    assert "MAE, ours (n)" in first, "the first table is as it was"
    heads, _, line, after = second.splitlines()[:4]
    shown = dict(zip(map(str.strip, heads.split("|")), map(str.strip, line.split("|")), strict=True))
    assert (shown["MAE, ours (n)"], shown["printed"], shown["deviation"]) == ("0.500 ± 0.001 (3)", "0.600", "−16.7 %")
    assert (shown["spread"], shown["m"], shown["verdict"]) == ("0.17 %", "1 (not said)", "better")
    assert after == "" and "MSE, ours" not in second, "where nothing of it is printed there is no line"
    text = document(Subject(paper=made.paper, rows=[mse[1], mae[1]], protocol="paper", profile="paper"))
    assert "## Cell by cell\n" in text and "where it is printed" not in text


def test_a_set_without_results_is_named_and_not_shown(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    table = rows(made.catalogue, made.paper, index(Store(made.results)), "paper", "paper")
    text = document(Subject(paper=made.paper, rows=table, protocol="paper", profile="paper", notes=["a note with_marks"]))
    assert text.endswith("a note with\\_marks\n\nNo cell done: a\\_b & 50%#&lt;1.\n")
    assert "| a\\_b" not in text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", "a\\|b"), ("_x_ *y* `z` [l](u)", "\\_x\\_ \\*y\\* \\`z\\` \\[l\\](u)"),
        ("<b>&lt; R&D", "&lt;b&gt;&amp;lt; R&D"),
        ("two\nlines", "two lines"), ("\\", "\\\\"), ("$x$ ~~y~~", "\\$x\\$ \\~\\~y\\~\\~"),
    ],
)  # fmt: skip
def test_escape(text: str, escaped: str) -> None:
    assert markdown.escape(text) == escaped


def test_no_hole_is_a_number(row: Any) -> None:
    assert markdown.spread(row(mean=None)) == "–"
    assert markdown.spread(row(mean=math.nan)) == "–"
    assert markdown.spread(row(mean=0.38, n=1)) == "0.380 (1)"
    assert markdown.number(-0.0) == "0.000"
