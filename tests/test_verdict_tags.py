"""What came of a cell over all its seeds, as the runs of MLflow say it; MLflow itself is played here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.store.judged import Judged, JudgedCell, by_digest
from benchmark.store.result import Result
from benchmark.tracking.attached import Shown, attach
from benchmark.tracking.invocation import _judge_earlier_seeds, _supersede
from benchmark.tracking.parents import COMMAND, command_line, sum_up
from benchmark.tracking.runs import order, verdict_tags
from benchmark.tracking.sync import Rebuild
from benchmark.tracking.view import CURRENT, address, experiment_tags

CELL = JudgedCell(verdict="within 3.1 %", n=3, needed=39, published=0.38, deviation_pct=1.5, digests=("aa", "bb"))
TAGS = {"verdict": "within 3.1 %", "verdict_seeds": "3", "verdict_would_need": "39"}


class Client:
    """Of MLflow what is asked of it here."""

    def __init__(self) -> None:
        self.runs = {digest: run(digest) for digest in ("aa", "bb", "cc")}
        self.calls = 0

    def log_batch(self, run_id: str, metrics: Any = (), tags: Any = ()) -> None:
        self.calls += 1
        self.runs[run_id].data.tags.update({each.key: each.value for each in tags})
        self.runs[run_id].data.metrics.update({each.key: each.value for each in metrics})

    def search_runs(self, experiments: list[str], condition: str, **more: Any) -> Any:
        class Page(list[Any]):
            token = None

        return Page(run for digest, run in self.runs.items() if condition in (f"tags.digest = '{digest}'", CURRENT))


def run(digest: str) -> Any:
    data = SimpleNamespace(tags={"digest": digest, "started": "a", "ended": "b"}, metrics={})
    return SimpleNamespace(info=SimpleNamespace(run_id=digest, status="FINISHED"), data=data)


@pytest.fixture
def rebuild() -> Rebuild:
    return Rebuild(Client(), Path(), {"made": "1"}, judged=by_digest(Judged({"made/…": CELL})))  # type: ignore[arg-type]


def test_tags() -> None:
    assert verdict_tags(CELL) == TAGS
    assert verdict_tags(JudgedCell(verdict="", n=3)) == {}, "nothing is printed"
    for cell, needs in ((JudgedCell(verdict="worse", n=3), "nothing"),
                        (JudgedCell(verdict="within 4 %", n=3, why="the paper's own"), "the paper's own")):  # fmt: skip
        assert verdict_tags(cell)["verdict_would_need"] == needs


def result(digest: str, ended: str = "b", **cell: Any) -> Result:
    where = {"paper": "made", "dataset": "toy", "horizon": 96, "lookback": 512, "model": "M", "sam": True, "seed": 2,
             "protocol": "paper", "profile": "paper"}  # fmt: skip
    return Result("key", digest, "done", where | cell, started="a", ended=ended)


def test_a_run_says_its_cells_verdict_once(rebuild: Rebuild) -> None:
    client: Any = rebuild.client
    for digest in ("aa", "cc"):
        rebuild.cell(result(digest), [client.runs[digest]])
    assert {k: v for k, v in client.runs["aa"].data.tags.items() if k in TAGS} == TAGS
    assert client.runs["aa"].data.metrics == {"published": 0.38, "deviation_pct": 1.5}
    assert "verdict" not in client.runs["cc"].data.tags, "of a cell that nobody has judged"
    calls = client.calls
    rebuild.cell(result("aa"), [client.runs["aa"]])
    assert client.calls == calls, "what is said is not said again"


def test_the_texts_that_runs_are_sorted_by_stand_as_numbers_do() -> None:
    found = [order(result("aa", horizon=h, seed=s)) for h, s in ((720, 0), (96, 10), (96, 9))]
    assert sorted(found) == found[::-1]


def test_a_run_whose_result_is_not_the_stores_any_more_says_so(rebuild: Rebuild) -> None:
    """After --force: below an earlier invocation, and beside the run that shows the Result."""
    client: Any = rebuild.client
    _supersede(rebuild, [result("aa", ended="later")])
    assert client.runs["aa"].data.tags["current"] == "no: superseded by the Result that ended later"
    later = run("dd")
    later.data.tags["ended"] = "later"
    client.runs["dd"] = later
    rebuild.cell(result("bb", ended="later"), [client.runs["bb"], later])
    assert client.runs["bb"].data.tags["current"].startswith("no: superseded") and later.data.tags["current"] == "yes"


def test_a_cells_run_gets_its_log_its_result_and_a_picture_once(tmp_path: Path) -> None:
    for name in ("logs/aa.log", "cells/aa.json", "forecasts/aa.npz"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    given: list[Any] = []
    client: Any = SimpleNamespace(
        log_artifacts=lambda run_id, folder: given.append((run_id, sorted(path.name for path in Path(folder).iterdir()))),
        set_tag=lambda run_id, name, value: given.append((run_id, name, value)),
    )
    shown = [Shown("1", "key", "aa", ""), Shown("2", "key", "none", ""), Shown("3", "key", "aa", "yes")]
    assert attach(client, shown, tmp_path, lambda kept, key: kept.read_bytes() + key.encode()) == 0
    assert given == [("1", ["forecast.png", "log.txt", "result.json"]), ("1", "attached", "yes"), ("2", "attached", "yes")]
    assert attach(client, shown, tmp_path, None, seconds=-1) == 2, "time is over"


def test_a_run_without_figures_leaves_the_pictures_to_sync(tmp_path: Path) -> None:
    for name in ("logs/aa.log", "forecasts/aa.npz"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    given: list[Any] = []
    client: Any = SimpleNamespace(
        log_artifacts=lambda run_id, folder: given.append(sorted(path.name for path in Path(folder).iterdir())),
        set_tag=lambda run_id, name, value: given.append(value),
    )
    attach(client, [Shown("1", "key", "aa", "")], tmp_path, None)
    assert given == [["log.txt"], "yes, but for pictures"]
    attach(client, [Shown("1", "key", "aa", given[1])], tmp_path, None)
    assert len(given) == 2, "nothing twice"
    attach(client, [Shown("1", "key", "aa", given[1])], tmp_path, lambda kept, key: b"drawn")
    assert given[2:] == [["forecast.png", "log.txt"], "yes"]


def test_an_invocations_run_says_its_command_and_the_sums_of_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/x/run_all.py", "--subset", "ETT", "--config", "my own.yaml"])
    assert command_line() == "python run_all.py --subset ETT --config 'my own.yaml'"
    parent = run("parent")
    parent.data.tags[COMMAND] = command_line()
    said: dict[str, Any] = {}

    def log_batch(run_id: str, metrics: Any, tags: Any) -> None:
        said.update({each.key: each.value for each in (*metrics, *tags)})

    client: Any = SimpleNamespace(get_run=lambda run_id: parent, log_batch=log_batch)
    cells = by_digest(Judged({"made/…": CELL, "other/…": JudgedCell(verdict="reproduced", n=3, digests=("cc",))}))
    sum_up(client, "parent", [replace(result(digest), seconds=90.0) for digest in ("aa", "bb", "cc")], cells)
    assert said["verdict"] == "1 reproduced, 1 within" and said["seconds"] == 270 and said["cells_done"] == 3
    assert said["verdicts_reproduced"] == said["verdicts_within"] == 1
    note = said["mlflow.note.content"]
    assert command_line() in note and "3 trainings (3 done), 4.5 minutes of training in all." in note
    monkeypatch.setattr("sys.argv", ["/usr/lib/python3/ipykernel_launcher.py", "-f", "somewhere"])
    assert command_line() == "", "another program's words are not ours to show"


def test_the_address_opens_the_ui_on_the_runs_with_their_numbers_in_columns() -> None:
    shared = json.loads(experiment_tags()["mlflow.sharedViewState.cells"])
    assert {"metrics.`test_mse`", "metrics.`published`", "metrics.`deviation_pct`", "tags.`verdict`"} <= set(
        shared["selectedColumns"]
    )
    assert shared["searchFilter"] == CURRENT and shared["orderByKey"] == "tags.`order`"
    found = address("http://127.0.0.1:5000", "7")
    assert found == "http://127.0.0.1:5000/#/experiments/7/runs?viewStateShareKey=cells&workflowType=machine_learning"


def test_the_runs_of_earlier_seeds_say_what_has_come_of_it(rebuild: Rebuild) -> None:
    client: Any = rebuild.client
    _judge_earlier_seeds(rebuild, ["bb"])
    assert "verdict" not in client.runs["bb"].data.tags, "those of this invocation are said elsewhere"
    assert client.runs["aa"].data.tags["verdict"] == "within 3.1 %"
