"""Results travel as one file: merged without loss, the same bytes when exported again, damage named."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT

from benchmark.store.__main__ import main
from benchmark.store.result import Result, Status
from benchmark.store.store import Store

OLD = [json.loads(line) for line in gzip.decompress((ROOT / "tests/frozen/store.jsonl.gz").read_bytes()).splitlines()]
"""The texts of Results that an earlier version wrote."""
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(each) for each in arguments])
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return status, out.out, out.err

    return run


def result(number: int, status: Status = "done", mse: float = 0.3, **cell: object) -> Result:
    cell = {"paper": "toy", "dataset": "toy", "model": "A", "seed": number, "horizon": 24, "sam": False} | cell
    return Result(f"toy/toy/24/A/s{number}", f"{number:064x}", status, cell, semantics=2,
                  metrics={"test_mse": mse} if status == "done" else {}, environment={"git_commit": "abc"})  # fmt: skip


def store(folder: Path, *results: Result) -> Store:
    there = Store(folder)
    there.prepare()
    for each in results:
        there.write(each)
    return there


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "cells").iterdir()}


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def test_what_is_imported_and_exported_again_is_the_same_to_the_byte(tmp_path: Path, call: Call) -> None:
    """Results of an earlier version among them, every status, unknown fields, a name that is no UTF-8."""
    old = tmp_path / "old"
    (old / "cells").mkdir(parents=True)
    for text in OLD:
        (old / "cells" / f"{json.loads(text)['digest']}.json").write_text(text, "utf-8")
    odd = replace(result(1, "failed"), traceback="File '\udcff.py'", reason="ü \u2028 x")
    store(old, odd, result(2))
    code, out, err = call("export", tmp_path / "one.gz", "--results-dir", old)
    assert (code, err) == (0, "") and f"{len(OLD) + 2} Results" in out
    assert call("import", tmp_path / "one.gz", "--results-dir", tmp_path / "new")[0] == 0
    assert files(old) == files(tmp_path / "new")
    assert call("export", tmp_path / "two.gz", "--results-dir", tmp_path / "new")[0] == 0
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    first, *rest = lines(tmp_path / "one.gz")
    head = json.loads(first)
    assert head["results"] == len(rest) == len(OLD) + 2 and head["statuses"]["done"] == 154
    assert head["semantics"] == {"2": 2, "not said": len(OLD)} and head["commits"]["abc"] == 2
    assert [json.loads(line)["digest"] for line in rest] == sorted(head["sha256"])
    assert call("import", tmp_path / "one.gz", "--results-dir", old)[1].endswith(f": {len(rest)} there already\n")


def test_what_is_done_is_never_replaced(tmp_path: Path, call: Call) -> None:
    ours = store(tmp_path / "ours", result(1), result(2, mse=0.3), result(3, "failed"), result(4, "timeout"), result(6))
    damaged = ours.path(result(6).digest)
    damaged.write_text(damaged.read_text().replace("0.3", "0.4"))
    store(
        tmp_path / "theirs", result(1, "failed"), result(2, mse=0.31), result(3), result(4, "killed"), result(5), result(6)
    )
    before = files(tmp_path / "ours")
    call("export", tmp_path / "x.gz", "--results-dir", tmp_path / "theirs")
    code, out, err = call("import", tmp_path / "x.gz", "--results-dir", tmp_path / "ours")
    assert code == 0 and out.endswith(": 2 new, 1 done where none was, 3 there already\n")
    assert err.count("\n") == 1 and "has other numbers for 1 (000000000000)" in err
    after = files(tmp_path / "ours")
    assert {name for name in after if after[name] != before.get(name)} == {f"{n:064x}.json" for n in (3, 5, 6)}
    assert [each.status for each in Store(tmp_path / "ours").results()] == ["done"] * 3 + ["timeout"] + ["done"] * 2


def test_a_selection(tmp_path: Path, call: Call) -> None:
    folder, path = tmp_path / "results", tmp_path / "x.gz"
    store(folder, result(0), result(1, dataset="ETTh1", paper="samformer"), result(2, "failed", dataset="ETTm2", sam=True),
          result(3, dataset="PEMS03", horizon=96, profile="quick"))  # fmt: skip

    def chosen(*options: str) -> list[int]:
        assert call("export", path, "--results-dir", folder, *options)[0] == 0
        return [json.loads(line)["cell"]["seed"] for line in lines(path)[1:]]

    assert chosen() == [0, 1, 2, 3] and chosen("--subset", "ETT") == [1, 2] and chosen("--subset", "etth1,toy") == [0, 1]
    assert chosen("--status", "failed") == [2] and chosen("--sam", "off") == [0, 1, 3] and chosen("--sam", "both")[2] == 2
    assert chosen("--papers", "SAMformer") == [1] and chosen("--seeds", "2") == [0, 1] and chosen("--seeds", "3,") == [3]
    assert chosen("--horizons", "96") == [3] and chosen("--profile", "quick") == [3] and chosen("--models", "a")
    before = path.read_bytes()
    for options in (["--subset", "ETTh7"], ["--papers", "nope"], ["--status", "donne"], ["--models", "A", "--seeds", "9,"]):
        code, out, err = call("export", path, "--results-dir", folder, *options)
        assert (code, out, err.count("\n")) == (2, "", 1) and path.read_bytes() == before
    assert call("export", path, "--results-dir", tmp_path / "none")[0] == 2


def test_a_file_that_is_not_what_was_exported_is_named_in_a_line(tmp_path: Path, call: Call) -> None:
    store(tmp_path / "results", *(result(number) for number in range(40)))
    path = tmp_path / "x.gz"
    call("export", path, "--results-dir", tmp_path / "results")
    whole, parts = path.read_bytes(), lines(path)

    def taken(content: bytes) -> tuple[int, str, str]:
        path.write_bytes(content)
        folder = tmp_path / f"into-{len(list(tmp_path.iterdir()))}"
        code, out, err = call("import", path, "--results-dir", folder)
        assert err.count("\n") == 1 and str(path) in err
        assert all(each == (tmp_path / "results" / "cells" / name).read_bytes() for name, each in files(folder).items())
        return code, out, err

    code, _, err = taken(whole[:-600])
    assert code == 1 and "is cut off or damaged, and lacks " in err
    code, out, err = taken(gzip.compress(b"".join(parts).replace(b'"test_mse":0.3', b'"test_mse":0.2', 1)))
    assert code == 1 and "39 new" in out and f"1 ({0:012x}: changed since it was exported)" in err
    code, out, err = taken(gzip.compress(b"".join(parts[:-3])))
    assert code == 1 and "37 new" in out and "lacks 3 of its Results" in err
    for content in (b"", b"x", whole[:40], gzip.compress(b"[]\n"), gzip.compress(b"".join(parts[1:])), b"\x1f\x8b" * 50):
        code, out, err = taken(content)
        assert (code, out) == (2, "") and "no export of Results" in err
    assert call("import", tmp_path / "none.gz", "--results-dir", tmp_path / "r")[0] == 2
    assert call("import", tmp_path, "--results-dir", tmp_path / "r")[0] == 2


def test_what_is_damaged_here_is_left_out_and_named(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    here = store(tmp_path / "results", result(1), result(2))
    there = here.path(result(2).digest)
    there.write_text(there.read_text().replace("0.3", "0.4"))
    code, out, err = call("export", tmp_path / "x.gz", "--results-dir", here.root)
    assert code == 1 and "1 Results (1 done)" in out and "changed since it was written" in err and err.count("\n") == 1

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "x.gz")

    monkeypatch.setattr("benchmark.store.exchange.write_atomically", full)
    for what in ("export", "import"):
        code, out, err = call(what, tmp_path / "x.gz", "--results-dir", tmp_path / ("results" if what == "export" else "r"))
        assert (code, out, err.count("\n")) == (2, "", 1) and "No space left on device" in err
