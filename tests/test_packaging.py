"""The checkout is the unit: nothing here is installed under names such as `tables`, and who tries is told what to do."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("how", [["install", "--dry-run"], ["install", "--dry-run", "-e"], ["wheel"]], ids=" ".join)
def test_pip_refuses_in_one_sentence(how: list[str]) -> None:
    pytest.importorskip("pip")
    command = [sys.executable, "-m", "pip", how[0], "--no-index", "--no-deps", *how[1:], str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = [line.strip() for line in done.stderr.splitlines() if "pip install -r requirements.txt" in line]
    assert done.returncode == 1 and len(said) == 1, done.stderr
    assert said[0].startswith("forecast-benchmark is not installed as a package: clone it,")
    assert "Traceback" not in done.stderr


def test_every_way_to_build_is_refused() -> None:
    names = {"build_wheel", "build_sdist", "build_editable"}
    names |= {f"get_requires_for_{name}" for name in names}
    program = (
        "import sys, no_package\n"
        "for name in sys.argv[1:]:\n"
        "    try: getattr(no_package, name)('.')\n"
        "    except SystemExit as ended: assert str(ended.code).startswith('forecast-benchmark is not installed'), name\n"
        "    else: sys.exit(name)"
    )
    (folder,) = PROJECT["build-system"]["backend-path"]
    done = subprocess.run([sys.executable, "-c", program, *sorted(names)], cwd=ROOT / folder)
    assert done.returncode == 0


def test_what_it_stands_on_is_pinned_and_said() -> None:
    """The metadata says from which version on, requirements.txt says which one."""
    pins = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in pins if "==" in line}
    assert {line.partition(">=")[0] for line in PROJECT["project"]["dependencies"]} == pinned
