"""What came of a cell over all its seeds, as the runs of MLflow say it; MLflow itself is played here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.store.judged import Judged, JudgedCell, by_digest
from benchmark.store.result import Result
from benchmark.tracking.invocation import _judge_earlier_seeds
from benchmark.tracking.runs import verdict_tags
from benchmark.tracking.sync import Rebuild

CELL = JudgedCell(verdict="within 3.1 %", n=3, needed=39, digests=("aa", "bb"))
TAGS = {"verdict": "within 3.1 %", "verdict_seeds": "3", "verdict_would_need": "39"}


class Client:
    """Of MLflow what is asked of it here."""

    def __init__(self) -> None:
        self.runs = {digest: run(digest) for digest in ("aa", "bb", "cc")}
        self.calls = 0

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        self.calls += 1
        self.runs[run_id].data.tags[name] = value

    def search_runs(self, experiments: list[str], condition: str, **more: Any) -> Any:
        class Page(list[Any]):
            token = None

        return Page(run for digest, run in self.runs.items() if condition == f"tags.digest = '{digest}'")


def run(digest: str) -> Any:
    return SimpleNamespace(info=SimpleNamespace(run_id=digest, status="FINISHED"),
                           data=SimpleNamespace(tags={"digest": digest, "started": "a", "ended": "b"}))  # fmt: skip


@pytest.fixture
def rebuild() -> Rebuild:
    return Rebuild(Client(), Path(), {"made": "1"}, judged=by_digest(Judged({"made/…": CELL})))  # type: ignore[arg-type]


def test_tags() -> None:
    assert verdict_tags(CELL) == TAGS
    assert verdict_tags(JudgedCell(verdict="", n=3)) == {}, "nothing is printed"
    for cell, needs in ((JudgedCell(verdict="worse", n=3), "nothing"),
                        (JudgedCell(verdict="within 4 %", n=3, why="the paper's own"), "the paper's own")):  # fmt: skip
        assert verdict_tags(cell)["verdict_would_need"] == needs


def test_a_run_says_its_cells_verdict_once(rebuild: Rebuild) -> None:
    client: Any = rebuild.client
    for digest in ("aa", "cc"):
        rebuild.cell(Result("key", digest, "done", {}, started="a", ended="b"), [client.runs[digest]])
    assert {k: v for k, v in client.runs["aa"].data.tags.items() if k in TAGS} == TAGS
    assert "verdict" not in client.runs["cc"].data.tags, "of a cell that nobody has judged"
    rebuild.cell(Result("key", "aa", "done", {}, started="a", ended="b"), [client.runs["aa"]])
    assert client.calls == 3, "what is said is not said again"


def test_the_runs_of_earlier_seeds_say_what_has_come_of_it(rebuild: Rebuild) -> None:
    client: Any = rebuild.client
    _judge_earlier_seeds(rebuild, ["bb"])
    assert "verdict" not in client.runs["bb"].data.tags, "those of this invocation are said elsewhere"
    assert client.runs["aa"].data.tags["verdict"] == "within 3.1 %"
