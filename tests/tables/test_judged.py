"""What tables find and a plan needs: `judged.json`, the seeds that would decide, `--seeds auto`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data.files import synthetic_sha256
from benchmark.grid import listing, takes
from benchmark.grid.asked import Request
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.plan import plan
from benchmark.judging.compare import Beside, Ours
from benchmark.judging.printed import PrintedNumber
from benchmark.judging.seeds import asked
from benchmark.session import Session
from benchmark.store import judged
from benchmark.store.result import Result
from benchmark.store.store import Store
from benchmark.workloads import FORECASTING
from run_all import judge, parser, render
from tables.rows.drawn import ONCE, percent
from tables.rows.simulation import SPREADS, with_auto

pytest_plugins = ("tests.tables.made_up",)


def column(spread: float, n: int, cells: int = 4, lookback: str = "512") -> list[Beside]:
    """Cells whose seeds have exactly this spread, as a share of the printed number."""
    ours = Ours(mean=0.4, std=0.4 * spread, n=n, seeds=tuple(range(n)))
    printed = PrintedNumber(0.4, None, lookback, "verified", "made up")
    return [Beside(ours=ours, printed=printed, lookback=512, profile="paper")] * cells


@pytest.mark.parametrize(
    ("spread", "n", "expected"),
    [
        # t(0.95, 8) = 1.860, so the limit is 0.01 · √3 / 1.860 = 0.931 %
        (0.0093, 3, 3), (0.0094, 3, 5),
        # t(0.95, 16) = 1.746: 1.281 %
        (0.0128, 5, 5), (0.0129, 5, 10), (0.5, 10, 10), (0.0, 3, 3),
    ],
)  # fmt: skip
def test_a_wide_spread_asks_for_more_seeds(spread: float, n: int, expected: int) -> None:
    assert asked(column(spread, n), FORECASTING.metrics[0]) == expected


def test_a_verdict_has_no_say_in_the_seeds() -> None:
    for mean in (0.4, 0.5):
        cells = [replace(cell, ours=replace(cell.ours, mean=mean)) for cell in column(0.02, 3)]
        assert asked(cells, FORECASTING.metrics[0]) == 5


def test_a_cell_that_lost_seeds_does_not_hold_up_its_column() -> None:
    assert asked([*column(0.05, 5, 3), *column(0.05, 3, 1)], FORECASTING.metrics[0]) == 10
    assert asked(column(0.05, 2), FORECASTING.metrics[0]) == 3, "none is judged"
    assert asked(column(0.05, 5, lookback="96"), FORECASTING.metrics[0]) == 3, "none can be compared"


@pytest.mark.parametrize("spread", [0.005, *SPREADS])
def test_false_verdicts_stay_rare_with_the_stopping(spread: float) -> None:
    assert percent(with_auto(spread, 0.02, np.inf, 4, 6000)[1].reproduced) <= 6.5
    assert percent(with_auto(spread, 0.0, ONCE, 4, 2000)[1].beyond) <= 4


def planned(made: Any, seeds: int = 3) -> list[Planned]:
    return plan(made.catalogue, Selection(papers=("made",), subset=("toy",), seeds=tuple(range(seeds))), synthetic_sha256)


def shown(made: Any, cells: Sequence[Planned]) -> list[str]:
    found = takes.known(cells, made.catalogue.papers, judged.read(made.results))
    return listing.text(cells, listing.statuses(cells, Store(made.results)), made.catalogue.papers, {}, found).splitlines()


def test_a_plan_says_what_would_decide_what_is_open(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.380, 0.385, 0.390)
    made.add("toy", 8, "With_SAM", 0.41, 0.42)
    made.add("toy", 4, "Plain", 0.45, 0.45, 0.45)
    cells = planned(made)
    assert not any("decide" in line for line in shown(made, cells)), "nothing is known without the file"
    judge(made.catalogue, made.results)
    assert shown(made, cells) == [
        "made/toy/4/With_SAM/sam  seeds 0–2  3 done  within 3.6 %; 23 seeds would decide it",
        "made/toy/4/Plain  seeds 0–2  3 done",
        "made/toy/8/With_SAM/sam  seeds 0–2  2 done, 1 to run  too few seeds: 3 seeds to be judged at all; "
        "then no number of seeds decides it: the paper's own may explain it",
        "made/toy/8/Plain  seeds 0–2  3 to run",
        "2 open cells: 20 more seeds would decide 1 of them; 1 is out of reach of 100 seeds",
        "cells=12 done=8 refused=0 failed=0",
    ]


def test_a_plan_says_how_long_that_takes(made: Any) -> None:
    found = {"made/toy/4/With_SAM/sam": judged.JudgedCell(verdict="within 2.4 %", n=3, needed=9, seconds=600.0),
             "made/toy/8/With_SAM/sam": judged.JudgedCell(verdict="within 3.0 %", n=3, why="the paper's own may"),
             "made/toy/8/Plain": judged.JudgedCell(verdict="within 2.1 %", n=3, needed=101, seconds=1.0)}  # fmt: skip
    cells = planned(made)
    lines = listing.text(cells, [listing.TO_RUN] * len(cells), made.catalogue.papers, {}, found).splitlines()
    assert lines[0].endswith("within 2.4 %; 9 seeds would decide it (+ 60 min)")
    assert lines[2].endswith("within 3.0 %, and no number of seeds decides it: the paper's own may")
    assert lines[3].endswith("within 2.1 %; more than 100 seeds would decide it")
    assert lines[4:5] == [
        "3 open cells: 6 more seeds would decide 1 of them, 60 min on one core; 2 are out of reach of 100 seeds",
    ]
    few = {"made/toy/4/Plain": judged.JudgedCell(verdict="too few seeds", n=1, to_judge=3, seconds=600.0)}
    lines = listing.text(cells, [listing.TO_RUN] * len(cells), made.catalogue.papers, {}, few).splitlines()
    assert lines[1].endswith("too few seeds: 3 seeds to be judged at all (+ 20 min)")
    assert lines[4] == "1 open cell: 2 more seeds would have a verdict on 1 of them, 20 min on one core"
    listed = json.loads(listing.as_object(cells, [listing.TO_RUN] * len(cells), found))["open"]
    assert [each["seeds_needed"] for each in listed] == [9, None, 101] and listed[1]["why"]


def test_what_was_found_of_other_cells_says_nothing(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.380, 0.385, 0.390)
    judge(made.catalogue, made.results)
    found = judged.read(made.results)
    cells = [replace(each, digest="0" * 64) for each in planned(made)]
    assert takes.known(planned(made), made.catalogue.papers, found)
    assert takes.known(cells, made.catalogue.papers, found) == takes.known(cells, made.catalogue.papers, None) == {}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema":0}', '{"schema":1,"cells":{"a":{}},"columns":{}}'])
def test_a_file_that_cannot_be_used_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / judged.NAME).write_text(content)
    assert judged.read(tmp_path) is None and judged.read(tmp_path / "nowhere") is None


SPREAD = {"With_SAM": 0.08, "Plain": 0.001}
"""Of made-up trainings: one column asks for ten seeds, the other for three."""


class Trained(Session):
    """A session that writes made-up Results in the place of training."""

    rounds: list[int]

    @contextmanager
    def _queue(self, todo: Sequence[Planned], cells: Sequence[Planned]) -> Iterator[Any]:
        self.rounds.append(len(todo))
        yield self
        for each in todo:
            rng = np.random.default_rng([each.cell.seed, each.cell.horizon])
            mse = 0.5 * (1 + SPREAD[each.cell.model] * rng.standard_normal())
            metrics = {f"{split}_{name}": mse for split in ("test", "val") for name in ("mse", "mae")}
            sha256 = synthetic_sha256(self.catalogue.datasets[each.cell.dataset])
            assert each.digest is not None
            self.store.write(Result(each.cell.key, each.digest, "done", dict(vars(each.cell)), metrics=metrics,
                                    data_sha256=sha256))  # fmt: skip

    def run(self) -> None:
        """As a queue's."""


def session(made: Any, *options: str) -> Trained:
    asked_for = vars(
        parser().parse_args(["--papers", "made", "--subset", "toy", "--results-dir", str(made.results), *options])
    )
    asked_for.pop("list")
    found = Trained(Request(**asked_for))
    found.catalogue, found.rounds = made.catalogue, []
    return found


def test_seeds_auto_gives_a_wide_column_more_seeds_and_a_narrow_one_three(
    made: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = session(made, "--seeds", "auto")
    assert run.go(render, judge) == 0
    assert run.rounds == [12, 4, 10], "three seeds of four cells, then two and five more of the two that are wide"
    assert capsys.readouterr().out.splitlines()[-1] == "cells=26 done=26 refused=0 failed=0"
    again = session(made, "--seeds", "auto")
    (made.results / judged.NAME).unlink()
    assert again.go(render, judge) == 0 and again.rounds == [], "what is done is not done again, the file or not"
    forced = session(made, "--seeds", "auto", "--force")
    assert forced.go(render, judge) == 0 and forced.rounds == [26], "each cell once"


def test_a_plan_of_seeds_auto_says_which_step_it_is(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert session(made, "--seeds", "auto", "--dry-run").go(render, judge) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "cells=12 done=0 refused=0 failed=0"
    assert "--seeds auto: there is no judged.json beside the Results, so this is the first step alone" in said.err
    judge(made.catalogue, made.results)
    assert session(made, "--seeds", "auto", "--dry-run").go(render, judge) == 0
    assert "--seeds auto: this is one step, by the seeds that are there" in capsys.readouterr().err
    assert session(made, "--dry-run").go(render, judge) == 0
    assert "auto" not in capsys.readouterr().err


def test_seeds_auto_goes_on_from_the_median_of_what_is_there() -> None:
    def of(*counts: int) -> list[Beside]:
        return [Beside(ours=Ours.of({seed: 0.4 + 0.02 * (seed % 2) for seed in range(n)}), profile="paper", lookback=512,
                       printed=PrintedNumber(0.4, None, "512", "verified", "made up")) for n in counts]  # fmt: skip

    steps = {(3, 3, 10): 5, (3, 5): 5, (5, 7): 10, (5, 5, 10): 10, (2, 2): 3}
    assert {counts: asked(of(*counts), FORECASTING.metrics[0]) for counts in steps} == steps


def test_seeds_auto_and_a_part_of_the_grid_do_not_go_together(made: Any) -> None:
    with pytest.raises(Exception, match="--seeds auto looks at whole columns, --shard trains parts of them: give one of"):
        session(made, "--seeds", "auto", "--shard", "1/2").go(render, judge)
