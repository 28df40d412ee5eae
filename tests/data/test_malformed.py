"""A hundred inputs that are not as they should be, and any bytes at all: a line or two each, and nothing is written."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from samples import RECIPE, series

import run_all as command
from benchmark.config.catalogue import catalogue
from benchmark.data.download.supply import Supply
from benchmark.errors import DataError, UsageError


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the suite on `my.yaml` and returns what it says: one or two lines, and nothing is written."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(yaml: str, name: str = "mine.csv", content: bytes | str | None = None) -> str:
        config = tmp_path / "my.yaml"
        config.write_bytes(yaml.encode("utf-8", "surrogateescape"))
        if content is not None:
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        before = {p for p in tmp_path.rglob("*") if "cache" not in p.parts}
        places = ["--data-dir", str(tmp_path / "data"), "--results-dir", str(tmp_path / "results")]
        status = command.main(["--config", str(config), "--subset", "mine", "--papers", "samformer", *places])
        out = capsys.readouterr()
        assert status in (1, 2) and "Traceback" not in out.err and 1 <= len(out.err.splitlines()) <= 2, out.err
        assert {p for p in tmp_path.rglob("*") if "cache" not in p.parts} == before
        assert not list((tmp_path / "cache").rglob("values.npy"))
        return out.err

    return run


GOOD = "datasets: {mine: {file: mine.csv, papers: [samformer], horizons: [2]}}\n" + RECIPE + "    lookback: 4\n"
LINES = series(60).splitlines()


def with_line(number: int, line: str) -> str:
    """The good CSV with another line there (from 1)."""
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]]) + "\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "mine: no file at"),
        ("", "found 0 rows × 0 channels"),
        ("\n\n\n", "found 0 rows × 0 channels"),
        ("date,a\n", "found 0 rows × 1 channel"),
        (with_line(9, LINES[8].rsplit(",", 1)[0] + ",1e300"), "line 9, column 'OT': expected a number up to 1e+150"),
        ("date;a\n2020-01-01;1,5\n", "its header has semicolons: separate the values by commas"),
        ("date\ta\n2020-01-01\t1\n", "its header has tabs"),
        ("date\n2024-01-01\n", "found 1 row × 0 channels"),
        (b"\x00" * 100, "mine.csv"),
        (b"\xff\xfe" + series().encode("utf-16-le"), "found text in UTF-16; save it as UTF-8"),
        (series().encode("utf-16-le"), "found bytes that are no text; if it is UTF-16, save it as UTF-8"),
        ("date,a,a\n2024-01-01,1,2\n", "line 1: the name 'a' stands twice; give each column a name of its own"),
        (series().replace("\n", ",\n"), "every row ends in a comma, after which nothing stands"),
        (series().replace("\n2", ",\n2").replace("OT,", "OT") + ",", "every row ends in a comma"),
        (b"PK\x03\x04" + bytes(range(256)) * 9, "mine.csv"),
        (with_line(7, "2024-01-01 05:00:00,x,1"), "line 7, column 'a': expected a number, found 'x'"),
        (with_line(7, "2024-01-01 05:00:00,,1"), "line 7, column 'a': expected a number, found nothing"),
        (with_line(7, "2024-01-01 05:00:00,1"), "line 7, column 'OT': expected a number, found nothing"),
        (with_line(7, "2024-01-01 05:00:00,1,2,3"), "line 7: expected 3 values, found 4"),
        (with_line(7, "2024-01-01 05:00:00,1,inf"), "line 7, column 'OT': expected a number, found inf"),
        (with_line(7, '2024-01-01 05:00:00,"1,2'), "mine.csv"),
        (with_line(7, "2024-01-01 05:00:00,1e999,2"), "line 7, column 'a': expected a number, found"),
        (with_line(7, "2024-01-01 05:00:00,0x1F,2"), "line 7, column 'a': expected a number, found '0x1F'"),
        (with_line(7, "2024-01-01 05:00:00,1 000,2"), "line 7, column 'a': expected a number, found '1 000'"),
        (with_line(7, "2024-01-01 05:00:00,\u0663\u06f3z,2"), "line 7, column 'a': expected a number"),
        (with_line(7, "tomorrow,1,2"), "line 7, column 'date': expected a date in the form of the first one"),
        (with_line(7, ",1,2"), "line 7, column 'date': expected a date"),
        (with_line(7, "2024-13-01 05:00:00,1,2"), "line 7, column 'date': expected a date"),
        (with_line(7, "01/01/2024 05:00,1,2"), "line 7, column 'date': expected a date"),
        (with_line(7, "2024-01-01 04:00:00,1,2"), "line 7, column 1: time does not go forward: 2024-01-01 04:00:00 after"),
        (with_line(7, "2023-01-01 04:00:00,1,2"), "line 7, column 1: time does not go forward"),
        (with_line(7, "2024-01-01 05:30:00,1,2"), "90 min after 2024-01-01 04:00:00, expected 1 h as between most rows"),
        ("\n".join(LINES[:9] + LINES[12:]), "line 10, column 1: 2024-01-01 11:00:00 comes 4 h after 2024-01-01 07:00:00"),
        ("\n".join([LINES[0], *reversed(LINES[1:])]), "line 3, column 1: time does not go forward"),
        ("\n".join(LINES[1:]), "line 1: expected a header (names of the columns), found the date '2024-01-01 00:00:00'"),
        ("\n".join(line.partition(",")[2] for line in LINES), "the first column, 'a', has to hold dates"),
        (series().replace(",", ";"), "found 400 rows × 0 channels"),
        (series().replace(",", "\t"), "found 400 rows × 0 channels"),
        ("date,a\n" + "1,2\n" * 60, "the first column, 'date', has to hold dates"),
        ("date,a\n" + "True,2\nFalse,3\n" * 60, "the first column, 'date', has to hold dates"),
        ("date,a\n" + "2024-01-01,true\n" * 60, "expected a number, found True"),
        (with_line(7, '2024-01-01 05:00:00,"1\n2",3'), "mine.csv"),
        (with_line(7, "2024-01-01 05:00:00+01:00,1,2"), "line 7, column 'date': expected a date"),
        (series(60).replace(":00,", ":00+01:00,", 30).replace(":00:00,", ":00:00+02:00,"), "line 32, column 1: time does"),
        (series(60).replace(":00,", ":00+01:00,", 30).replace(":00+01:00,", ":00+02:00,", 9).replace("+01:00,", ",", 2),
         "line 11, column 'date': expected a"),
    ],
)  # fmt: skip
def test_malformed_csv(content: Any, said: str, refused: Callable[..., str]) -> None:
    assert said in refused(GOOD, "mine.csv", content)


def packed(**arrays: Any) -> bytes:
    held = io.BytesIO()
    np.savez(held, **arrays)
    return held.getvalue()


FLOW = np.ones((4000, 2, 1))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a readable npz"),
        (b"PK\x05\x06" + bytes(18), "not a readable npz"),
        (b"PK\x03\x04" + bytes(500), "not a readable npz"),
        (series().encode(), "not a readable npz"),
        (packed(flow=FLOW), "not a readable npz"),
        (packed(data=FLOW)[:900], "not a readable npz"),
        (packed(data=FLOW[:, :, 0]), "its 'data' has 2 axes, not three: [time, sensors, features]"),
        (packed(data=np.ones(5)), "not a readable npz"),
        (packed(data=FLOW[:0]), "found 0 rows × 2 channels"),
        (packed(data=FLOW.astype(str)), "expected 'data' [time, sensors, features] of numbers"),
        (packed(data=FLOW.astype(complex)), "of numbers"),
        (packed(data=FLOW.astype(bool)), "of numbers"),
        (packed(data=FLOW.astype("datetime64[s]")), "of numbers"),
        (packed(data=FLOW.astype(object)), "not a readable npz"),
        (packed(data=FLOW * np.inf), "time 0, sensor 0: expected a number, found inf"),
        (packed(data=FLOW * np.nan), "time 0, sensor 0: expected a number, found nothing"),
        (packed(data=FLOW).replace(b"(4000, 2, 1)", b"(9000, 2, 1)"), "not a readable npz"),
        (packed(data=FLOW).replace(b"'<f8'", b"'|O8'"), "not a readable npz"),
        (packed(data=FLOW).replace(b"(4000, 2, 1)", b"__import__()"), "not a readable npz"),
        (packed(data=FLOW).replace(b"\x93NUMPY", b"\x93NUMPX"), "not a readable npz"),
    ],
)
def test_malformed_npz(content: bytes, said: str, refused: Callable[..., str]) -> None:
    yaml = GOOD.replace("file: mine.csv", "file: mine.npz, reader: pems, split: pems")
    assert said in refused(yaml, "mine.npz", content)


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("datasets: {mine: {papers: [samformer]}}", "my.yaml:1: datasets.mine: 'file' is missing"),
        ("datasets: {mine: }", "expected a mapping"),
        ("datasets: [mine]", "expected a mapping"),
        ("datasets: {mine: {file: [a], papers: [samformer]}}", "datasets.mine.file: expected a text, found a list"),
        ("datasets: {mine: {file: 3}}", "expected a text, found 3"),
        ("datasets:\n  mine: {fiel: mine.csv}", "my.yaml:2: datasets.mine: unknown key 'fiel'; did you mean 'file'?"),
        ("dataset: {mine: {file: mine.csv}}", "unknown key 'dataset'; did you mean 'datasets'?"),
        ("datasets: {mine: {file: mine.csv, reader: cvs}}", "unknown reader 'cvs'; did you mean 'csv'?"),
        ("datasets: {mine: {file: mine.csv, split: monthly}}", "unknown split 'monthly'; did you mean 'months'?"),
        ("datasets: {mine: {file: mine.csv, split: months}}", "split months needs 'step'"),
        ("datasets: {mine: {file: mine.csv, split: months, step: 7 min}}", "split months needs 'step', and whole steps"),
        ("datasets: {mine: {file: mine.csv, split: months, step: 1 h}}", "needs 14,400 rows (20 months of 30 days)"),
        ("datasets: {mine: {file: mine.csv, step: fast}}", "expected a number and us, ms, s, min, h, day, week, month,"),
        ("datasets: {mine: {file: mine.csv, step: 0 min}}", "expected a number and us, ms, s, min, h, day, week, month,"),
        ("datasets: {mine: {file: mine.csv, step: 15}}", "datasets.mine.step: expected a text, found 15"),
        ("datasets: {mine: {file: mine.csv, header: true}}", "only reader solar asks for it"),
        ("datasets: {mine: {file: mine.csv, reader: solar, header: 1}}", "expected true or false, found 1"),
        ("datasets: {mine: {file: mine.csv, reader: solar, target: a}}", "only a csv has a target column"),
        ("datasets: {mine: {file: mine.csv, papers: samformer}}", "expected a list, found 'samformer'"),
        ("datasets: {mine: {file: mine.csv, papers: [samfomer]}}", "unknown paper 'samfomer'; did you mean 'samformer'?"),
        ("datasets: {mine: {file: mine.csv, papers: [3]}}", "expected a paper, found 3"),
        ("datasets: {mine: {file: mine.csv, horizons: [0]}}", "expected a number of steps from 1"),
        ("datasets: {mine: {file: mine.csv, horizons: [1.5]}}", "expected a number of steps, found 1.5"),
        ("datasets: {mine: {file: mine.csv, horizons: [true]}}", "expected a number of steps, found True"),
        ("datasets: {mine: {file: mine.csv, horizons: []}}", "mine.horizons: expected a list of at least one, found none"),
        ("datasets: {mine: {file: mine.csv, papers: []}}", "mine.papers: expected a list of at least one, found none"),
        ("datasets: {mine: {file: mine.csv, horizons: [12, 12]}}", "expected each once, found '12' twice; remove one"),
        ("datasets: {mine: {file: mine.csv, papers: [toy, toy]}}", "expected each once, found 'toy' twice; remove one"),
        ("datasets: {mine: {file: mine.csv, step: ''}}", "such as '15 min', or none, found ''"),
        ("datasets: {yes: {file: mine.csv}}", "expected a name, found yes, which YAML reads as True; put it in quotes"),
        ("datasets: {010: {file: mine.csv}}", "expected a name, found 010, which YAML reads as 8; put it in quotes"),
        ("recipes: {on: {epochs: 2}}", "expected a name, found on, which YAML reads as True; put it in quotes"),
        ("datasets: {etth1: {file: mine.csv}}", "the name 'etth1' is taken"),
        ("datasets: {ETT: {file: mine.csv}}", "the name 'ETT' is taken"),
        ("datasets: {all: {file: mine.csv}}", "the name 'all' is taken"),
        ("datasets: {samformer: {file: mine.csv}}", "the name 'samformer' is a paper's"),
        ("datasets: {../up: {file: mine.csv}}", "expected a name of letters"),
        ("datasets: {mine: {file: mine.csv}, Mine: {file: mine.csv}}", "the name 'Mine' is taken"),
        ("datasets: {mine: {file: mine.csv}, mine: {file: mine.csv}}", "key 'mine' stands twice"),
        ('datasets: {mine: {file: "a\\0b"}}', "datasets.mine.file: no path"),
        (
            "datasets: {mine: {file: mine.csv}}",
            "datasets.mine: it stands in no paper's grid; say whose it joins, such as 'papers",
        ),
        ("datasets: {mine: {file: mine.csv, target: b, papers: [samformer]}}\n" + RECIPE, "no column 'b' to be the target"),
        ("datasets: {mine: {file: mine.csv, step: 2 h, papers: [samformer]}}\n" + RECIPE, "expected 2 h as 'step' says"),
        ("datasets: {mine: {file: mine.csv, reader: solar, papers: [samformer]}}\n" + RECIPE, "line 1, column 1: expected"),
        ("datasets: &a {mine: {file: mine.csv}}\nrecipes: *a", "my.yaml"),
        ("datasets: {mine: !!python/object:os.system {file: x}}", "my.yaml"),
        ("datasets: {mine: {file: mine.csv", "not valid YAML"),
        ("\udcff\udcfe", "not UTF-8"),
        ("", "the file is empty"),
        ("- 1", "expected a mapping"),
        (GOOD + "    rho_: 1\n", "unknown key 'rho_'; did you mean 'rho'?"),
        (GOOD + "    epochs: -1\n", "greater than 0"),
        (GOOD + "    epochs: many\n", "epochs"),
        (GOOD.replace("1e-3", "fast"), "learning_rate"),
        (GOOD.replace("values: {mine: 1e-3}", "values: {mime: 1e-3}"), "unknown dataset 'mime'; did you mean 'mine'?"),
    ],
)
def test_malformed_yaml(yaml: str, said: str, refused: Callable[..., str]) -> None:
    assert said in refused(yaml, "mine.csv", series(1500))


def either(action: Callable[[], object]) -> None:
    """It works, or says in one line what is wrong."""
    try:
        action()
    except (DataError, UsageError) as error:
        assert "\n" not in str(error) and len(str(error)) < 700


MORE = ("", "step: none, ", "fill: linear, ", "fill: previous, step: 1 month, ", "dates: '%Y-%m-%d', ")
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_all(config: Path, folder: Path) -> None:
    """What an invocation does before it trains."""
    there = catalogue([config])
    supply = Supply(folder)
    if supply.checksum(there.datasets["mine"]) is not None:
        supply.parse([there.datasets["mine"]])
    for problem in supply.problems.values():
        raise DataError(problem)


@QUICK
@given(more=st.sampled_from(MORE),
       content=st.one_of(
    st.binary(max_size=300),
    st.text(alphabet="0123456789-:,.\n\r\t \"'eE+abdtOT\u00b0\0", max_size=300).map(lambda t: ("date,a\n" + t).encode()),
    st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=4)).map(
        lambda t: (raw := series(40).encode())[: t[0]] + t[1] + raw[t[0] + len(t[1]) :]),
))  # fmt: skip
def test_any_bytes_as_csv(more: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "my.yaml").write_text(GOOD.replace("file: mine.csv, ", f"file: mine.csv, {more}"))
    (tmp_path / "mine.csv").write_bytes(content)
    either(lambda: read_all(tmp_path / "my.yaml", tmp_path / "data"))


@QUICK
@given(where=st.integers(0, 900), change=st.binary(min_size=1, max_size=4), cut=st.integers(0, 900))
def test_any_damage_to_an_npz(where: int, change: bytes, cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    raw = packed(data=np.ones((20, 2, 1)))
    (tmp_path / "mine.npz").write_bytes((raw[:where] + change + raw[where + len(change) :])[: len(raw) - max(0, cut - 800)])
    (tmp_path / "my.yaml").write_text(GOOD.replace("file: mine.csv", "file: mine.npz, reader: pems"))
    either(lambda: read_all(tmp_path / "my.yaml", tmp_path / "data"))


KEYS = st.sampled_from(["file", "reader", "split", "step", "dates", "fill", "target", "header", "papers", "horizons"])
SPLIT = st.dictionaries(
    st.sampled_from(["ratio", "months", "dates", "validation", "test", "end"]),
    st.recursive(
        st.one_of(
            st.floats(), st.integers(), st.text(max_size=5), st.sampled_from(["2024-01-01", "0001-01-01T00:00+23:00"])
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["validation", "test", "end"]), inner, max_size=3)
        ),
    ),
)
LEAF = st.one_of(SPLIT, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.lists(st.integers()))


@QUICK
@given(entry=st.dictionaries(KEYS, LEAF), name=st.text(max_size=8))
@example(entry={}, name="\n")
def test_any_yaml(entry: dict[str, Any], name: str, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(json.dumps({"datasets": {name: entry}}))
    either(lambda: catalogue([tmp_path / "my.yaml"]))
