"""Cells that go wrong in every way there is: each ends as a Result that says so, and the others go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, TINY, Run
from test_runner import until

from benchmark.store.result import Result
from benchmark.store.store import Store

LIMIT = "30s"
"""Of a cell. What hangs is waited for; others may be in a fresh worker, which imports for seconds on a busy machine."""
MISBEHAVING = str(ROOT / "tests" / "misbehaving")
HEAD, _, _ = TINY.replace("paper: tiny", "paper: bad").replace("EPOCHS", "2").partition("columns:")
BAD = HEAD.replace("[4, 8]", "[4]").replace("seeds: {value: 3", "seeds: {value: 1") + "columns:\n"
COLUMN = """  NAME:
    model: misbehaving
    main: true
    sam: false
    arguments: {how: {value: HOW, source: test, status: ours}}
"""


@pytest.fixture
def bad(tmp_path: Path) -> Callable[..., list[str]]:
    """Options for a paper of one cell for each way to go wrong, each ended after LIMIT."""

    def write(*ways: str) -> list[str]:
        columns = [COLUMN.replace("NAME", way.split()[0]).replace("HOW", f"'{way}'") for way in ways]
        (tmp_path / "bad.yaml").write_text(BAD + "".join(columns))
        return ["--subset", "toy", "--papers", "tiny,bad", "--config", str(tmp_path / "bad.yaml"), "--timeout", LIMIT]

    return write


def ended(folder: Path) -> dict[str, Result]:
    return {str(r.cell["model"]): r for r in Store(folder).results() if r.cell["paper"] == "bad"}


EXPECTED = {
    "raise": ("failed", "ValueError: as it was asked to", "Traceback"),
    "leave": ("failed", "SystemExit: as it was asked to", "Traceback"),
    "diverge": ("diverged", "train loss nan", None),
    "hang": ("timeout", "not done within 30 s", "misbehaving.py"),
    "eat": ("failed", "allocate", "Traceback"),
    "exit": ("killed", "with exit status 3", None),
    "crash": ("killed", "by signal SIGSEGV", "Segmentation fault"),
}


def check(found: dict[str, Result]) -> None:
    assert found.keys() == EXPECTED.keys()
    for way, (status, reason, trace) in EXPECTED.items():
        result = found[way]
        assert (result.status, reason in (result.reason or "")) == (status, True), result
        assert (trace is None and not result.traceback) or (trace or "") in (result.traceback or ""), result


def test_thirty_five_cells_of_which_seven_go_wrong(
    run_all: Run, bad: Callable[..., list[str]], tiny: Callable[[int], Path], tmp_path: Path
) -> None:
    config = tiny(1)
    config.write_text(config.read_text().replace("seeds: {value: 3", "seeds: {value: 14").replace("[4, 8]", "[4]"))
    done = run_all(*bad(*EXPECTED), "--config", str(config), "--jobs", "2", PYTHONPATH=MISBEHAVING)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == "cells=35 done=28 refused=0 failed=7", done.stdout
    check(ended(tmp_path / "results"))
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(lines) == 35 and sum("] done " in line for line in lines) == 28
    assert not list((tmp_path / "results" / "leases").iterdir())


def test_a_cell_that_is_killed_is_tried_alone_once(
    run_all: Run, bad: Callable[..., list[str]], tiny: Callable[[int], Path], tmp_path: Path
) -> None:
    ways = ("killed", f"killed_once {tmp_path / 'mark'}")
    done = run_all(*bad(*ways), "--config", str(tiny(1)), "--jobs", "2", PYTHONPATH=MISBEHAVING)
    assert done.stdout.splitlines()[-1] == "cells=14 done=13 refused=0 failed=1", done.stdout + done.stderr
    found = ended(tmp_path / "results")
    assert found["killed_once"].status == "done" and found["killed"].status == "killed"
    assert "twice, the second time alone; the last time by signal SIGKILL (out of memory" in (found["killed"].reason or "")


def test_code_that_holds_pythons_lock_is_ended_all_the_same(
    run_all: Run, bad: Callable[..., list[str]], tiny: Callable[[int], Path], tmp_path: Path
) -> None:
    options = [*_alone(bad("hang_in_c")), "--timeout", "8s", "--jobs", "1"]
    done = run_all(*options, "--config", str(tiny(1)), PYTHONPATH=MISBEHAVING)
    assert done.returncode == 1, done.stderr
    (result,) = ended(tmp_path / "results").values()
    assert result.status == "timeout" and "no Python code ran" in (result.reason or "")
    assert "misbehaving.py" in (result.traceback or "")


def test_ctrl_c_twice_ends_even_a_cell_that_hangs(bad: Callable[..., list[str]], tmp_path: Path) -> None:
    folder = tmp_path / "results"
    command = [sys.executable, "run_all.py", *_alone(bad("hang")[:-2]), "--no-figures", "--results-dir", str(folder)]
    env = os.environ | {"PYTHONPATH": MISBEHAVING, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env)
    until(lambda: any((folder / "leases").glob("*.json")), 120)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "ending the epochs under way" not in process.stderr.readline():  # else the two might become one
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err and "1 of 1 cell is left" in err, err
    assert not list((folder / "leases").iterdir()) and not list((folder / "cells").iterdir())
    assert out.splitlines()[-1] == "cells=1 done=0 refused=0 failed=0"


def _alone(words: list[str]) -> list[str]:
    """The same options with the paper of bad cells alone."""
    return ["bad" if word == "tiny,bad" else word for word in words]
