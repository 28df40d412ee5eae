"""Results travel as one file: merged without loss, the same bytes when exported again, damage named."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from benchmark.files import write_atomically
from benchmark.store import measured
from benchmark.store.__main__ import main
from benchmark.store.exchange import FORMAT
from benchmark.store.kept import Kept
from benchmark.store.result import Result, Status
from benchmark.store.store import Store
from benchmark.store.text import written

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
    cell = {"paper": "toy", "protocol": "paper", "profile": "paper", "dataset": "toy", "lookback": 8, "horizon": 24,
            "model": "A", "sam": False, "seed": number} | cell  # fmt: skip
    metrics = {"test_mse": mse, "val_mse": 0.5} if status == "done" else {}
    return Result(f"toy/toy/24/A/s{number}", f"{number:064x}", status, cell, semantics=2, metrics=metrics,
                  environment={"git_commit": "abc"})  # fmt: skip


def forged(number: int, **fields: object) -> bytes:
    """The line of an export that has a Result with these fields in it, and a checksum that fits."""
    raw = json.loads(written(result(number)))
    raw = {k: v for k, v in (raw | fields).items() if k != "sha256"}
    return json.dumps(raw, separators=(",", ":")).encode()


def packed(path: Path, *rows: bytes) -> Path:
    """An export of these lines, as whoever means ill makes one."""
    sums = {json.loads(row)["digest"]: sha256(row).hexdigest() for row in rows}
    head = json.dumps(
        {"format": FORMAT, "version": 1, "commits": {}, "semantics": {}, "statuses": {}, "sha256": sums}
    ).encode()
    path.write_bytes(gzip.compress(b"".join(row + b"\n" for row in (head, *rows))))
    return path


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


def looked(root: Path, of: Result, **numbers: object) -> Path:
    """A file of analysis beside a Result."""
    path = Kept(root, of.digest).analysis / "sharpness.npz"
    about = {"key": of.key, "digest": of.digest, "metrics": dict(of.metrics)}
    measured.write(path, about, {name: np.array(value) for name, value in numbers.items()})
    return path


def test_the_numbers_of_an_analysis_travel_and_its_vectors_stay(tmp_path: Path, call: Call) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    store(ours, result(1), result(2))
    numbers = {"lambda_max": 0.1 + 0.2, "windows": 8, "split": "train", "epochs": [1, 2], "loss": [0.5, float("inf")]}
    looked(ours, result(1), **numbers, vector=np.ones(3), matrix=np.ones((2, 2)))
    looked(ours, result(2, mse=0.9), lambda_max=1.0)  # of another training
    out = call("export", tmp_path / "a.gz", "--results-dir", ours)[1]
    assert out.endswith("(2 done), with the numbers of 1 file of analysis\n")
    out = call("import", tmp_path / "a.gz", "--results-dir", theirs)[1]
    assert out.endswith("2 new, 1 with numbers of an analysis\n")
    path = Kept(theirs, result(1).digest).analysis / "sharpness.npz"
    with np.load(path) as file:
        assert set(file.files) == {"about", *numbers} and file["lambda_max"] == 0.1 + 0.2 and str(file["split"]) == "train"
        assert file["epochs"].tolist() == [1, 2] and file["loss"][0] == 0.5 and np.isnan(file["loss"][1])
    call("export", tmp_path / "b.gz", "--results-dir", theirs)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert call("import", tmp_path / "a.gz", "--results-dir", ours)[1].endswith("2 there already\n")
    other = store(tmp_path / "other", result(1, mse=0.31))
    assert call("import", tmp_path / "a.gz", "--results-dir", other.root)[0] == 0
    assert not (other.root / "analysis").exists(), "numbers of another training than the one that stands"


@pytest.mark.parametrize("harm", ["../../evil", "sharpness"])
def test_a_line_of_analysis_is_taken_for_what_it_says_it_is(tmp_path: Path, call: Call, harm: str) -> None:
    """One whose command is a place elsewhere, and one without a number that fits its checksum."""
    store(tmp_path / "ours", result(1))
    looked(tmp_path / "ours", result(1), lambda_max=1.0)
    call("export", tmp_path / "a.gz", "--results-dir", tmp_path / "ours")
    head, first, line = (json.loads(each) for each in lines(tmp_path / "a.gz"))
    line |= {"command": harm} if "/" in harm else {"numbers": {"lambda_max": [[{}]]}}
    rows = [json.dumps(each, separators=(",", ":")).encode() for each in (first, line)]
    head["measured"] = {f"{line['digest']}/{harm}": sha256(rows[1]).hexdigest()}
    head["sha256"] = {first["digest"]: sha256(rows[0]).hexdigest()}
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"".join(row + b"\n" for row in (json.dumps(head).encode(), *rows))))
    code, out, err = call("import", tmp_path / "b.gz", "--results-dir", tmp_path / "theirs")
    assert code == 1 and "1 new" in out and "no numbers that `python -m benchmark.analysis` has found" in err
    assert not (tmp_path / "theirs" / "analysis").exists() and not list(tmp_path.glob("**/evil*"))


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
    assert code == 1 and "1 Result (1 done)" in out and "changed since it was written" in err and err.count("\n") == 1

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "x.gz")

    monkeypatch.setattr("benchmark.store.exchange.write_atomically", full)
    for what in ("export", "import"):
        code, out, err = call(what, tmp_path / "x.gz", "--results-dir", tmp_path / ("results" if what == "export" else "r"))
        assert (code, out, err.count("\n")) == (2, "", 1) and "No space left on device" in err
        assert ("taken in is kept" in err) == (what == "import")


@pytest.mark.parametrize("digest", ["/ABS", "../EVIL", "sub/x", "abc", "", "x\0y", "\udc80", "A" * 64, "0" * 64 + "\n"])
def test_only_a_digest_is_the_name_of_a_file(tmp_path: Path, call: Call, digest: str) -> None:
    digest = digest.replace("/ABS", f"{tmp_path}/ABS")
    path = packed(tmp_path / "x.gz", forged(1), forged(2, digest=digest))
    code, out, err = call("import", path, "--results-dir", tmp_path / "r")
    assert code == 1 and "1 new" in out and err.count("\n") == 1 and "expected a digest of 64 hexadecimal digits" in err
    assert sorted(files(tmp_path / "r")) == [f"{1:064x}.json"] and sorted(p.name for p in tmp_path.iterdir()) == [
        "r",
        "x.gz",
    ]


CELL = dict(result(2).cell)
FORGED: list[tuple[dict[str, object], str]] = [
    ({"cell": CELL | {"seed": "x"}}, "its cell's seed: expected a whole number from 0, found 'x'"),
    ({"cell": CELL | {"horizon": None}}, "its cell's horizon: expected a whole number from 0, found None"),
    ({"cell": CELL | {"paper": ["x"]}}, "its cell's paper: expected a text"),
    ({"cell": CELL | {"seed": {}}}, "its cell's seed"),
    ({"cell": {}}, "its cell lacks its paper"),
    ({"schema": "x"}, "its schema: expected a whole number"),
    ({"environment": {"torch": [1]}}, "its environment's 'torch': expected a text"),
    ({"metrics": {"test_mse": -0.1, "val_mse": 0.5}}, "its test_mse is -0.1, and an error is 0 or more"),
    ({"metrics": {"test_mse": 0.1}}, "done without its val_mse"),
    ({"epochs": [{"val_mse": 1.0}], "metrics": {"test_mae": 0.1, "val_mae": 0.5}}, "done without its test_mse"),
    ({"best_epoch": 9}, "its best epoch is 9 of 0"),
    ({"metrics": {"test_mse": 10**400, "val_mse": 1}}, "its test_mse is no number"),
    ({"seconds": float("nan")}, "a number in it is none"),
]


@pytest.mark.parametrize(("fields", "why"), FORGED)
def test_a_result_whose_fields_are_not_what_they_have_to_be_is_left_out(
    tmp_path: Path, call: Call, fields: dict[str, object], why: str
) -> None:
    path = packed(tmp_path / "x.gz", forged(1), forged(2, **fields))
    code, out, err = call("import", path, "--results-dir", tmp_path / "r")
    assert code == 1 and "1 new" in out and err.count("\n") == 1 and why in err
    there = Store(tmp_path / "r")
    if "metrics" in fields or "seconds" in fields:
        return  # what a table can stand is not asked of each Result that is there
    there.write(replace(result(3), **{k: tuple(v) if k == "epochs" else v for k, v in fields.items()}))  # type: ignore[arg-type]
    assert [each.cell["seed"] for each in there.results()] == [1] and why in there.notes()[0]
    assert there.status(result(3).digest) is None or not {"cell", "environment"} & fields.keys()


def test_what_is_wrong_with_the_file_itself_is_said(tmp_path: Path, call: Call) -> None:
    path = packed(tmp_path / "x.gz", forged(1), forged(2))
    whole, rows = path.read_bytes(), lines(path)
    wrong = whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]
    twice = gzip.compress(b"".join([*rows, forged(3) + b"\n", rows[1]]))
    for content, why in ((wrong, "damaged at its end"), (whole + b"junk", "something behind it"), (twice, "not taken: 2")):
        path.write_bytes(content)
        code, out, err = call("import", path, "--results-dir", tmp_path / "r")
        assert code == 1 and out.startswith(f"{path}: 2 ") and err.count("\n") == 1 and why in err
    os.mkfifo(tmp_path / "fifo")
    code, out, err = call("import", tmp_path / "fifo", "--results-dir", tmp_path / "r")
    assert (code, out) == (2, "") and "no regular file" in err


def test_an_export_replaces_nothing_but_an_export(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path / "r", result(1))
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    Path("data.csv").write_text("date,a\n")
    Path("loop").symlink_to("loop")
    Path("to-fifo").symlink_to("fifo")
    cell = tmp_path / "r" / "cells" / f"{1:064x}.json"
    before = {path: path.read_bytes() for path in (Path("data.csv"), cell)}
    for path in ("fifo", "to-fifo", "loop", "data.csv", cell, "-", "r"):
        code, out, err = call("export", path, "--results-dir", "r")
        assert (code, out, err.count("\n")) == (2, "", 1) and str(path) in err
        assert Path("fifo").is_fifo() and before == {each: each.read_bytes() for each in before}
    Path("link.gz").symlink_to("real.gz")
    for _ in range(2):
        assert call("export", "link.gz", "--results-dir", "r")[0] == 0
        assert Path("link.gz").is_symlink() and not Path("real.gz").is_symlink() and lines(Path("real.gz"))
    with pytest.raises(OSError, match="no regular file"):
        write_atomically(Path("to-fifo"), "x")


def test_an_export_names_the_damage_where_nothing_else_is_there(tmp_path: Path, call: Call) -> None:
    there = store(tmp_path / "r", result(1))
    there.path(result(1).digest).write_text("{")
    code, _, err = call("export", tmp_path / "x.gz", "--results-dir", tmp_path / "r")
    assert code == 2 and "cut off, or no JSON" in err and err.count("\n") == 1 and not (tmp_path / "x.gz").exists()
