"""Results of other code than today's are told, in a plan and in a table, and can be run again; a refactoring marks none."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

import run_all
from baselines import MODELS
from benchmark.cell import Experiment
from benchmark.config.catalogue import catalogue
from benchmark.data.files import synthetic_sha256
from benchmark.grid import code
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.code import Sources, changed, code_of, identity, tree_sha256
from benchmark.grid.plan import plan
from benchmark.runner.job import Job
from benchmark.show import main as show
from benchmark.store.result import Result
from benchmark.store.store import Store
from tables.__main__ import main as tables
from tools import same_code

SNIPPET = '''
def f(x: int, *, y: str = "a") -> str:
    """Says something."""
    return f"{x!r:>{len(y)}} and {y}" if x else None
'''


def test_layout_comments_and_texts_that_stand_alone_do_not_count_and_all_pythons_agree() -> None:
    other = SNIPPET.replace('    """Says something."""\n', "    # what\n").replace(" if x", "  if  x")
    assert other != SNIPPET and tree_sha256(SNIPPET) == tree_sha256(other) == tree_sha256(f'"""A file."""\n{SNIPPET}')
    assert tree_sha256(SNIPPET) == "d89ba3cd320bb0c33b8c54162c33a8308f0d3b9e6f04d31964db6d3b3933f8e3"
    for old, new in (('"a"', '"b"'), ("None", "0"), ("!r", "!s"), ("if x", "if not x"), ("*, ", ""), ('"a"', '""')):
        assert tree_sha256(SNIPPET.replace(old, new)) != tree_sha256(SNIPPET)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small one with the files that count, and some that do not."""
    files = {
        "benchmark/cell.py": "from benchmark import problems\nfrom benchmark.store.store import Store\n",
        "benchmark/problems/__init__.py": "from benchmark.data import registry\n",
        "benchmark/problems/forecasting.py": "def f():\n    from benchmark.data import windows\n",
        "benchmark/data/__init__.py": "", "benchmark/data/registry.py": "X = 1\n", "benchmark/data/windows.py": "W = 1\n",
        "benchmark/store/store.py": "S = 1\n", "baselines/a.py": "import baselines.layers\n",
        "baselines/layers.py": "L = 1\n", "baselines/b.py": "B = 1\n",
    }  # fmt: skip
    for name, text in files.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "checkout"


def reached(checkout: Path) -> dict[str, str]:
    found = Sources(checkout, checkout.parent / "cache")
    return found.reached("benchmark/cell.py", "benchmark/problems/forecasting.py", "baselines/a.py")


def test_a_number_depends_on_what_its_sources_lead_to(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = reached(checkout)
    assert list(before) == ["baselines/a.py", "baselines/layers.py", "benchmark/cell.py", "benchmark/data/windows.py",
                            "benchmark/problems/__init__.py", "benchmark/problems/forecasting.py"]  # fmt: skip
    for path, counts in (("benchmark/store/store.py", False), ("benchmark/data/registry.py", False),
                         ("baselines/b.py", False), ("baselines/layers.py", True)):  # fmt: skip
        (checkout / path).write_text("Y = 2  # more\n")
        assert changed(before, reached(checkout)) == ((path,) if counts else ())
    with monkeypatch.context() as patch:
        patch.setattr(code, "tree_sha256", lambda text: pytest.fail("nothing changed, and it is read anew"))
        after = reached(checkout)
    (checkout.parent / "cache" / "sources.json").write_text("[1")
    assert reached(checkout) == after
    os.utime(checkout / "baselines/a.py", (1, 1))
    assert reached(checkout) == after


def test_codes_that_gave_the_same_numbers_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three, four = ({"baselines/x.py": letter * 64} for letter in "abcd")
    path = tmp_path / "same.json"
    path.write_text("[]")
    monkeypatch.setattr(code, "SAME", path)
    code._same.cache_clear()
    assert changed(one, three) == ("baselines/x.py",) and changed({}, one) == changed(one, {}) == changed(one, one) == ()
    assert same_code.note([(identity(one), identity(two)), (identity(four), identity(three))], path) == 2
    assert same_code.note([(identity(one), identity(two)), (identity(two), identity(three))], path) == 1
    code._same.cache_clear()
    assert changed(one, four) == changed(four, one) == changed(one, three) == ()
    assert code.canonical(one) == code.canonical(four) == min(map(identity, (one, two, three, four)))
    assert code.canonical({"x.py": "e"}) == identity({"x.py": "e"}) and code.canonical({}) is None
    assert changed(one, {"baselines/y.py": "a" * 64}) == ("baselines/x.py", "baselines/y.py")
    code._same.cache_clear()
    assert json.loads((ROOT / "benchmark/grid/same_code.json").read_text()) is not None


def test_a_refactoring_is_held_to_every_model_of_forecasting() -> None:
    """Results of a model that is not among them would be marked for good by the first change of a file that all have."""
    columns = yaml.safe_load(same_code.CELLS.read_text())["columns"].values()
    assert {each["model"] for each in columns} == {m.name for m in MODELS.values() if m.task == "forecasting"}


def stored(folder: Path, planned: Planned, made_by: dict[str, str], mse: float = 0.4) -> Result:
    assert planned.digest is not None and planned.recipe is not None
    metrics = dict.fromkeys(("test_mse", "test_mae", "val_mse", "val_mae"), mse)
    result = Result(planned.cell.key, planned.digest, "done", dict(vars(planned.cell)), metrics=metrics,
                    recipe=planned.recipe.plain(), code=made_by, data_sha256="0" * 64)  # fmt: skip
    Store(folder).write(result)
    return result


def planned_cells() -> list[Planned]:
    return plan(
        catalogue(), Selection(papers=("toy",), models=("SAMformer", "Transformer"), seeds=(0, 1)), synthetic_sha256
    )


def test_a_plan_a_table_and_a_retry_know_results_of_other_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = planned_cells()
    assert len(cells) == 4 and cells[0].recipe is not None
    today = dict(code_of(cells[0].recipe))
    other = today | {"baselines/samformer.py": "0" * 64}
    for planned, made_by in zip(cells, (today, other, other, {}), strict=True):
        stored(tmp_path, planned, made_by)
    asked = ["--papers", "toy", "--models", "SAMformer,Transformer", "--seeds", "2", "--results-dir", str(tmp_path)]
    told = "2 Results were made by other code (baselines/samformer.py); --retry stale runs such cells again"
    assert run_all.main([*asked, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert f"run_all.py: {told}\n" in said.err and said.out.splitlines()[-1] == "cells=4 done=4 refused=0 failed=0"
    assert run_all.main([*asked, "--dry-run", "--retry", "stale", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["cells"]
    assert [cell["status"] for cell in listed] == ["done", "to run", "to run", "done"]
    assert run_all.main([*asked, "--no-mlflow"]) == 0
    said = capsys.readouterr()
    assert told in said.err and "to train" not in said.out
    text = (tmp_path / "tables" / "toy.md").read_text("utf-8")
    assert "◊ made by other code" in text and "Made by other code than today's: 2 cells (baselines/samformer.py)." in text
    assert text.count("◊ |") > 1 and r"$^{\diamond}$" in (tmp_path / "tables" / "toy.tex").read_text("utf-8")
    assert show([cells[1].cell.key, "--results-dir", str(tmp_path)]) == 0
    assert "\nmade by other code than today's: baselines/samformer.py; " in capsys.readouterr().out
    for planned in cells[1:3]:
        stored(tmp_path, planned, today)
    assert tables(["render", "--no-figures", "--results-dir", str(tmp_path)]) == 0
    assert "◊" not in (tmp_path / "tables" / "toy.md").read_text("utf-8")


def test_two_that_retry_train_a_cell_once(tmp_path: Path) -> None:
    planned = planned_cells()[0]
    assert planned.digest is not None and planned.recipe is not None
    today = code_of(planned.recipe)
    dataset = catalogue().datasets["toy"]
    experiment = Experiment(planned.cell, planned.digest, planned.recipe, dataset, None, "", None, "cpu", None, today)
    job = Job(experiment, tmp_path, replaces_other_code=True)
    old = stored(tmp_path, planned, {**today, "baselines/samformer.py": "0" * 64})
    assert not job.stands(old) and replace(job, replaces_other_code=False).stands(old)
    assert job.stands(replace(old, code=today)) and job.stands(replace(old, code={}))
    failed = job.without_result("failed", "as it was asked to")
    assert failed.code == today and failed.semantics is not None
    kept = replace(job, replaces_other_code=False).record(failed, lambda: False)
    assert isinstance(kept, Result) and kept.status == "done"
    assert job.record(failed, lambda: False) is failed and Store(tmp_path).status(planned.digest) == "failed"


def of(model: str, mse: float, made_by: dict[str, str], seed: int = 0) -> Result:
    epochs = ({"train_loss": mse, "seconds": mse},)
    return Result(f"same/toy/4/{model}/s{seed}", "0" * 64, "done", {}, metrics={"test_mse": mse}, recipe={"model": model},
                  code=made_by, epochs=epochs)  # fmt: skip


def test_what_the_tool_notes() -> None:
    """Equal to the bit in all its cells, and of another code: then, and only then."""
    a, b = {"baselines/x.py": "a" * 64}, {"baselines/x.py": "b" * 64}
    old = {r.key: r for r in (of("x", 0.1, a), of("x", 0.2, a, 1), of("y", 0.3, a), of("z", 0.4, {}), of("w", 0.5, a))}
    new = {key: replace(r, code=a if "/w/" in key else b, seconds=9.0) for key, r in old.items()}
    del old["same/toy/4/y/s0"], new["same/toy/4/y/s0"]
    pairs, lines = same_code.compared(old, new)
    assert pairs == [(identity(a), identity(b))] and [line.split(":")[0] for line in lines] == ["z"]
    old["same/toy/4/y/s0"], new["same/toy/4/y/s0"] = of("y", 0.3, a), of("y", 0.30000000000000004, b)
    assert same_code.compared(old, new)[1][0].startswith("y: other numbers, as in same/toy/4/y/s0")
    del new["same/toy/4/x/s1"]
    assert same_code.compared(old, new)[0] == []


@pytest.mark.parametrize(("there", "same"), [({"a": 0.7183117525521856}, True), ({"a": 0.71831176}, False), ({}, False)])
def test_a_metric_that_decides_nothing_may_differ_by_rounding(there: dict[str, float], same: bool) -> None:
    one = replace(of("x", 0.1, {}), extra_metrics={"a": 0.7183117525521853})
    assert same_code.same(one, replace(one, extra_metrics=there)) is same
    assert not same_code.same(one, replace(one, metrics={"test_mse": 0.10000000000000002}))


@pytest.mark.long
def test_the_tool_finds_this_code_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_code, "SAME", tmp_path / "same.json")
    assert same_code.main([str(ROOT)]) == 0 and not (tmp_path / "same.json").exists()
