"""What analysis has found stands on the page, within bounds; where there is none, the page says with which command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.store.kept import Kept
from benchmark.store.measured import write
from benchmark.store.store import Store
from tables.render import read, write_report
from tables.report import inside
from tests.tables.test_report import data_of

pytest_plugins = ("tests.tables.made_up",)

CHANNELS, HEADS, TOKENS = 3, 2, 4
ARRAYS: dict[str, dict[str, Any]] = {
    "sharpness": {"lambda_max": 0.25, "lambda_min": -0.125, "trace": 30.0, "trace_error": 0.5, "windows": 64,
                  "split": "train", "top_vector": np.ones(5)},
    "attention": {"epochs": [1, 2], "entropy": [0.5, 0.25], "rank": [2.0, 1.5], "diagonal": [0.7, 0.9], "count": 32,
                  "channels": CHANNELS, "selected_entropy": 0.25, "selected_rank": 1.5, "selected_diagonal": 0.9},
    "training": {"epochs": [1, 2], "lambda_max": [0.5, 0.25], "entropy": [0.5, 0.25], "val_mse": [0.5, 0.4],
                 "windows": 64, "split": "train", "channels": CHANNELS, "count": 32},
    "landscape": {"x": [-1.0, 0.0, 1.0], "y": [-1.0, 0.0, 1.0], "loss": np.arange(1.0, 10.0).reshape(3, 3), "centre": 5.0,
                  "windows": 64, "split": "validation"},
    "var": {"norms": np.ones((2, CHANNELS, 1, TOKENS, HEADS)), "channel": np.arange(CHANNELS)},
}  # fmt: skip


def look(results: Path, mse: float, **of: dict[str, Any]) -> None:
    """Files of analysis beside every Result with this error."""
    for result in Store(results).results():
        if result.metrics.get("test_mse") == mse:
            about = {"key": result.key, "digest": result.digest, "metrics": dict(result.metrics)}
            for command, arrays in of.items():
                path = Kept(results, result.digest).analysis / f"{command}.npz"
                write(path, about, {name: np.array(value) for name, value in arrays.items()})


def page(made: Any) -> str:
    text = write_report(*read(made.catalogue, made.results), made.results).read_text("utf-8")
    return text[text.index('<section id="analysis"') :]


def test_nothing_is_shown_where_nobody_has_looked_and_the_command_is_said(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    text = page(made).partition("</section>")[0]
    assert "python -m benchmark.analysis sharpness KEY" in text and "<figure" not in text and "<table" not in text


def test_the_page_has_the_numbers_and_figures_of_analysis(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made.add("toy", 4, "With_SAM", 0.4, 0.41)
    made.add("toy", 4, "Plain", 0.5)
    look(made.results, 0.4, **ARRAYS)
    look(made.results, 0.41, sharpness=ARRAYS["sharpness"], landscape=ARRAYS["landscape"])
    look(made.results, 0.5, sharpness=ARRAYS["sharpness"], attention=ARRAYS["attention"])
    text = page(made)
    section = text.partition("</section>")[0]
    numbers = [line for line in section.splitlines() if line.startswith("<td")]
    assert '<td style="text-align:left">made/toy/4/With_SAM/sam/s0</td>' in numbers
    assert {">0.25<", ">−0.125<", ">30 ± 0.5<", ">64 train<", ">1.500<"} <= {each[each.index(">") : -4] for each in numbers}
    figures = {figure["name"]: figure for figure in data_of(text)["figures"]}
    (heights,) = [mark for mark in figures["landscape"]["panels"][0]["marks"] if mark["kind"] == "surface"]
    assert heights["heights"] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]] and len(figures["landscape"]["panels"]) == 1
    by_epoch = figures["attention by epoch"]["panels"][0]["marks"]
    assert [mark["series"].partition(",")[0] for mark in by_epoch[:2]] == [
        "made/toy/4/With_SAM/sam/s0", "made/toy/4/Plain/s0",
    ]  # fmt: skip
    assert by_epoch[0]["y"] == [0.5, 0.25], "the first seed of each column"
    seeds = [len(mark["y"]) for mark in figures["sharpness"]["panels"][0]["marks"]]
    assert seeds == [2, 1] and "made, protocol paper, profile paper, toy 4: Hessian" in figures["sharpness"]["title"]
    assert {"training", "VAR weights by lag"} <= figures.keys() and capsys.readouterr().err == ""


def test_the_accuracy_stands_beside_the_loss_where_there_is_one(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    percent = np.arange(0.0, 90.0, 10).reshape(3, 3)
    look(made.results, 0.4, landscape=ARRAYS["landscape"] | {"accuracy": percent, "centre_accuracy": 40.0, "norm": "none"})
    (figure,) = [each for each in data_of(page(made))["figures"] if each["name"] == "landscape"]
    heights = [panel["marks"][0] for panel in figure["panels"]]
    assert [each["label"] for each in heights] == [
        "MSE, 64 windows of validation",
        "accuracy in %, 64 windows of validation",
    ]
    assert heights[1]["heights"] == percent.tolist() and heights[1]["scale"] == "linear"
    assert figure["notes"][0] == "Directions are as they were drawn; biases and norms stay"
    assert figure["notes"][-1] == "The accuracy there is 40.00 %"


def test_what_is_damaged_or_of_another_training_is_named_and_not_shown(
    made: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    look(made.results, 0.4, sharpness=ARRAYS["sharpness"], attention=ARRAYS["attention"])
    made.add("toy", 4, "With_SAM", 0.45)  # trained again, with another end
    assert "python -m benchmark.analysis sharpness KEY" in page(made).partition("</section>")[0]
    assert "2 files of analysis damaged, or about another training" in capsys.readouterr().err
    look(made.results, 0.45, sharpness=ARRAYS["sharpness"])
    (path,) = (made.results / "analysis").glob("*/sharpness.npz")
    path.write_bytes(path.read_bytes()[:200])
    assert "python -m benchmark.analysis sharpness KEY" in page(made).partition("</section>")[0]
    assert "sharpness.npz" in capsys.readouterr().err


def test_what_differs_in_the_fourth_digit_is_seen_to_differ(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    look(made.results, 0.4, training=ARRAYS["training"] | {"val_mse": [0.25286, 0.25214]})
    (figure,) = [each for each in data_of(page(made))["figures"] if each["name"] == "training"]
    assert figure["panels"][2]["marks"][0]["y"] == [0.25286, 0.25214]


def test_figures_take_no_more_of_the_page_than_their_room(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    made.add("toy", 8, "With_SAM", 0.4)
    places = np.linspace(-1, 1, 40)
    large = ARRAYS["landscape"] | {"x": places, "y": places, "loss": np.random.default_rng(0).random((40, 40)) + 1}
    look(made.results, 0.4, landscape=large, sharpness=ARRAYS["sharpness"])
    monkeypatch.setattr(inside, "ROOM", 25_000)
    monkeypatch.setattr(inside, "MOST_LINES", 1)
    text = page(made)
    section = text.partition("</section>")[0]
    figures = [figure for figure in data_of(text)["figures"] if figure["name"] in ("landscape", "sharpness")]
    assert [figure["name"] for figure in figures] == ["sharpness", "landscape", "sharpness"], "what fits is shown"
    assert sum(len(json.dumps(figure, separators=(",", ":"))) for figure in figures) < 25_000
    assert "1 figure more would make the page too large" in section and "The first 1 of 2 cells" in section
    assert section.count("<td") == 5, "the cell, and what was measured in any: λmax, λmin, trace, over how many windows"
