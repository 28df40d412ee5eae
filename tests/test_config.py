"""Recipes: strict, every value with its source, errors of one line with file and line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from conftest import TINY

from baselines import MODELS
from benchmark.config.catalogue import load_papers
from benchmark.config.reader import CONFIG_DIR
from benchmark.config.recipe import STATUSES
from benchmark.config.resolve import Refusal, candidates, resolve
from benchmark.data.registry import DATASETS
from benchmark.errors import UsageError

PAPERS = load_papers(tuple(DATASETS))


SWITCHES = """switches:
  other:
    what: "as another code has it"
    source: test
    status: ours
    set: {batch_size: SET}
columns:
"""


def parse(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(text.encode())
    load_papers(tuple(DATASETS), (path,))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("paper: tiny", "papr: tiny", "unknown key 'papr'; did you mean 'paper'?"),
        ("datasets: [toy]", "datasets: [toys]", "unknown data set 'toys'; did you mean 'toy'?"),
        ("lookback: {value: 8,", "lookback: {valeu: 8,", "did you mean 'value'?"),
        ("lookback: {value: 8, source: test, status: ours}", "lookback: 8", "no number without its source"),
        ("lookback: {value: 8, source: test, status: ours}", "lookback: {value: 8, status: ours}", "'source' is missing"),
        ("lookback: {value: 8, source: test, status: ours}", "lookback: {value: 8, source: t, status: our}", "'ours'"),
        ("lookback: {value: 8,", "lookback: {value: -8,", "greater than 0"),
        ("lookback: {value: 8,", "lookback: {value: 8.5,", "valid integer"),
        ("lookback: {value: 8,", "lookback: {value: true,", "valid integer"),
        ("lookback: {value: 8,", 'lookback: {value: "8",', "valid integer"),
        ("optimizer: {value: adam,", "optimizer: {value: adma,", "'adam'"),
        ("model: samformer", "model: samfromer", "did you mean 'samformer'?"),
        ("      width:", "      widht:", "did you mean 'width'?"),
        ("      width: {value: ", "      width: {value: -", "width.value: expected a whole number from 1, found -"),
        ("      width: {value: ", "      width: {value: 0.", "expected a whole number from 1, found 0."),
        ("like: SAMformer", "like: SAMfomer", "did you mean 'SAMformer'?"),
        ("rho: {value: 0.5,", "rho: {by: dataste, values: {toy: 0.5},", "did you mean 'dataset'?"),
        ("rho: {value: 0.5,", "rho: {by: dataset, values: {tyo: 0.5},", "did you mean 'toy'?"),
        ("horizons: {value: [4, 8],", "horizons: {value: [4, x],", "whole numbers"),
        ("seeds: {value: 3,", "seeds: {value: [1, -2],", "whole numbers"),
        ("  eps:", "  betas:", "key 'betas' stands twice"),
        ("paper: tiny", "paper: &a tiny\nvenue: *a", "aliases"),
        ("paper: tiny", "paper: !!python/object:os.system tiny", "not valid YAML"),
        ("paper: tiny", "paper: [tiny", "not valid YAML"),
        ("paper: tiny", "paper: ../../etc", "expected a name"),
        ("paper: tiny", "paper: samformer", "exists"),
        ("recipe:", "recipe: 3\nother:", "unknown key 'other'"),
        ("columns:\n", SWITCHES.replace("SET", "{by: dataset}"), "batch_size: expected a value, or 'by' with 'values'"),
        ("columns:\n", SWITCHES.replace("SET", "{by: dataste, values: {toy: 8}}"), "did you mean 'dataset'?"),
        ("columns:\n", SWITCHES.replace("SET", "{by: dataset, values: {tyo: 8}}"), "did you mean 'toy'?"),
        ("columns:\n", SWITCHES.replace("SET", "{by: dataset, values: {toy: -8}}"), "greater than 0, found -8"),
        ("columns:\n", SWITCHES.replace("SET", "0"), "greater than 0, found 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line_with_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(tmp_path, TINY.replace("EPOCHS", "2").replace(old, new, 1))
    message = str(caught.value)
    assert words in message and len(message.splitlines()) == 1
    assert message.startswith(f"{tmp_path / 'own.yaml'}:")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "\xff\xfe", "a: " + "[" * 100 + "]" * 100])
def test_other_files_are_refused_too(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(tmp_path, text)
    assert len(str(caught.value).splitlines()) == 1


def test_a_recipe_without_a_value_that_it_needs_refuses_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(TINY.replace("EPOCHS", "2").replace("  clip_norm: {value: null, source: test, status: ours}\n", ""))
    papers = load_papers(tuple(DATASETS), (path,))
    with pytest.raises(Exception, match="no clip_norm"):
        resolve(papers["tiny"], papers["tiny"].columns["SAMformer"], "toy", 4, True, (), "paper")


@pytest.mark.parametrize("name", sorted(PAPERS))
def test_every_cell_of_every_paper_has_a_whole_recipe(name: str) -> None:
    paper = PAPERS[name]
    for dataset in paper.datasets:
        for horizon in paper.horizons_of(dataset):
            for column in paper.columns.values():
                try:
                    resolved = resolve(paper, column, dataset, horizon, column.sam, paper.released, "paper")
                except Refusal as refusal:
                    of_ett_alone = column.name in ("SAMformer+ASAM", "SAMformer+GSAM") and not dataset.startswith("ETT")
                    assert of_ett_alone or "no season of SeasonalNaive" in str(refusal)
                    continue
                for recipe in candidates(resolved):
                    assert recipe.setting and getattr(recipe.task, "lookback", 0) == recipe.lookback
                    if MODELS[column.model].closed_form:
                        assert recipe.training is None
                    else:
                        assert recipe.training is not None and (recipe.training.rho is not None) == column.sam
                        assert recipe.arguments
                assert all(v.source and v.status in STATUSES for v in resolved.values.values())


def test_the_radii_of_samformer_are_those_of_its_table_4() -> None:
    paper = PAPERS["samformer"]
    with (CONFIG_DIR / "published/samformer.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["metric"] == "rho"]
    assert len(rows) == 32
    for row in rows:
        found = paper.recipe["rho"].at({"dataset": row["dataset"], "horizon": int(row["horizon"])})
        assert found is not None
        assert (found.value, found.status) == (float(row["value"]), row["status"])
