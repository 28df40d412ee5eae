"""How often a verdict is wrong: the bounds that the rule keeps, and the tables of docs/verdicts.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.judging.compare import Beside, Ours, compare
from benchmark.judging.printed import PrintedNumber
from benchmark.workloads import FORECASTING
from tables.layout.texts import OFTEN_WRONG
from tables.rows import simulation
from tables.rows.drawn import ONCE, draw, each_alone, percent, todays
from tables.rows.simulation import SEEDS, SPREADS, wrong_of_given

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "verdicts.md").read_text("utf-8")
COLUMNS = 1000
"""Of 16 cells: a share of 5 % is known to 0.2."""


def lines(document: str) -> list[list[str]]:
    """The cells of every line of the tables in a Markdown text."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in document.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("spread", SPREADS)
def test_a_false_verdict_is_rare(spread: float, n: int) -> None:
    off, right = (draw(spread=spread, n=n, truth=truth, columns=COLUMNS) for truth in (0.02, 0.0))
    assert percent(todays(off).reproduced) <= 6, "two percent off an exact printed number"
    assert percent(todays(right).beyond) <= 4
    ran_once = draw(spread=spread, n=n, truth=0.0, m=ONCE, columns=COLUMNS)
    assert percent(todays(ran_once).beyond) <= 4


def test_the_rule_that_each_cell_is_judged_alone_is_falser_with_more_seeds() -> None:
    few, many = (draw(spread=0.02, n=n, truth=0.0, m=ONCE, columns=COLUMNS) for n in (5, 20))
    assert percent(each_alone(few).beyond) < 16 < 30 < percent(each_alone(many).beyond)
    assert percent(todays(few).beyond) < 2 > percent(todays(many).beyond)


def test_the_simulation_says_what_compare_says() -> None:
    drawn = draw(spread=0.02, n=5, truth=None, m=ONCE, columns=20)
    said = todays(drawn)
    for column in range(20):
        cells = [
            Beside(ours=Ours(mean=1 + deviation, std=float(np.sqrt(own)), n=5, seeds=tuple(range(5))), lookback=512,
                   printed=PrintedNumber(1.0, None, "512", "verified", "drawn", 1), profile="paper")
            for deviation, own in zip(drawn.deviation[column], drawn.own[column], strict=True)
        ]  # fmt: skip
        words = [found.verdict for found in compare(cells, FORECASTING.metrics[0])]
        side = np.where(said.sign[column] > 0, "worse", "better")
        beyond = np.where(said.beyond[column], side, "within")
        assert words == np.where(said.reproduced[column], "reproduced", beyond).tolist()


def test_of_the_verdicts_that_are_given_fewer_are_wrong() -> None:
    for spread in (0.02, 0.05):
        alone, together = (wrong_of_given(rule, spread, 5, ONCE, COLUMNS) for rule in (each_alone, todays))
        assert together[0] < alone[0] and together[1] < alone[1]


def test_what_is_decided_where_the_paper_is_right_is_told_with_the_false_verdicts_in_it() -> None:
    decided, false, *_ = simulation.by_both(0.05, 3, COLUMNS)
    right = draw(spread=0.05, n=3, truth=0.0, columns=COLUMNS)
    for rule, given, wrong in zip((each_alone, todays), decided, false, strict=True):
        assert wrong == percent(rule(right).beyond)
        assert given == pytest.approx(percent(rule(right).reproduced) + wrong)
    assert false[1] > 0.9 * decided[1], "nearly all"
    assert next(simulation.first_table(40))[2].count("(") == 2 and "(falsely)" in simulation.TABLES[0][1][2]


@pytest.mark.parametrize("table", range(len(simulation.TABLES)))
def test_the_documents_tables_are_what_the_command_prints(table: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "SPREADS", (0.02,))
    monkeypatch.setattr(simulation, "SEEDS", (3,))
    title, heads, of = simulation.TABLES[table]
    found = lines(DOCUMENT.partition(f"### {title}\n")[2])
    assert found[0] == list(heads)
    for line in of(simulation.COLUMNS):
        assert line in found


def test_what_stands_beside_better_and_worse_is_what_the_simulation_gives() -> None:
    found = lines(DOCUMENT.partition(f"### {simulation.TABLES[2][0]}\n")[2])
    given = {(line[0], line[1], line[2]): line[4].split(" → ")[1] for line in found[2:20]}
    for m, by_spread in OFTEN_WRONG.items():
        for spread, of_seeds in by_spread.items():
            assert of_seeds == tuple(given[f"{spread} %", str(m), str(n)] for n in SEEDS)
