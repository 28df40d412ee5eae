"""From a paper's column to a cell's recipe: look-backs to choose from, models in closed form, switches, profiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import TINY, Run

from benchmark.config.catalogue import Catalogue, load_papers
from benchmark.config.resolve import Refusal, resolve
from benchmark.data.registry import DATASETS, GROUPS
from benchmark.errors import UsageError
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.plan import own_protocol, parse_protocol, plan, switches_of

PAPERS = load_papers(tuple(DATASETS))
THERE = Catalogue(PAPERS, DATASETS, GROUPS)


def cells(**selection: object) -> list[Planned]:
    return plan(THERE, Selection(**selection), lambda dataset: "0" * 64)  # type: ignore[arg-type]


def test_each_look_back_that_a_recipe_lists_is_a_cell_of_its_own() -> None:
    found = cells(papers=("samovar",), subset=("ETTh1",), horizons=(96,), models=("DLinear", "SAMoVAR"), seeds=(0,))
    assert [p.cell.key for p in found] == [
        "samovar/ETTh1/96/SAMoVAR/s0",
        "samovar/ETTh1/L512/96/DLinear/s0",
        "samovar/ETTh1/L1024/96/DLinear/s0",
        "samovar/ETTh1/L2048/96/DLinear/s0",
        "samovar/ETTh1/L4096/96/DLinear/s0",
    ]
    assert [p.cell.lookback for p in found] == [1024, 512, 1024, 2048, 4096]
    assert len({p.digest for p in found}) == 5


def test_in_profile_quick_look_backs_that_become_one_are_one_cell() -> None:
    found = cells(papers=("samovar",), subset=("ETTh1",), horizons=(96,), models=("DLinear",), profile="quick")
    assert [(p.cell.key, p.cell.lookback) for p in found] == [("samovar/quick/ETTh1/96/DLinear/s0", 512)]


def test_a_model_in_closed_form_has_one_seed_and_no_training_in_its_recipe() -> None:
    found = cells(papers=("samformer",), subset=("ETTh1",), horizons=(96,), models=("Ridge",), seeds=(1, 2))
    assert [p.cell.seed for p in found] == [0]
    assert found[0].recipe is not None
    assert set(found[0].recipe.plain()) == {"model", "sam", "lookback", "evaluation_batch", "precision"}
    refused = cells(papers=("samformer",), subset=("ETTh1",), horizons=(96,), models=("Ridge",), sam="on")
    assert refused[0].refused == "Ridge is not trained: SAM has nothing to act on"


def test_what_does_not_reach_a_model_in_closed_form_does_not_reach_its_digest() -> None:
    def digests(protocol: str) -> set[str | None]:
        return {p.digest for p in cells(papers=("samformer",), subset=("ETTh1",), models=("LastValue",), protocol=protocol)}

    assert digests("paper") == digests("released")


def test_an_argument_without_a_value_refuses_the_cell() -> None:
    paper = PAPERS["itransformer"]
    with pytest.raises(Refusal, match="no season of SeasonalNaive for Weather at horizon 96"):
        resolve(paper, paper.columns["SeasonalNaive"], "Weather", 96, False, (), "paper")


@pytest.mark.parametrize(("dataset", "column", "switches"), [
    ("ETTh1", "SAMoVAR", ("clip_before_unscale", "cycled_beta1", "last_epoch_weights")),
    ("Solar", "LinTrans", ("clip_before_unscale", "cycled_beta1", "last_epoch_weights", "void_accumulation")),
    ("Solar", "DLinear", ("cycled_beta1", "void_accumulation")),
])  # fmt: skip
def test_a_switch_acts_where_the_released_code_does_so(dataset: str, column: str, switches: tuple[str, ...]) -> None:
    paper = PAPERS["samovar"]
    assert resolve(paper, paper.columns[column], dataset, 96, False, paper.released, "paper").switches == switches


def test_released_with_more_switches_is_these_beside_its_own() -> None:
    paper, more = PAPERS["ltsf_linear"], "released+first_scripts+mean_initialisation"
    assert parse_protocol("released+mean_initialisation+first_scripts", PAPERS) == more
    assert set(switches_of(paper, more)) == {*paper.released, "first_scripts", "mean_initialisation"}
    long = parse_protocol("+".join(["paper", *paper.released, "first_scripts", "mean_initialisation"]), PAPERS)
    whole, both = "+".join(["paper", *paper.released]), ("paper+late_halving", "paper+late_halving")
    names = [(more, more), (long, more), (whole, "released"), ("released+late_halving", "released"), both]
    assert [own_protocol(paper, name) for name, _ in names] == [name for _, name in names]
    assert own_protocol(PAPERS["samovar"], more) == "released" and own_protocol(PAPERS["toy"], more) == "paper"

    def digests(protocol: str) -> list[str | None]:
        return [p.digest for p in cells(papers=("ltsf_linear",), subset=("ETTh1",), protocol=protocol)]

    assert digests(more) == digests(long) != digests("released")


@pytest.mark.parametrize("column", ["SAMformer", "TSMixer", "TSMixer+SAM"])
def test_a_switch_may_name_several_conditions(column: str) -> None:
    paper = PAPERS["samformer"]
    found = resolve(paper, paper.columns[column], "ETTh1", 96, False, ("batch_mixed_denorm",), "paper")
    assert found.plain()["arguments.batch_mixed_denorm"] is True


HALF = """
switches:
  other:
    what: "as another code has it"
    source: test
    status: ours
    set:
      rho: 0.1
      learning_rate: {by: horizon, values: {8: 5e-4}}
columns:
"""


def test_a_switch_is_active_by_what_it_changes_in_a_cell(tmp_path: Path) -> None:
    """At horizon 4 it would change rho alone, which a cell without SAM has no use for: the same training, and digest."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.replace("EPOCHS", "1").replace("\ncolumns:\n", HALF))
    paper = load_papers(tuple(DATASETS), (path,))["tiny"]
    found = {
        (name, horizon): resolve(paper, column, "toy", horizon, column.sam, ("other",), "paper")
        for name, column in paper.columns.items() for horizon in (4, 8)
    }  # fmt: skip
    assert {key: recipe.switches for key, recipe in found.items()} == {
        ("SAMformer", 4): ("other",), ("SAMformer", 8): ("other",), ("Transformer", 4): (), ("Transformer", 8): ("other",),
    }  # fmt: skip
    assert found["Transformer", 8].plain()["learning_rate"] == 5e-4
    assert found["Transformer", 8].plain().get("rho") is None, "without SAM there is no radius, whatever a switch sets"
    assert found["SAMformer", 4].plain()["learning_rate"] == 1e-3 and found["SAMformer", 4].plain()["rho"] == 0.1


FLOOR = """  Ridge: {model: ridge, main: true}
  LastValue: {model: last_value, main: true}
  Listed:
    like: Transformer
    main: true
    recipe:
      lookback: {value: LOOKBACK, source: test, status: ours}
"""


def test_closed_forms_and_several_look_backs_run_from_the_command_line(run_all: Run, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(TINY.replace("EPOCHS", "1") + FLOOR.replace("LOOKBACK", "[8, 16]"))
    command = ["--papers", "tiny", "--config", str(path), "--models", "Ridge,LastValue,Listed", "--horizons", "4",
               "--seeds", "1", "--jobs", "2"]  # fmt: skip
    ended = run_all(*command)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "cells=4 done=4 refused=0 failed=0"
    results = [json.loads(p.read_text()) for p in (tmp_path / "results/cells").glob("*.json")]
    mse = {r["key"]: r["metrics"]["test_mse"] for r in results}
    cells = ("4/Ridge", "4/LastValue", "L8/4/Listed", "L16/4/Listed")
    assert set(mse) == {f"tiny/toy/{cell}/s0" for cell in cells}
    assert mse["tiny/toy/4/Ridge/s0"] < mse["tiny/toy/4/LastValue/s0"]
    assert all(r["epochs"] == [] and r["best_epoch"] is None for r in results if "Listed" not in r["key"])


@pytest.mark.parametrize("text", ["[]", "[8, 8]", "[8, x]", "[0]", "[1.5]", "[true]", "many"])
def test_look_backs_that_cannot_be_meant_are_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(TINY.replace("EPOCHS", "1") + FLOOR.replace("LOOKBACK", text))
    with pytest.raises(UsageError, match="lookback"):
        load_papers(tuple(DATASETS), (path,))


def test_one_look_back_of_the_users_own_takes_the_place_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("recipes: {samovar: {lookback: 336}}\n")
    there = Catalogue(load_papers(tuple(DATASETS), (path,)), DATASETS, GROUPS)
    selection = Selection(papers=("samovar",), subset=("ETTh1",), horizons=(96,), models=("DLinear",), seeds=(0,))
    assert [p.cell.key for p in plan(there, selection, lambda d: "0" * 64)] == ["samovar/ETTh1/96/DLinear/s0"]


def test_a_quick_cell_of_a_large_model_takes_fewer_steps() -> None:
    found = cells(papers=("samovar",), subset=("ETTh1", "Traffic"), horizons=(96,), models=("SAMoVAR", "PatchTST", "Ridge"),
                  profile="quick")  # fmt: skip
    steps = {p.cell.key: p.recipe.bounds.max_steps for p in found if p.recipe}
    assert steps == {
        "samovar/quick/ETTh1/96/SAMoVAR/s0": 60, "samovar/quick/ETTh1/96/PatchTST/s0": 5,
        "samovar/quick/ETTh1/96/Ridge/s0": None, "samovar/quick/Traffic/96/SAMoVAR/s0": 5,
        "samovar/quick/Traffic/96/PatchTST/s0": 5, "samovar/quick/Traffic/96/Ridge/s0": None,
    }  # fmt: skip
