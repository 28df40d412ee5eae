"""What a run does about its data: fetches it, or says in one line a file what is missing; before torch is there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from loopback import body, serving

from benchmark.data.__main__ import main as data_command
from benchmark.data.download import fetch
from benchmark.data.download.supply import Supply
from benchmark.data.registry import DataSet, Source

NO_TORCH = "import sys; sys.modules['torch'] = None"


@pytest.fixture
def without_torch(tmp_path: Path) -> dict[str, str]:
    """An environment in which importing torch fails."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(NO_TORCH)
    return {"PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}"}


def test_offline_says_a_line_for_each_missing_file(run_all: Run, tmp_path: Path, without_torch: Any) -> None:
    folder = tmp_path / "empty"
    place = ("--data-dir", str(folder))
    done = run_all("--subset", "Weather,ETTh1", "--papers", "samformer", "--offline", *place, **without_torch)
    assert done.returncode == 1 and done.stdout == "cells=160 done=0 refused=0 failed=160\n"
    first, second = done.stderr.splitlines()
    assert first == (
        f"run_all.py: ETTh1: no file at {folder}/ETT-small/ETTh1.csv; get it from "
        "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv, or with: "
        f"python -m benchmark.data fetch ETTh1 --data-dir {folder}"
    )
    assert second.startswith(f"run_all.py: Weather: no file at {folder}/weather/weather.csv; get it from https://drive.")
    assert not folder.exists() and not (tmp_path / "results").exists()


def test_a_plan_downloads_nothing(run_all: Run, tmp_path: Path, without_torch: Any) -> None:
    done = run_all("--subset", "Weather", "--dry-run", "--data-dir", str(tmp_path / "empty"), **without_torch)
    assert done.returncode == 0 and "data missing" in done.stdout and done.stderr == ""
    assert not (tmp_path / "empty").exists()


def test_a_file_that_is_another_one(run_all: Run, tmp_path: Path, without_torch: Any) -> None:
    path = tmp_path / "data/weather/weather.csv"
    path.parent.mkdir(parents=True)
    path.write_text("date,OT\n")
    done = run_all("--subset", "Weather", "--papers", "samformer", "--data-dir", str(tmp_path / "data"), **without_torch)
    assert done.returncode == 1 and "is not the file that the papers used: SHA-256" in done.stderr
    assert done.stderr.endswith(
        f"; move it away and run: python -m benchmark.data fetch Weather --data-dir {tmp_path}/data\n"
    )
    assert len(done.stderr.splitlines()) == 1 and path.read_text() == "date,OT\n"


def test_masking_is_another_cell_for_weather_alone(run_all: Run, data_dir: Path) -> None:
    def digests(*more: str) -> dict[str, Any]:
        done = run_all("--subset", "Weather,ETTh1", "--papers", "samformer", "--seeds", "1", "--dry-run", "--json", *more)
        return {c["dataset"] + str(c["horizon"]) + c["model"]: c["digest"] for c in json.loads(done.stdout)["cells"]}

    plain, masked = digests(), digests("--protocol", "paper+mask_sentinels")
    assert {k for k in plain if plain[k] != masked[k]} == {k for k in plain if k.startswith("Weather")}


def test_what_is_missing_is_fetched_read_once_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "DELAYS", ())
    content = b"date,a,OT\n2020-01-01,1,2\n2020-01-02,-9999,4\n2020-01-03,5,6\n"
    with serving() as server:
        good = Source("https", server.serve("/good.csv", body(content)))
        bad = Source("https", server.serve("/bad.csv", body(b"<html>")))
        named = (("one", good), ("two", bad))
        sets = [DataSet(n, f"{n}.csv", "csv", 2, 3, "1 day", "ratio", sources=(s,)) for n, s in named]
        supply = Supply(tmp_path / "data")
        assert [supply.checksum(d) for d in sets] == [None, None] and len(supply.problems) == 2
        assert supply.fetch(sets)
        sums = [supply.checksum(d) for d in sets]
    assert sums == [hashlib.sha256(content).hexdigest(), None]
    assert supply.problems.keys() == {"two"} and "a web page came instead of the file" in supply.problems["two"]
    capsys.readouterr()
    supply.parse(sets[:1])
    assert capsys.readouterr().err.startswith("one: 1 value −9999 in 1 channel, used as it stands")
    assert list((tmp_path / "data/.cache/parsed").glob("*/values.npy"))


def test_the_command_that_fetches_names_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data_command(["status", "Weather", "ETTh1", "--data-dir", str(tmp_path / "some where")]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.endswith(f"python -m benchmark.data fetch ETTh1 Weather --data-dir '{tmp_path}/some where'")
