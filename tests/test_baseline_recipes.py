"""FormerBaseline, FITS and CATS as SAMoVAR's scripts train them, FITS by its own recipe, and what these recipes ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from recipes import made_up
from test_replicas import replica, state, windows
from test_step import problem, training

from benchmark.config.catalogue import catalogue
from benchmark.config.recipe import Recipe, Training
from benchmark.config.resolve import candidates, resolve
from benchmark.data.registry import DATASETS
from benchmark.data.windows import Batch
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.plan import plan
from benchmark.problems.forecasting import load, with_channels_dropped
from benchmark.training.loop import fit
from benchmark.training.schedules import Position, learning_rate

THERE = catalogue()
CPU = torch.device("cpu")


def cells(paper: str, dataset: str, horizon: int, protocol: str = "paper") -> dict[str, list[Planned]]:
    """The cells of seed 0 by column."""
    asked = Selection(papers=(paper,), subset=(dataset,), horizons=(horizon,), seeds=(0,), protocol=protocol)
    found: dict[str, list[Planned]] = {}
    for planned in plan(THERE, asked, lambda dataset: "0" * 64):
        found.setdefault(planned.cell.model, []).append(planned)
    return found


def recipe_of(planned: Planned) -> Recipe:
    assert planned.recipe is not None, planned.refused
    return planned.recipe


def training_of(recipe: Recipe) -> Training:
    assert recipe.training is not None
    return recipe.training


def test_a_channel_is_dropped_in_all_windows_and_targets_of_a_micro_batch() -> None:
    torch.manual_seed(0)
    batch, shares = Batch(torch.ones(4, 6, 500), torch.ones(4, 3, 500), None), []
    for _ in range(200):
        x, y, _ = with_channels_dropped(batch)
        assert ((x == 0) | (x == 1)).all()
        assert torch.equal(x.amin(dim=(0, 1)), x.amax(dim=(0, 1))) and torch.equal(x[0, 0], y[-1, -1])
        shares.append(x.mean().item())
    # ρ is uniform, and drawn once for all channels: with a coin for each the shares would all be about a half.
    assert abs(sum(shares) / 200 - 0.5) < 0.07 and min(shares) < 0.1 and max(shares) > 0.9
    alone = with_channels_dropped(batch._replace(y=batch.y[..., -1:]))
    assert torch.equal(alone.y[0, 0, 0], alone.x[0, 0, -1])


def test_channels_are_dropped_in_training_alone_and_by_each_replica_for_itself() -> None:
    given = replace(problem(windows(21, torch.float64), windows(14, torch.float64)), drop_channels=True)
    together, singly = [replica("fits", seed) for seed in range(3)], [replica("fits", seed) for seed in range(3)]
    plain = replica("fits", 0)
    fit(together, given, stacked=True)
    fit(singly, given)
    for one, other in zip(together, singly, strict=True):
        torch.testing.assert_close(state(one), state(other), rtol=1e-9, atol=1e-9)
    fit([plain], replace(given, drop_channels=False))
    assert not torch.allclose(state(plain), state(singly[0]))
    assert given.validate(plain.model, torch.Generator()) == given.validate(plain.model, torch.Generator())
    dropping = replica("samformer", 0)
    assert given.gradients(dropping.model, given.batch(given.train.starts[:4])) is None, (
        "derived by hand it would drop none"
    )


@pytest.mark.parametrize("zeros", [False, True])
def test_a_set_without_dates_has_time_features_of_zeros_where_the_recipe_says_so(zeros: bool) -> None:
    recipe = made_up("dlinear", {"kernel_size": 3}, lookback=8, time_features=True, zero_time_features=zeros)
    found, held = load(
        recipe, DATASETS["var"], None, 4, CPU, evaluation_batch=lambda channels: 512, sha256="", cache_dir=None
    )
    for split in (found.train, found.validation, held.windows):
        marks = split.batch(slice(0, 3)).marks
        assert (marks is not None) == zeros
        assert marks is None or (marks.shape == (3, 8, 4) and not marks.any())


def test_itransformers_time_tokens_of_zeros_are_a_switch() -> None:
    def digests(dataset: str, protocol: str) -> list[str | None]:
        found = [
            planned.digest for planned in cells("samovar", dataset, 96, protocol)["iTransformer"] if not planned.refused
        ]
        assert found and None not in found
        return found

    assert "zero_time_tokens" in THERE.papers["samovar"].released
    for dataset in ("Solar", "PEMS08"):
        assert not set(digests(dataset, "paper+zero_time_tokens")) & set(digests(dataset, "paper"))
    assert digests("ETTh1", "paper+zero_time_tokens") == digests("ETTh1", "paper")


def test_samovars_baselines_are_trained_as_its_script_has_it() -> None:
    found = cells("samovar", "ETTh1", 96)
    for name in ("FormerBaseline", "FITS", "CATS"):
        assert [planned.cell.lookback for planned in found[name]] == [512, 1024, 2048, 4096]
        recipe = recipe_of(found[name][0])
        values = recipe.training
        assert values is not None and (values.learning_rate, values.minimum_learning_rate) == (1e-4, 1e-9)
        assert (values.patience, values.clip_norm, values.precision) == (12, 1.0, "float32")
        assert recipe.task.drop_channels == (name == "CATS")
    assert recipe_of(found["FITS"][0]).arguments == {"period": 24, "harmonics": 6, "individual": False}
    assert recipe_of(found["FormerBaseline"][0]).arguments["mlp_ratio"] == 8
    columns = THERE.papers["samovar"].columns
    assert columns["FormerBaseline"].printed_as == "EncFormer" and "NameError" in columns["CATS"].what


def test_fits_by_its_own_recipe() -> None:
    recipe = recipe_of(cells("fits", "ETTh1", 96)["FITS"][0])
    values = recipe.training
    assert values is not None and (recipe.lookback, values.batch_size, values.patience) == (360, 128, 20)
    rates = [learning_rate(values, Position(epoch, 0, 10)) for epoch in range(4)]
    assert rates == pytest.approx([5e-4, 5e-4, 5e-4 * 0.95, 5e-4 * 0.95**2])
    assert recipe.weakest() == "verified"
    weather = recipe_of(cells("fits", "Weather", 336)["FITS"][0])
    assert weather.arguments == {"period": 144, "harmonics": 8, "individual": True} and weather.weakest() == "ours"
    assert recipe_of(cells("fits", "ETTh2", 96)["FITS"][0]).weakest() == "ours", "mode 2 of the code is not what is trained"
    assert "best of the logged settings on the test set" in THERE.papers["fits"].columns["FITS"].what


def test_a_decaying_rate_begins_to_fall_after_the_first_epoch_unless_told_otherwise() -> None:
    values = training(schedule="decayed_every_epoch", learning_rate=1e-3, epoch_decay=0.5)
    assert [learning_rate(values, Position(epoch, 0, 3)) for epoch in range(3)] == [1e-3, 5e-4, 2.5e-4]


def test_ltsf_linear_and_itransformer_as_released_and_dlinear_as_it_first_was() -> None:
    for paper, model in (("ltsf_linear", "DLinear"), ("itransformer", "iTransformer"), ("fits", "FITS")):
        plain, released = (recipe_of(cells(paper, "ETTh1", 96, protocol)[model][0]) for protocol in ("paper", "released"))
        assert released.task.drop_last_train_batch and not plain.task.drop_last_train_batch
        rates = [[learning_rate(training_of(recipe), Position(epoch, 0, 10)) / training_of(recipe).learning_rate
                  for epoch in range(4)] for recipe in (plain, released)]  # fmt: skip
        assert rates == ([[1, 0.5, 0.25, 0.125], [1, 1, 0.5, 0.25]] if paper != "fits" else [rates[0]] * 2)
        assert released.task.drop_last_test_batch == (paper == "ltsf_linear")
    first = recipe_of(cells("ltsf_linear", "ETTh1", 96, "paper+mean_initialisation")["DLinear"][0])
    assert first.arguments == {"kernel_size": 25, "initial_weights": "mean"}
    assert not {"mean_initialisation", "first_scripts"} & set(THERE.papers["ltsf_linear"].released)
    for dataset, horizon, batch, rate in (("ETTh1", 96, 8, 1e-4), ("ETTh1", 720, 8, 1e-4), ("ETTm2", 336, 32, 1e-2),
                                          ("ETTm2", 720, 32, 0.1), ("Exchange", 336, 32, 5e-4),
                                          ("Exchange", 720, 32, 5e-3)):  # fmt: skip
        plain, first = (recipe_of(cells("ltsf_linear", dataset, horizon, protocol)["DLinear"][0])
                        for protocol in ("paper", "paper+first_scripts"))  # fmt: skip
        assert (training_of(first).batch_size, training_of(first).learning_rate) == (batch, rate)
        same = (training_of(plain).batch_size, training_of(plain).learning_rate) == (batch, rate)
        assert first.switches == (() if same else ("first_scripts",))


def test_samformers_tensorflow_code_has_one_order_of_windows() -> None:
    paper, buffers = THERE.papers["samformer"], {}
    for name in ("SAMformer", "Transformer", "TSMixer", "SAMformer-torch"):
        column = paper.columns[name]
        (recipe,) = candidates(resolve(paper, column, "ETTh1", 96, column.sam, ("buffered_order",), "paper"))
        buffers[name] = recipe.task.shuffle_buffer
    assert buffers == {"SAMformer": 256, "Transformer": 256, "TSMixer": 256, "SAMformer-torch": None}
    assert "buffered_order" in THERE.papers["samformer"].released
    given: Any = {"evaluation_batch": lambda channels: 512, "sha256": "", "cache_dir": None}
    buffered = made_up("dlinear", {"kernel_size": 3}, lookback=8, shuffle_buffer=256)
    assert load(buffered, DATASETS["var"], None, 4, CPU, **given)[0].buffer == 256
