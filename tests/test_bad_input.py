"""Every option, every key of a recipe, every environment variable, given what it cannot be: a line or two that name it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY

import run_all as command
from benchmark.config.recipe import fields_of
from benchmark.data import __main__ as data_command
from benchmark.show import main as show
from benchmark.tracking.__main__ import main as tracking
from benchmark.workloads import FORECASTING
from tables.__main__ import main as tables

Said = Callable[..., str]


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    """Calls a command; returns its error: one or two lines, no traceback, status 1 or 2, nothing written."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHMARK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, main: Callable[[list[str]], int] = command.main) -> str:
        before = sorted(p for p in tmp_path.rglob("*") if "cache" not in p.parts)
        try:
            status = main(list(arguments))
        except SystemExit as ended:
            status = int(str(ended.code))
        out = capsys.readouterr()
        lines = [line for line in out.err.splitlines() if not line.startswith("usage: ")]
        assert status in (1, 2) and "Traceback" not in out.err and 1 <= len(lines) <= 2, (status, out)
        assert sorted(p for p in tmp_path.rglob("*") if "cache" not in p.parts) == before
        return out.err

    return call


DIGITS = "٩٦"
OPTIONS: dict[str, list[str]] = {
    "--subset": ["", ",", " , ", "nope", "../x", "ETTh1;ls", "🦆", "ETTh1,nope"],
    "--papers": ["", ",", "nope", "samformer/", "samformer,nope"],
    "--models": ["", ",", "nope", "SAMformer,nope", "*"],
    "--horizons": ["", "0", "-96", "96.0", "1e2", DIGITS, "96,,x", "24,,96", "9" * 30, "97", " ", "0x60"],
    "--seeds": ["", "0", "-1", "a", "1,b", " ", "1.0", "2147483648", "-1,", "٣"],
    "--sam": ["", "ON", "true", "on,off"],
    "--protocol": ["", "paper+", "released+nope", "paper+nope", "Papers", "+", "paper fixed"],
    "--profile": ["", "fast", "QUICK"],
    "--config": ["", ".", "missing.yaml", "/dev/null", "pipe", "x" * 5000, "file/x.yaml"],
    "--jobs": ["", "0", "-1", "two", "1.5", "auto,", "1 2", "9" * 12],
    "--device": ["", "gpu", "cuda:0", "CPU"],
    "--backend": ["", "ray", "Dask", "dask"],
    "--scheduler": ["", "tcp://127.0.0.1:9", "nonsense", "tcp://", "127.0.0.1:9", "http://127.0.0.1:9", "tcp://host:port"],
    "--shard": ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "/", "-1/2"],
    "--timeout": ["", "0s", "90", "fast", "1.5h", "-3m", "1m1h", "5d", "9" * 11 + "s"],
    "--retry": ["", "all", "killed"],
    "--results-dir": ["", " ", "file", "file/x", "/proc/x", "x" * 5000],
    "--data-dir": ["file", "x" * 5000],
    "--subest": ["ETTh1"],
    "--results_dir": ["x"],
}


@pytest.mark.parametrize(("option", "value"), [(option, value) for option, values in OPTIONS.items() for value in values])
def test_an_option(option: str, value: str, said: Said, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    os.mkfifo(tmp_path / "pipe")
    rest = [] if option in ("--subset", "--papers") else ["--subset", "toy", "--seeds", "1"]
    if option == "--data-dir":
        rest = ["--subset", "ETTh1", "--papers", "samformer", "--horizons", "96", "--seeds", "1", "--offline"]
    if option not in ("--results-dir", "--data-dir", "--backend", "--scheduler"):
        rest.append("--dry-run")  # what is accepted by mistake is not trained
    found = said(*rest, f"{option}={value}")
    assert option in found or (value and value in found) or "--subset" in found, found


WORDS = [["--horizons"], ["toy"], ["--force=yes"], ["--json"], ["-x"], ["--", "toy"], ["--seeds", "--sam"]]


@pytest.mark.parametrize(
    ("words", "what"),
    [(["--subset", "toy", "--subset", "ETTh1"], "--subset: given twice; give it once, its values separated by commas"),
     (["--horizons", "24,,96"], "--horizons: expected numbers separated by commas, found nothing between two in '24,,96'"),
     (["--seeds", ","], "--seeds: expected numbers separated by commas, found nothing"),
     (["--protocol", "paper+"], "expected paper or released, or one of them with +SWITCH[+SWITCH…], found 'paper+'")],
)  # fmt: skip
def test_a_list_says_each_thing_once(words: list[str], what: str, said: Said) -> None:
    assert what in said(*words, "--dry-run")


def test_only_an_option_of_the_command_is_suggested(said: Said) -> None:
    found = said("claims", "--models", "nope", main=tables)
    assert "unknown option '--models'" in found and "mean '--models'" not in found and "--digits" not in found


@pytest.mark.parametrize("words", WORDS)
def test_words_that_are_no_options(words: list[str], said: Said) -> None:
    found = said(*words)
    assert words[0].partition("=")[0] in found or words[-1] in found


WRONG: dict[str, list[Any]] = {name: ["[1, 2, 3, 4]", "{a: 1}", "nonsense"] for name in fields_of(FORECASTING)}
NUMBERS = ("lookback", "batch_size", "accumulation", "epochs", "restart_period", "patience", "evaluation_batch")
for _name in NUMBERS:
    WRONG[_name] += ["0", "-1", "1.5", "true", ".inf"]
for _name in ("learning_rate", "eps", "rho", "weight_decay", "clip_norm"):
    WRONG[_name] += ["-1.0", ".nan", "true"]
WRONG["lookback"].remove("[1, 2, 3, 4]")  # several, of which validation chooses
WRONG["milestones"].remove("[1, 2, 3, 4]")
WRONG["betas"] = ["[0.9]", "[0.9, 1.0]", "[0.9, x]", "0.9", "[0.9, -0.1]"]


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_recipes_value(key: str, value: str, said: Said, tmp_path: Path) -> None:
    text = "\n".join(
        f"  {key}: {{value: {value}, source: test, status: ours}}" if line.startswith(f"  {key}: ") else line
        for line in TINY.replace("EPOCHS", "1").splitlines()
    )
    if f"  {key}: " not in text:
        text = text.replace("recipe:\n", f"recipe:\n  {key}: {{value: {value}, source: test, status: ours}}\n")
    (tmp_path / "own.yaml").write_text(text)
    found = said("--papers", "tiny", "--subset", "toy", "--config", "own.yaml", "--dry-run")
    assert "own.yaml" in found and key in found, found


@pytest.mark.parametrize(
    ("name", "value"),
    [("BENCHMARK_DATA_DIR", "file"), ("BENCHMARK_DATA_DIR", "file/below"), ("BENCHMARK_DATA_DIR", "x" * 5000),
     ("BENCHMARK_DATA_DIR", "nowhere")],
)  # fmt: skip
def test_an_environment_variable_that_leads_nowhere(
    name: str, value: str, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file")
    monkeypatch.setenv(name, value)
    found = said("--subset", "ETTh1", "--papers", "samformer", "--horizons", "96", "--seeds", "1", "--offline")
    assert value[:50] in found


@pytest.mark.parametrize("value", ["file", "file/below", "x" * 5000, "/proc/nowhere"])
def test_a_cache_that_cannot_be_used_is_done_without(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert command.main(["--subset", "toy", "--dry-run"]) == 0
    assert "cells=" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("main", "words", "named"),
    [
        (show, ["nope"], "nope"), (show, ["nope/x/s0"], "nope"),
        (show, ["samformer/ETTh1"], "samformer"), (show, ["samformer/ETTh1/96/SAMformer/sam/s0x"], "s0"),
        (show, ["/"], "unknown paper"),
        (show, ["samformer/ETTh1/96/SAMformer/sam/s" + "9" * 5000], "s9"), (show, [""], "give a key"),
        (tables, ["draw"], "draw"), (tables, ["render", "--results-dir", "nowhere"], "nowhere"),
        (tables, ["render", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (tables, ["render", "--resutls-dir", "x"], "resutls"),
        (tracking, ["sink"], "sink"), (tracking, ["sync", "--results-dir", "nowhere"], "nowhere"),
        (data_command.main, ["fetch"], "name the data sets"),
        (data_command.main, ["fetch", "nope"], "nope"), (data_command.main, ["status", "ETTh9"], "ETTh9"),
        (data_command.main, ["steal", "ETTh1"], "steal"),
    ],
)  # fmt: skip
def test_the_other_commands(main: Callable[[list[str]], int], words: list[str], named: str, said: Said) -> None:
    assert named in said(*words, main=main)
