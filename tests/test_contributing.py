"""CONTRIBUTING.md, followed literally in a copy of the repository: a model, a data set, a paper, a metric, a figure."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

BLOCK = re.compile(r"<!-- (new|in|run)(?:: (.*?))? -->\n```\w+\n(.*?)```", re.DOTALL)
PLACE = re.compile(r"(\S+), (before|after|instead of): (.*)")
FOUND = {
    "Add a model": ("results/tables/toy.md", "Linear", 4, 35),
    "Add a data set": ("results/tables/toy.csv", "Walk", 2, 5),
    "Add a paper": ("results/tables/example.md", "printed numbers", 2, 45),
    "Add a metric": ("results/tables/toy.csv", "quartic", 2, 3),
    "Add a figure": ("results/tables/toy.parameters.png", None, 2, 30),
}
"""By section, a file that it makes and what stands in it; the files that it touches and the lines that it adds, at most."""


def sections() -> Iterator[tuple[str, str]]:
    for part in (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        if BLOCK.search(body):
            yield title, body


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files of the repository, those that git does not know yet too."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / "copy" / name)
    return tmp_path / "copy"


def edit(folder: Path, place: str, text: str) -> Path:
    """What a block says is put before, after or instead of the line that has the words."""
    found = PLACE.fullmatch(place)
    assert found, place
    path = folder / found[1]
    lines = path.read_text("utf-8").splitlines(keepends=True)
    at = [i for i, line in enumerate(lines) if found[3] in line]
    assert len(at) == 1, f"{place}: {len(at)} lines have it"
    start = at[0] + (found[2] == "after")
    lines[start : start + (found[2] == "instead of")] = [text]
    path.write_text("".join(lines), "utf-8")
    return path


def run(folder: Path, line: str) -> None:
    words = shlex.split(line)
    assert words[0] == "python"
    env = os.environ | {"XDG_CACHE_HOME": str(folder.parent / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *words[1:]], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("title", "body"), list(sections()), ids=lambda value: value.split("\n")[0][:40])
def test_followed_literally(title: str, body: str, copy: Path) -> None:
    touched: set[Path] = set()
    lines = 0
    for kind, place, text in BLOCK.findall(body):
        if kind == "run":
            for line in text.strip().splitlines():
                run(copy, line)
            continue
        lines += len(text.splitlines())
        if kind == "new":
            assert not (copy / place).exists()
            (copy / place).write_text(text, "utf-8")
            touched.add(copy / place)
        else:
            touched.add(edit(copy, place, text))
    written, words, most_files, most_lines = FOUND[title]
    assert (copy / written).is_file(), sorted(p.name for p in (copy / "results/tables").iterdir())
    assert words is None or words in (copy / written).read_text("utf-8")
    style = [sys.executable, "-m", "ruff", "check", "-q", *map(str, (p for p in touched if p.suffix == ".py"))]
    assert subprocess.run(style, cwd=copy).returncode == 0
    print(f"{title}: {len(touched)} files, {lines} lines")
    assert (len(touched), lines) <= (most_files, most_lines) and len(touched) <= most_files and lines <= most_lines
