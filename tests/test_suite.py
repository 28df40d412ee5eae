"""`from benchmark import Suite`: the plan, the run and the rows as DataFrames; asking is checked; importing it is cheap."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import run_all
from benchmark import Suite
from benchmark.errors import UsageError


def test_the_example_of_its_docstring_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(Suite) or "", {}, "Suite", None, None)
    said: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert found.failed == 0 and found.attempted >= 6, "".join(said)
    assert (tmp_path / "results/report.html").is_file()


def test_its_options_are_those_of_the_command_line_with_their_defaults(tmp_path: Path) -> None:
    asked = vars(run_all.parser().parse_args([]))
    given = inspect.signature(Suite).parameters
    left_out = {"backend", "scheduler", "shard", "list", "dry_run", "json", "config"}
    assert given.keys() == asked.keys() - left_out | {"config"}
    for option in given.keys() - {"config", "results_dir"}:
        assert given[option].default == asked[option], option
    assert vars(Suite().request) == {name: value for name, value in asked.items() if name != "list"}


def test_a_plan_is_what_the_command_line_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = Suite(papers=["toy", "var"], models="SAMformer,Transformer", seeds=[0, 3], results_dir=tmp_path)
    frame = suite.plan()
    assert run_all.main(["--papers", "toy,var", "--models", "SAMformer,Transformer", "--seeds", "0,3", "--dry-run",
                         "--results-dir", str(tmp_path)]) == 0  # fmt: skip
    assert capsys.readouterr().out.endswith(f"cells={len(frame)} done=0 refused=0 failed=0\n")
    assert set(frame.seed) == {0, 3} and set(frame.paper) <= {"toy", "var"} and frame.digest.notna().all()
    rows = suite.rows()
    assert set(rows.n) == {0} and rows["mean"].isna().all() and set(rows.profile) == {"paper"}


@pytest.mark.parametrize(("options", "what"), [
    ({"profile": "quik"}, "profile: unknown 'quik'; did you mean 'quick'?"),
    ({"seeds": "three"}, "seeds: expected a number, a list of numbers or 'auto', found 'three'"),
    ({"seeds": 0}, "seeds: expected whole numbers from 1, found 0"),
    ({"horizons": [96, 0]}, r"horizons: expected whole numbers from 1, found \[96, 0\]"),
    ({"force": True, "retry": "failed"}, "--force runs every cell again"),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_sentence(options: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        Suite(**options)


def test_importing_the_package_or_planning_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, benchmark; assert 'benchmark.session' not in sys.modules and 'pandas' not in sys.modules; "
        f"benchmark.Suite(papers='toy', results_dir={str(tmp_path)!r}).plan(); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
