"""`python -m benchmark.forecast`: the forecast of a file's last window, on its own scale; its dates go on by its step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from data.samples import series
from frozen import seams

from benchmark.cell import Experiment
from benchmark.config.catalogue import catalogue
from benchmark.data.files import Checksums
from benchmark.data.text import gaps
from benchmark.data.text.gaps import Rules
from benchmark.errors import DataError
from benchmark.forecast import main, other_step
from benchmark.runner.job import Job
from benchmark.store.kept import Kept

LOOKBACK, HORIZON, CHANNELS = 8, 4, ["b", "a", "c"]


@dataclass(frozen=True)
class Made:
    """A cell that was trained on a file of its own, with weights and predictions. options: that lead there."""

    key: str
    data: Path
    kept: Kept
    options: list[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    from conftest import TINY

    folder = tmp_path_factory.mktemp("forecast")
    data, files = folder / "mine.csv", [folder / "tiny.yaml", folder / "mine.yaml"]
    data.write_text(series(400, "b,a,c"))
    files[0].write_text(TINY.replace("EPOCHS", "1"))
    files[1].write_text(f"datasets: {{mine: {{file: {data}, target: a, papers: [tiny], horizons: [{HORIZON}]}}}}\n")
    there = catalogue(files)
    cell = seams.planned(lambda dataset: Checksums().of(data), tuple(files), papers=("tiny",), subset=("mine",))[0]
    assert cell.digest is not None and cell.recipe is not None
    sha256 = Checksums().of(data)
    assert sha256 is not None
    experiment = Experiment(cell.cell, cell.digest, cell.recipe, there.datasets["mine"], data, sha256, None, "cpu", None)
    each = Job(experiment, folder / "results", keep=("weights", "predictions"))
    assert seams.trained(each) is not None
    options = ["--results-dir", str(folder / "results"), *(word for path in files for word in ("--config", str(path)))]
    return Made(cell.cell.key, data, each.kept, options)


def asked(made: Made, path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The status, and what is said on stderr."""
    capsys.readouterr()
    status = main([made.key, "--input", str(path), "--output", str(path.with_suffix(".out.csv")), *made.options])
    return status, capsys.readouterr().err


def test_it_is_what_was_predicted_of_that_window_on_the_files_own_scale(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file ends where a test window's input ends, and has its columns in another order."""
    with np.load(made.kept.predictions) as file:
        arrays = {name: file[name] for name in ("forecast", "first", "row", "mean", "deviation", "times")}
    window = 17
    begin = int(arrays["row"] + arrays["first"][window])
    frame = pd.read_csv(made.data).iloc[:begin]
    frame[["date", "a", "c", "b"]].to_csv(tmp_path / "mine.csv", index=False)
    assert asked(made, tmp_path / "mine.csv", capsys) == (0, "")
    found = pd.read_csv(tmp_path / "mine.out.csv")
    assert list(found.columns) == ["date", "a", "c", "b"] and len(found) == HORIZON
    expected = arrays["forecast"][window] * arrays["deviation"] + arrays["mean"]  # b, c, then the target a
    assert np.allclose(found[["b", "c", "a"]], expected, atol=1e-5)
    first = int(arrays["first"][window])
    assert list(pd.to_datetime(found["date"])) == list(pd.to_datetime(arrays["times"][first : first + HORIZON]))
    picture = (tmp_path / "mine.out.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 10_000


def test_bad_files_are_one_line(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = made.data.read_text().splitlines()
    cells = [line.split(",") for line in whole]
    bad = {
        "expected the 3 channels of mine; it lacks 'c'": "\n".join(",".join(each[:3]) for each in cells),
        "it lacks 'c', and it has besides 'd'": "\n".join([whole[0].replace(",c", ",d"), *whole[1:]]),
        "expected at least 8 rows, the look-back of the model, found 5": "\n".join(whole[:6]),
        "expected dates in its first column, found the channel 'b'": "\n".join(",".join(each[1:]) for each in cells),
        "expected a date": "\n".join([whole[0], *(f"x,{','.join(each[1:])}" for each in cells[1:])]),
        "expected a number, found nothing": "\n".join([*whole[:20], whole[20].rpartition(",")[0] + ","]),
        "1 h": "\n".join([*whole[:30], *whole[33:50]]),
        "not a readable CSV": "",
    }
    for said, text in bad.items():
        path = tmp_path / "bad.csv"
        path.write_text(text + "\n")
        status, err = asked(made, path, capsys)
        assert status == 2 and len(err.splitlines()) == 1 and said in err and "bad.csv" in err, (said, err)
        assert not (tmp_path / "bad.out.csv").exists()
    status, err = asked(made, tmp_path / "none.csv", capsys)
    assert (status, err) == (2, f"python -m benchmark.forecast: --input {tmp_path / 'none.csv'}: expected a CSV, found no "
                                "such file\n")  # fmt: skip


def test_what_is_asked_for_is_never_written_over_the_input(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    before = made.data.read_text()
    status = main([made.key, "--input", str(made.data), "--output", str(made.data), *made.options])
    assert status == 2 and "give another name" in capsys.readouterr().err and made.data.read_text() == before
    assert main(["tiny/mine/4/Transformer/s0", "--input", str(made.data), *made.options]) == 2
    assert "no Result yet; run_all.py with --keep weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "step", "rules", "after"),
    [
        ("2024-01-01T00", np.timedelta64(15, "m"), Rules(), ["2024-01-01T02:30", "2024-01-01T02:45"]),
        ("2024-02-26", np.timedelta64(1, "D"), Rules("1 day"), ["2024-03-07", "2024-03-08"]),
    ],
)
def test_dates_go_on(first: str, step: np.timedelta64, rules: Rules, after: list[str]) -> None:
    stamps = (np.datetime64(first) + np.arange(10) * step).astype("datetime64[us]")
    assert gaps.following(stamps, rules, 2).tolist() == np.array(after, "datetime64[us]").tolist()


def test_dates_of_the_calendar_go_on() -> None:
    ends = np.array(["2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29"], "datetime64[us]")
    found = gaps.following(ends, Rules("1 month"), 3).astype("datetime64[D]").astype(str).tolist()
    assert found == ["2024-03-31", "2024-04-30", "2024-05-31"]
    days = np.array(["2024-03-06", "2024-03-07", "2024-03-08"], "datetime64[us]")
    found = gaps.following(days, Rules("1 business day"), 2).astype("datetime64[D]").astype(str).tolist()
    assert found == ["2024-03-11", "2024-03-12"]
    for stamps, rules in ((ends[[0, 1, 3]], Rules("1 month")), (days, Rules("none"))):
        with pytest.raises(DataError, match=r"one every 1 month|no constant step"):
            gaps.following(stamps, rules, 2)


def test_a_step_that_is_not_the_models_is_told() -> None:
    dataset = seams.everything().datasets["ETTh1"]
    task = SimpleNamespace(experiment=SimpleNamespace(dataset=dataset))
    moments = np.datetime64("2024-01-01", "us") + np.arange(3) * np.timedelta64(15, "m")
    assert other_step(task, moments) == "its step is 15 min, the model was trained on 1 h"  # type: ignore[arg-type]
    assert other_step(task, moments[:1]) is None  # type: ignore[arg-type]
