"""What this machine is, and which commit runs on it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from benchmark.machine import bounded, git_commit, processor, size_in_words


def git(folder: Path, *words: str) -> None:
    named = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *named, *words], check=True, capture_output=True)


def test_the_commit_is_that_of_the_codes_own_repository(tmp_path: Path) -> None:
    outer, code = tmp_path / "thesis", tmp_path / "thesis" / "suite"
    code.mkdir(parents=True)
    assert git_commit(code) is None, "there is no repository"
    git(outer, "init", "-q")
    (outer / "text").write_text("a")
    git(outer, "add", ".")
    git(outer, "commit", "-qm", "a thesis")
    assert git_commit(code) is None, "the repository around it is another one's"
    git(code, "init", "-q")
    (code / "code").write_text("a")
    git(code, "add", ".")
    git(code, "commit", "-qm", "the suite")
    commit = git_commit(code)
    assert commit and not commit.endswith("+")
    (code / "code").write_text("b")
    assert git_commit(code) == f"{commit}+"


def test_who_never_answers_is_not_waited_for() -> None:
    import threading

    with pytest.raises(TimeoutError, match="no answer"):
        bounded(threading.Event().wait, 0.05)
    assert bounded(lambda: 3, 5) == 3
    with pytest.raises(KeyError):
        bounded(lambda: {}["x"], 5)


def test_bytes_in_words() -> None:
    assert (size_in_words(3_149_000_000), size_in_words(12_300_000)) == ("3.1 GB", "12 MB")


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="this system does not describe its processor there")
def test_a_processor_is_told_by_family_and_model() -> None:
    """Rented machines of several kinds have one name; between the kinds the bits of a training differ."""
    assert re.search(r"\(family \d+, model \d+\)$", processor()) or "model\t" not in Path("/proc/cpuinfo").read_text()
