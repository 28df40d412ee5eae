"""Which protocol gives a printed column: figures and words by hand, and how sure they are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up import changed

from benchmark.config.catalogue import catalogue
from benchmark.config.paper import Paper
from benchmark.data.registry import recording
from benchmark.grid.plan import in_order
from benchmark.judging.compare import Comparison, Ours
from benchmark.judging.printed import PrintedNumber
from tables.__main__ import main
from tables.documents.explain import document, summary
from tables.documents.protocols import document as protocols
from tables.explain.figure import figure
from tables.explain.nearness import Column, columns, surely, words
from tables.explain.simulation import document as simulated
from tables.explain.simulation import sure
from tables.figures.data import Points, Rule
from tables.rows.row import Key, Row
from tables.statistics import Interval

pytest_plugins = ("tests.tables.made_up", "tests.tables.printed_as_ours")

MIXED, KERAS = "paper+batch_mixed_denorm", "paper+keras3_fans"


@pytest.fixture(scope="module")
def paper() -> Paper:
    return catalogue().papers["samformer"]


def rows(protocol: str, *off: float, sets: int = 1, verdict: str = "within", trained: str = "") -> list[Row]:
    """SAMformer's cells, data set by data set, that deviate by `off` percent from a printed 0.5; a seed's spread is 2 %."""
    found = []
    names = ("ETTh1", "ETTh2", "ECL", "Exchange", "ETTm1", "ETTm2")[:sets]
    for place, percent in enumerate(off):
        dataset, horizon = names[place * sets // len(off)], (96, 192, 336, 720)[place % (len(off) // sets)]
        key = Key(
            paper="samformer", dataset=dataset, lookback=512, horizon=horizon, model="SAMformer", sam=True, metric="mse"
        )
        mean = 0.5 * (1 + percent / 100)
        ours = Ours.of({0: mean - 0.01, 1: mean, 2: mean + 0.01}, (f"{trained or protocol} {place}",))
        number = PrintedNumber(0.5, None, "512", "verified", "paper Table 1", seeds=6)
        comparison = Comparison(verdict=verdict, deviation_pct=percent, spread_pct=2.0)
        found.append(Row(key=key, ours=ours, printed=number, comparison=comparison, recipe_status="verified"))
    return found


def only(paper: Paper, *of: tuple[str, list[Row]]) -> Column:
    (column,) = columns(paper, {(protocol, "paper"): table for protocol, table in of})
    return column


def test_nearness_and_what_seeds_alone_would_give(paper: Paper) -> None:
    column = only(paper, ("paper", rows("paper", -1, 3, 5, -7)), (MIXED, rows(MIXED, 0.5, 1, -2, 2.5)))
    near, far = column.standings
    assert (near.protocol, near.nearness, near.deviation, near.within_2, near.within_5) == (MIXED, 1.5, 0.5, 3, 4)
    assert (far.protocol, far.nearness, far.deviation, far.within_2, far.within_5) == ("paper", 4, 0, 1, 3)
    assert near.seeds_alone == pytest.approx(math.sqrt(2 / math.pi) * 2 * math.sqrt(1 / 3 + 1 / 6))


def test_under_three_data_sets_cells_are_counted(paper: Paper) -> None:
    column = only(paper, ("paper", rows("paper", -1, 3, 5, -7)), (MIXED, rows(MIXED, 1.5, 1, -2, 2.5)))
    assert words(column) == (
        f"`{MIXED}` is nearer in 3 of 4 cells of 1 data set (1.8 %, next `paper` 4.0 %); too few data sets for an interval."
    )
    equal = only(paper, ("paper", rows("paper", -1, 3, 5)), (MIXED, rows(MIXED, 1, 3, -2)))
    assert f"`{MIXED}` is nearer in 1 of 3 cells of 1 data set, equal in 2 (2.0 %" in words(equal)
    two = only(paper, ("paper", rows("paper", 4, 4, sets=2)), (MIXED, rows(MIXED, 1, 1, sets=2)))
    assert "2 of 2 cells of 2 data sets" in words(two) and "too few" in words(two)


def test_nearest_where_the_interval_over_data_sets_excludes_nothing(paper: Paper) -> None:
    # nearer by 2, 3 and 4 points: 3 ± 4.3027/√3
    column = only(paper, ("paper", rows("paper", 3, 4, -5, sets=3)), (MIXED, rows(MIXED, 1, -1, 1, sets=3)))
    assert words(column) == (
        f"`{MIXED}` is nearest (1.0 %, next `paper` 4.0 %, on average over 3 cells of 3 data sets); nearer by 3.0 points "
        "[0.5, 5.5], the mean over data sets and its 95 % interval."
    )


def test_nearest_here_and_not_shown(paper: Paper) -> None:
    # nearer by 0, 3 and 6 points: 3 ± 4.3027·3/√3
    column = only(paper, ("paper", rows("paper", 1, 4, -7, sets=3)), (MIXED, rows(MIXED, 1, -1, 1, sets=3)))
    assert words(column) == (
        f"`{MIXED}` is nearest here, not shown over `paper` (1.0 %, next `paper` 4.0 %, on average over 3 cells of 3 data "
        "sets; 3.0 points [−4.5, 10.5], the mean over data sets and its 95 % interval)."
    )


def test_sets_of_one_recording_are_counted_as_one_behind_it(paper: Paper) -> None:
    # nearer by 4, 4, 4, 0 points, and by 4 on ETTm1, which is of ETTh1's recording: 3 ± 3.1824·2/√4
    column = only(paper, ("paper", rows("paper", 5, 5, 5, 1, 5, sets=5)), (MIXED, rows(MIXED, *[1] * 5, sets=5)))
    assert "nearer by 3.2 points [1.0, 5.4], the mean over data sets" in words(column)
    assert words(column).endswith("Over the 4 recordings (ETTh1 with ETTm1): 3.0 points [−0.2, 6.2].")


def test_etth_is_every_fourth_row_of_ettm(data_dir: Path) -> None:
    for hours, minutes in (("ETTh1", "ETTm1"), ("ETTh2", "ETTm2")):
        assert recording(hours) == recording(minutes) != recording("ETTh1" if hours == "ETTh2" else "ETTh2")
        rare, often = (pd.read_csv(data_dir / f"ETT-small/{name}.csv") for name in (hours, minutes))
        pd.testing.assert_frame_equal(rare, often[::4].reset_index(drop=True))
    assert recording("ECL") == "ECL" and recording("a set of one's own") == "a set of one's own"


def test_a_floats_rounding_is_no_nearness() -> None:
    assert not surely(Interval(1e-15, 1e-15, 1e-15)) and not surely(None) and not surely(Interval(0.5, -0.1, 1.1))
    assert surely(Interval(0.5, 0.1, 0.9))


def test_cells_of_one_data_set_count_once(paper: Paper) -> None:
    many = only(paper, ("paper", rows("paper", *[2] * 4, *[3] * 4, *[4] * 4, sets=3)),
                (MIXED, rows(MIXED, *[1] * 12, sets=3)))  # fmt: skip
    few = only(paper, ("paper", rows("paper", 2, 3, 4, sets=3)), (MIXED, rows(MIXED, 1, 1, 1, sets=3)))
    assert words(many).split("nearer by")[1:] == words(few).split("nearer by")[1:], "twelve cells are no more than three"


def test_the_best_of_several_was_chosen_and_no_protocol_is_near_what_is_worse_under_all(paper: Paper) -> None:
    def of(protocol: str, *off: float) -> list[Row]:
        table = rows(protocol, *off)
        return [changed(table[0], verdict="worse"), *table[1:]]

    column = only(paper, ("paper", of("paper", 9, 3)), (MIXED, of(MIXED, 8, 1)), (KERAS, of(KERAS, 9, 1)))
    said = words(column)
    assert "The best was chosen among 3 protocols." in said
    assert said.endswith("No protocol is near 1 of the cells, better or worse under every one: ETTh1 96.")
    better = columns(paper, {("paper", "paper"): of("paper", 9, 3), (MIXED, "paper"): rows(MIXED, 1, 1)})
    assert "No protocol is near" not in words(better[0])


def test_a_protocol_with_fewer_cells_hides_none_of_the_others(paper: Paper) -> None:
    found = columns(paper, {
        ("paper", "paper"): rows("paper", 3, 4, 5, 6), (MIXED, "paper"): rows(MIXED, 1, 1, 1, 1),
        (KERAS, "paper"): rows(KERAS, 2, 2, 2, 2)[:2],
    })  # fmt: skip
    assert [(len(c.cells), [s.protocol for s in c.standings]) for c in found] == [
        (4, [MIXED, "paper"]), (2, [MIXED, KERAS, "paper"]),
    ]  # fmt: skip
    apart = {("paper", "paper"): rows("paper", 3, 4)[:1], (MIXED, "paper"): rows(MIXED, 1, 1)[1:]}
    assert columns(paper, apart) == [], "no cell in common"


def test_a_column_that_stands_twice_says_over_which_cells(paper: Paper) -> None:
    of = {("paper", "paper"): rows("paper", *[3] * 8, sets=2), (MIXED, "paper"): rows(MIXED, *[1] * 8, sets=2),
          (KERAS, "paper"): rows(KERAS, *[2] * 8, sets=2)[:6]}  # fmt: skip
    names = ["SAMformer over ETTh1, ETTh2", "SAMformer over ETTh1, ETTh2 (96, 192)"]
    assert [line.partition(": ")[0] for line in summary(paper, of).splitlines()] == names
    text = document([(paper, of)], figures=False)
    assert [line for line in text.splitlines() if line.startswith("### ")] == [f"### {name}" for name in names]


def test_the_same_trainings_are_no_second_protocol(paper: Paper) -> None:
    of = {("paper", "paper"): rows("paper", 3, 4), (KERAS, "paper"): rows(KERAS, 3, 4, trained="paper"),
          (MIXED, "paper"): rows(MIXED, 1, 1)}  # fmt: skip
    (column,) = columns(paper, of)
    assert [(s.protocol, s.same) for s in column.standings] == [(MIXED, ()), ("paper", (KERAS,))]
    assert f"The same trainings as `paper`, since the switches change none of these cells: `{KERAS}`." in document(
        [(paper, of)], figures=False
    )


def test_what_has_no_verdict_by_numbers_has_no_part(paper: Paper) -> None:
    unjudged = [changed(row, verdict="not comparable", spread_pct=None) for row in rows(MIXED, 1, 1)]
    assert columns(paper, {("paper", "paper"): rows("paper", 3, 4), (MIXED, "paper"): unjudged}) == []
    assert columns(paper, {("paper", "paper"): rows("paper", 3, 4), (MIXED, "quick"): rows(MIXED, 1, 1)}) == []


def test_the_document_has_every_protocol_in_the_order_of_its_switches(paper: Paper) -> None:
    both = f"{MIXED}+keras3_fans"
    of = {("paper", "paper"): rows("paper", 3, 4, -5, sets=3), (both, "paper"): rows(both, 2, 2, 2, sets=3),
          (MIXED, "paper"): rows(MIXED, 1, -1, 1, sets=3)}  # fmt: skip
    text = document([(paper, of)], figures=True)
    lines = [line for line in text.splitlines() if line.startswith(("| paper", "| **paper"))]
    assert [line.split("|")[1].strip().replace("\\", "") for line in lines] == ["paper", f"**{MIXED}**", both]
    assert [cell.strip() for cell in lines[1].split("|")[2:-1]] == [
        "1.0", "0.3", "3 of 3", "3 of 3", "1.1", "3.0 [0.5, 5.5]",
    ]  # fmt: skip
    assert "![Deviation by cell and protocol](samformer.explain.png)" in text
    assert "which one the authors' own runs followed is not known" in text and "- batch\\_mixed\\_denorm: " in text
    assert "\nWithout Results, and so not compared: `paper+fixed_rho_0.7`, `paper+epochs_100`, " in text
    assert "two protocols" in document([(paper, {("paper", "paper"): rows("paper", 3)})], figures=False).splitlines()[-1]


def test_all_documents_have_the_protocols_in_one_order(paper: Paper) -> None:
    names = ["paper", KERAS, f"{MIXED}+keras3_fans", "released"]
    assert in_order(paper, reversed(names)) == names
    of = {(name, "paper"): rows(name, place, 4) for place, name in enumerate(reversed(names))}
    shown = figure(paper, columns(paper, of))
    assert shown is not None and [entry.name for entry in shown.legend] == names
    text, beside = document([(paper, of)], figures=False), protocols([(paper, of)])
    lines = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ") and " of 2 |" in line]
    assert [name.strip(" *").replace("\\", "") for name in lines] == names
    head = next(line for line in beside.splitlines() if line.startswith("| data set"))
    assert [cell.strip().replace("\\", "") for cell in head.split("|")[6:-2] if "Δ" not in cell] == names


def test_the_figure_has_a_colour_a_protocol_and_a_panel_a_column(paper: Paper) -> None:
    of = {("paper", "paper"): rows("paper", 3, 4, -5, sets=3), (MIXED, "paper"): rows(MIXED, 1, -1, 1, sets=3)}
    shown = figure(paper, columns(paper, of))
    assert shown is not None and [entry.name for entry in shown.legend] == ["paper", MIXED]
    (panel,) = shown.panels
    points = [mark for mark in panel.marks if isinstance(mark, Points)]
    assert [(mark.series, mark.y) for mark in points] == [("paper", (3, 4, -5)), (MIXED, (1, -1, 1))]
    assert [mark.style for mark in points] == [entry.style for entry in shown.legend]
    assert points[0].spread == pytest.approx((2.0, 2.0, 2.0)) and panel.x.categories == ("ETTh1 96", "ETTh2 96", "ECL 96")
    assert [mark.at for mark in panel.marks if isinstance(mark, Rule)] == [0.0, 0.5, 1.5]
    assert figure(paper, []) is None


def test_the_command_says_it_and_writes_document_and_figure(
    made: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made.fill()
    monkeypatch.setattr("tables.__main__.catalogue", lambda files: made.catalogue)
    assert main(["explain", "made", "--results-dir", str(made.results)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(
        "With_SAM: `paper` is nearer in 1 of 1 cell of 1 data set (0.0 %, next `paper+other_rho` 5.3 %)"
    )
    tables = made.results / "tables"
    assert out[-3:] == [f"written: {tables / name}" for name in ("explain.md", "made.explain.png", "made.explain.svg")]
    assert out[0].removeprefix("With_SAM: ") in (tables / "explain.md").read_text("utf-8")


def test_one_protocol_alone_is_said(as_ours: tuple[Any, Path], capsys: pytest.CaptureFixture[str]) -> None:
    _, folder = as_ours
    assert main(["explain", "samformer", "--results-dir", str(folder)]) == 2
    said = capsys.readouterr().err.strip()
    assert "two protocols, found protocols: paper; `run_all.py --papers samformer --protocol paper+SWITCH`" in said
    assert main(["explain", "samfomer", "--results-dir", str(folder)]) == 2
    assert "did you mean 'samformer'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("biases", "between"), [((3.0, 3.0), 0.2), ((3.0, 3.0), 0.8), ((3.0,) * 5, 0.8), ((1.0, 1.0, 6.0), 0.8)]
)
def test_the_words_are_seldom_sure_of_protocols_that_are_equally_near(biases: tuple[float, ...], between: float) -> None:
    for sets in (3, 8):
        right, wrong = sure(sets, biases, between, draws=800)
        assert (right, wrong) == (0, pytest.approx(3, abs=3)), "at most 6 %"


def test_the_words_are_sure_where_one_is_far_nearer() -> None:
    right, wrong = sure(8, (1.0, 4.0), 0.4, draws=300)
    assert right > 95 and wrong == 0
    assert simulated(draws=5).count("\n| ") == 1 + 8


def test_summary_names_the_metric_where_there_are_several(paper: Paper) -> None:
    of = {("paper", "paper"): rows("paper", 3, 4), (MIXED, "paper"): rows(MIXED, 1, 1)}
    assert summary(paper, of).startswith("SAMformer: `paper+batch")
