"""How deep it goes from `main` to what matters: few functions, each with a name of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from pools import Here

import run_all
from baselines.optimizers import SAM
from benchmark.runner import pool
from benchmark.runner.job import Job
from tables.__main__ import main as tables
from tables.layout.markdown import Markdown


def depth() -> list[str]:
    """The suite's functions on this thread's stack, the innermost last; not the library's, nor those of tests."""
    found, frame = [], sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if ROOT in path.parents and ROOT / "tests" not in path.parents and not frame.f_code.co_name.startswith("<"):
            found.append(frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return found[::-1]


def test_from_main_to_sams_second_pass(
    tiny: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[str]] = {}
    ascend = SAM.ascend

    def noted(self: SAM) -> Any:
        seen["worker"] = [*depth(), "ascend"]
        return ascend(self)

    def submitted(job: Job) -> None:
        seen["parent"] = [*depth(), "submit"]

    monkeypatch.setattr(SAM, "ascend", noted)
    monkeypatch.setattr(Here, "submitted", staticmethod(submitted))
    monkeypatch.setattr(pool, "LocalPool", Here)
    asked = ["--papers", "tiny", "--models", "SAMformer", "--horizons", "4", "--seeds", "1", "--no-mlflow"]
    assert run_all.main(["--config", str(tiny(1)), *asked, "--results-dir", str(tmp_path / "results")]) == 0
    assert seen["parent"] == ["main", "go", "run", "submit"]
    assert seen["worker"] == ["work", "train", "train_and_test", "fit", "_go_on", "run_epoch", "step", "ascend"]


@pytest.mark.usefixtures("semantics_2")
def test_from_main_to_a_cell_of_a_markdown_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "frozen"))
    from test_old_store import unpack

    seen: list[list[str]] = []
    ours = Markdown.ours
    monkeypatch.setattr(Markdown, "ours", lambda *given: seen.append([*depth(), "ours"]) or ours(*given))
    store = unpack(tmp_path / "results")
    assert tables(["render", "--no-figures", "--papers", "samformer", "--results-dir", str(store)]) == 0
    assert seen[0] == ["main", "_render", "render", "document", "own_table", "upright", "cell", "ours"]
