"""Features M, S, MS: what goes in, what counts, what the plan refuses, and that no table compares them."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from recipes import FORECASTERS, made_up

import baselines
from benchmark.cell import Attempt, Experiment, begun, train_and_test
from benchmark.config.catalogue import Catalogue, catalogue, override
from benchmark.config.paper import Last, Layout
from benchmark.config.yamlfile import load as yaml_of
from benchmark.data import series, windows
from benchmark.data.registry import DATASETS
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.plan import plan
from benchmark.problems import load
from benchmark.problems.evaluation import partial_mse
from benchmark.training.checkpoint import Checkpoint
from tables.figures import horizons
from tables.layout.table import Options, paper_tables
from tables.render import read, render
from tables.rows.row import of_one_task
from tests.data.samples import RECIPE
from tests.data.samples import series as sample

pytest_plugins = ("tests.tables.made_up",)

VAR, CPU = DATASETS["var"], torch.device("cpu")


def made_windows(features: str) -> windows.Windows:
    return windows.make(series.load(VAR, None, 16, 4, features=features), 16, 4, CPU).test


def test_what_goes_in_and_what_is_asked_for() -> None:
    every, alone, target = (made_windows(features).batch(torch.tensor([3, 700])) for features in ("M", "S", "MS"))
    assert torch.equal(alone.x, every.x[..., -1:]) and torch.equal(alone.y, every.y[..., -1:])
    assert torch.equal(target.x, every.x) and torch.equal(target.y, every.y[..., -1:])


def test_loss_and_metrics_are_the_targets_alone() -> None:
    recipe = made_up("dlinear", {"kernel_size": 5}, lookback=16, features="MS")
    problem, held = load(recipe, VAR, None, 4, CPU, evaluation_batch=lambda channels: 99, sha256="", cache_dir=None)
    torch.manual_seed(0)
    model = baselines.build("dlinear", **problem.shape(), kernel_size=5)
    batch = problem.batch(torch.arange(5))
    assert batch.x.shape == (5, 16, 7) and batch.y.shape == (5, 4, 1)
    loss = problem.loss(model, batch)
    assert float(loss.detach()) == pytest.approx(float((model(batch.x)[..., -1:] - batch.y).square().mean().detach()))
    loss.backward()
    whole = made_windows("M").batch(slice(None))
    with torch.no_grad():
        error = (model(whole.x) - whole.y)[..., -1].double()
    metrics = held.measure(model)
    assert metrics["mse"] == pytest.approx(float(error.square().mean()), rel=1e-6)
    assert metrics["mae"] == pytest.approx(float(error.abs().mean()), rel=1e-6)
    deviation = series.load(VAR, None, 16, 4).scale.deviation[-1]
    assert held.extra["raw_mae"] == pytest.approx(float(error.abs().mean()) * deviation, rel=1e-6)
    assert problem.validate(model, torch.Generator()) == problem.measure(model)["mse"]


def test_every_pair_of_a_batch_counts_where_the_code_mixes_them() -> None:
    forecast, y = torch.randn(5, 5, 4, 3), torch.randn(5, 4, 1)
    by_hand = torch.stack([(part[..., -1:] - y).square().mean() for part in forecast]).mean()
    assert float(partial_mse(forecast, y)) == pytest.approx(float(by_hand), rel=1e-6)
    with pytest.raises(ValueError, match=r"the forecast is \(5, 3, 3\), the targets \(5, 4, 1\)"):
        partial_mse(torch.zeros(5, 3, 3), y)


def test_what_a_class_says_is_known_without_importing_it() -> None:
    for info in FORECASTERS.values():
        cls = getattr(import_module(f"baselines.{info.module}"), info.cls)
        assert info.partial_targets is cls.partial_targets, info.name
    allowed = {name for name, info in FORECASTERS.items() if info.partial_targets}
    trained = {"samformer", "ablated", "tsmixer", "itransformer", "patchtst", "dlinear", "formerbaseline", "fits"}
    assert allowed == trained | {"last_value", "seasonal_naive"}


def planned(there: Catalogue, paper: str, dataset: str, *models: str, horizon: int = 96) -> dict[str, Planned]:
    """The cells of seed 0 by column."""
    asked = Selection(papers=(paper,), subset=(dataset,), models=models or ("all",), horizons=(horizon,), seeds=(0,))
    return {p.cell.model: p for p in plan(there, asked, lambda dataset: "0" * 64)}


def changed(tmp_path: Path, text: str) -> Catalogue:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    return catalogue([path])


def test_m_adds_nothing_to_a_digest_and_the_others_do(tmp_path: Path) -> None:
    digests = []
    for said in ("{}", "{features: M}", "{features: S}", "{features: MS}"):
        there = changed(tmp_path, f"recipes: {{samformer: {said}}}")
        digests.append({m: p.digest for m, p in planned(there, "samformer", "ETTh1").items() if p.refused is None})
    plain, m, s, ms = digests
    assert plain == m and len(plain) > 4
    assert all(len({plain[name], s[name], ms[name]}) == 3 for name in ms)
    assert set(m) - set(ms) == {"Ridge"}


def test_the_plan_refuses_what_cannot_be_in_one_sentence(tmp_path: Path) -> None:
    there = changed(tmp_path, "recipes: {samovar: {features: MS}}")
    cells = planned(there, "samovar", "ETTh1")
    for name, what in (
        ("SAMoVAR", "its training loss"),
        ("FixedVAR", "its training loss"),
        ("Ridge", "what it is fitted to"),
    ):
        assert cells[name].refused == (
            f"{name} cannot have features MS: {what} is over all targets, and not the MSE of some alone"
        )
    assert cells["DLinear"].refused is None and cells["LastValue"].refused is None
    alone = planned(changed(tmp_path, "recipes: {samovar: {features: S}}"), "samovar", "ETTh1")
    assert not any(p.refused for p in alone.values())


def test_own_data_say_it_and_a_target_that_does_nothing_is_explained(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(sample(3000, "a,b,OT"))
    own = "datasets: {mine: {file: mine.csv, papers: [samformer], target: a}}\n" + RECIPE
    idle = changed(tmp_path, own)
    assert len(idle.notes) == 1 and "'target' names the channel that features S and MS are about" in idle.notes[0]
    for features, channels in (("S", 1), ("MS", 3)):
        there = changed(tmp_path, own.replace("target: a", f"target: a, features: {features}"))
        (cell,) = planned(there, "samformer", "mine", "SAMformer").values()
        assert there.notes == () and cell.recipe is not None and cell.recipe.variant == features
        dataset = there.datasets["mine"]
        assert "features" not in dataset.identity()["options"], "it stands in the recipe, once"
        loaded = series.load(dataset, tmp_path / "mine.csv", 8, 4, features=features)
        plain = series.load(dataset, tmp_path / "mine.csv", 8, 4).values
        assert loaded.values.shape[1] == channels and np.array_equal(loaded.values[:, -1], plain[:, -1])
    by_recipe = changed(tmp_path, own.replace("rho:", "features: {by: dataset, values: {mine: S}}\n    rho:"))
    assert by_recipe.notes == ()
    (other,) = planned(by_recipe, "samformer", "ETTh1", "SAMformer").values()
    assert other.recipe is not None and other.recipe.variant == "", "the paper's own sets stay what they are"


@pytest.mark.parametrize(
    ("name", "features"),
    [(n, f) for n, info in FORECASTERS.items() for f in ("S", "MS") if info.memory and (f == "S" or info.partial_targets)],
)
def test_every_trained_model_takes_a_step(name: str, features: str) -> None:
    small = {"width": 8, "heads": 2, "ff_width": 8, "layers": 1, "patch": 4, "stride": 2, "kernel_size": 5, "mlp_ratio": 2}
    small |= {"period": 24, "harmonics": 1}
    given = {k: v for k, v in small.items() if k in baselines.MODELS[name].arguments}
    recipe = made_up(name, given, lookback=24, features=features)
    problem, _ = load(recipe, VAR, None, 8, CPU, evaluation_batch=lambda channels: 512, sha256="", cache_dir=None)
    torch.manual_seed(0)
    model = baselines.build(name, **problem.shape(), **given)
    problem.loss(model, problem.batch(torch.arange(6))).backward()
    with torch.no_grad():
        forecast = model.eval()(problem.batch(torch.arange(6)).x)
    assert forecast.shape == (6, 8, 1 if features == "S" else 7)


def test_a_cell_from_plan_to_result(tmp_path: Path) -> None:
    recipe = made_up("samformer", {"width": 4}, lookback=16, features="MS", rho=0.5)
    there = catalogue()
    (cell,) = planned(there, "toy", "toy", "SAMformer", horizon=24).values()
    experiment = Experiment(replace(cell.cell, horizon=4), "ab" * 32, recipe, DATASETS["toy"], None, "", None, "cpu", None)
    checkpoint = Checkpoint(tmp_path / "kept.pt", experiment.digest, "cpu", print)
    attempt = Attempt(experiment, begun(experiment), checkpoint)
    train_and_test([attempt], tmp_path)
    assert (result := attempt.result) is not None
    assert result.status == "done", result.reason
    assert result.recipe["features"] == "MS" and result.metrics["test_mse"] < 3
    with np.load(tmp_path / "forecasts" / f"{experiment.digest}.npz") as kept:
        assert kept["truth"].shape == kept["forecast"].shape == (3, 4, 1)


def test_a_table_compares_it_with_no_printed_number(made: Any, tmp_path: Path) -> None:
    made.add("toy", 4, "With_SAM", 0.38, 0.381, 0.379)
    (tmp_path / "o.yaml").write_text("features: {by: model, values: {Plain: S, otherwise: M}}\n")
    paper = override(made.paper, yaml_of(tmp_path / "o.yaml"), ("toy",))
    made.catalogue = Catalogue({"made": paper}, made.catalogue.datasets, {})
    made.add("toy", 4, "Plain", 0.1, 0.1, 0.1)
    _, evidence = read(made.catalogue, made.results)
    found = {row.key.model: row for row in evidence.rows_of["made"]["paper", "paper"] if row.key.horizon == 4
             and row.key.metric == "mse" and row.key.dataset == "toy"}  # fmt: skip
    assert (found["Plain"].variant, found["Plain"].comparison.verdict) == ("S", "not comparable")
    assert found["Plain"].comparison.deviation_pct is None
    assert (found["With_SAM"].variant, found["With_SAM"].comparison.verdict) == ("", "reproduced")
    drawn = horizons.figure(paper, of_one_task(evidence.rows_of["made"]["paper", "paper"]), "made")
    assert drawn is not None and {entry.name for entry in drawn.legend} == {"With_SAM, SAM on", "one seed", "printed"}
    alone = horizons.figure(paper, [found["Plain"]], "made")
    assert alone is not None and [panel.title for panel in alone.panels] == ["toy (S)"]
    assert "printed" not in {entry.name for entry in alone.legend}
    render(made.catalogue, made.results, Options(figures=False))
    text = (made.results / "tables" / "made.md").read_text()
    assert "0.100 ± 0.000 (S)" in text and "features S: the target channel alone" in text
    assert "**0.100**" not in text, "the best of one is no best"
    layout = (Layout("Table 1", ("mse",), last=(Last("improvement"),)),)
    (table,) = paper_tables(replace(paper, layout=layout), evidence.rows_of["made"]["paper", "paper"], "paper", Options())
    assert table.below[0].ours == {}, "no improvement of one task over another"
    assert "(S)" in (made.results / "tables" / "made.tex").read_text()


def test_the_manuals_recipe_is_read(tmp_path: Path) -> None:
    text = (ROOT / "docs/own_data.md").read_text("utf-8").partition("### One channel of several\n")[2].split("\n### ")[0]
    there = changed(tmp_path, text.split("```yaml\n")[-1].split("```")[0])
    cells = [planned(there, "samformer", name, "SAMformer")["SAMformer"].recipe for name in ("ETTh1", "ETTh2")]
    assert [recipe.variant for recipe in cells if recipe is not None] == ["S", ""]
