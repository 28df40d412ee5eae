"""The worked examples of docs/own_data.md, as they stand there: made, planned, read; and what is said without a key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

import run_all as command
from benchmark.config.catalogue import catalogue
from benchmark.data import readers
from benchmark.data.series import load
from benchmark.data.splits import segments
from benchmark.errors import DataError, UsageError

TEXT = (ROOT / "docs/own_data.md").read_text("utf-8")


@dataclass(frozen=True)
class Example:
    """An example's lines that make its file, its YAML, the key that it is shown without, and what is said then."""

    make: str
    config: str
    without: str | None
    said: str


def example(name: str) -> Example:
    part = re.split(r"<!-- |\n## |\n### ", TEXT[TEXT.index(f"<!-- {name}.yaml -->") + 5 :])[0]
    blocks = dict(reversed(re.findall(r"```(\w+)\n(.*?)```", part, re.S)))  # the first of a kind
    without = re.search(r"Without `(\w+)`", part)
    return Example(
        blocks.get("python", ""), blocks["yaml"], without[1] if without else None, blocks.get("text", "").strip()
    )


NAMES = [name for name in re.findall(r"<!-- (\w+)\.yaml -->", TEXT) if name != "recipe"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_planned_and_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shown = example(name)
    exec(shown.make, {})
    (tmp_path / "recipe.yaml").write_text(example("recipe").config)
    config = tmp_path / f"{name}.yaml"
    config.write_text(shown.config)
    names = list(yaml.safe_load(shown.config)["datasets"])
    options = ["--config", "recipe.yaml", "--config", str(config), "--subset", ",".join(names), "--seeds", "1", "--dry-run"]
    assert command.main([*options, "--models", "SAMformer,LastValue"]) == 0
    assert capsys.readouterr().out.endswith(f"cells={2 * len(names)} done=0 refused=0 failed=0\n")
    for each in names:
        dataset = catalogue([config]).datasets[each]
        assert dataset.rows is not None
        loaded = load(dataset, Path(str(dataset.file)), 24, 12)
        assert loaded.values.shape == (dataset.rows, dataset.channels)
        counts = segments(dataset, dataset.rows, 24).counts(24, 12)
        assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == counts and min(counts) > 0
    if shown.without:
        said = refusal(config, names[0], shown.without)
        assert said.endswith(shown.said) and said.removesuffix(shown.said).strip().endswith(str(tmp_path) + "/"), said


def refusal(config: Path, name: str, key: str) -> str:
    """What is said of a data set that lacks a key of its YAML."""
    known = yaml.safe_load(config.read_text())
    del known["datasets"][name][key]
    config.write_text(yaml.safe_dump(known))
    with pytest.raises((DataError, UsageError)) as error:
        dataset = catalogue([config]).datasets[name]
        readers.read(dataset, Path(str(dataset.file)))
    return str(error.value)


def test_every_kind_has_its_example() -> None:
    known = "\n".join(example(name).config for name in NAMES)
    kinds = (
        "ms",
        "month,",
        "1 quarter",
        "business day",
        "step: none",
        "dates:",
        "fill: previous",
        "fill: linear",
        "fill: mask",
        "features: MS",
        "features: S,",
        ".gz",
        "ratio:",
        "months:",
        "{dates:",
    )
    assert [kind for kind in kinds if kind not in known] == []
