"""PatchTST by its own recipe: its schedules against torch's own, what its released code does otherwise, its columns."""

from __future__ import annotations

import csv

import pytest
import torch
from test_baseline_recipes import THERE, cells, recipe_of, training_of
from test_step import training

import baselines
from benchmark.config.reader import CONFIG_DIR
from benchmark.config.recipe import Recipe, Training
from benchmark.judging.printed import printed_numbers
from benchmark.training.schedules import Position, beta1, learning_rate

ETTH1 = {"schedule": "decayed_every_epoch", "learning_rate": 1e-4, "epoch_decay": 0.9, "full_rate_epochs": 4,
         "first_epoch_divisor": 25.0, "betas": (0.95, 0.999)}  # fmt: skip
ETTM1 = {"schedule": "cosine_cycle", "learning_rate": 1e-4, "minimum_learning_rate": 4e-10, "warmup_divisor": 25.0,
         "warmup_share": 0.4, "cycled_beta1": (0.95, 0.85)}  # fmt: skip
PER_EPOCH = 7


def of_torch(epochs: int, share: float = 0.3) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.OneCycleLR]:
    """What the released loop makes whatever its schedule: Adam, and a OneCycleLR with torch's defaults."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, steps_per_epoch=PER_EPOCH, pct_start=share, epochs=epochs, max_lr=1e-4
    )
    return optimizer, cycle


def pace(values: Training, at: Position) -> tuple[float, float]:
    return learning_rate(values, at), beta1(values, at)


def pace_of_torch(optimizer: torch.optim.Optimizer) -> tuple[float, float]:
    (group,) = optimizer.param_groups
    return group["lr"], group["betas"][0]


def test_the_cosine_cycle_is_torchs_with_its_cycled_beta1() -> None:
    values, (optimizer, cycle) = training(epochs=4, **ETTM1), of_torch(4, share=0.4)
    for epoch in range(4):
        for step in range(PER_EPOCH):
            assert pace(values, Position(epoch, step, PER_EPOCH)) == pytest.approx(pace_of_torch(optimizer), rel=1e-9)
            optimizer.step()
            cycle.step()
    last = Position(3, PER_EPOCH - 1, PER_EPOCH)
    assert pace(values, last) == pytest.approx((4e-10, 0.95), rel=1e-9)
    assert beta1(training(epochs=4, **{**ETTM1, "cycled_beta1": None}), last) == 0.9


def test_a_cycle_that_is_never_stepped_leaves_its_first_rate_and_beta1_behind() -> None:
    """The released loop under type3: the rate of epoch n, counted from 1, is set after it, to lr·0.9^(n − 3) from 3 on."""
    values, (optimizer, _) = training(epochs=8, **ETTH1), of_torch(8)
    for epoch in range(8):
        assert pace(values, Position(epoch, 3, PER_EPOCH)) == pytest.approx(pace_of_torch(optimizer), rel=1e-12)
        optimizer.param_groups[0]["lr"] = 1e-4 if epoch + 1 < 3 else 1e-4 * 0.9 ** (epoch + 1 - 3)


def test_patchtst_by_its_own_recipe() -> None:
    def found(dataset: str, protocol: str = "paper", column: str = "PatchTST-42") -> Recipe:
        return recipe_of(cells("patchtst", dataset, 96, protocol)[column][0])

    plain, released = found("ETTh1"), found("ETTh1", "released")
    assert plain.lookback == 336 and plain.weakest() == "verified"
    size = {"width": 16, "heads": 4, "layers": 3, "ff_width": 128}
    assert plain.arguments == {**size, "dropout": 0.3, "patch": 16, "stride": 8}
    rates = [learning_rate(training_of(plain), Position(epoch, 0, 10)) for epoch in range(5)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-4, 0.9e-4, 0.81e-4])
    assert training_of(released).model_dump(include=set(ETTH1)) == ETTH1
    assert released.arguments == {**plain.arguments, "double_dropout": True}
    task = released.task
    assert task.drop_last_train_batch and task.drop_last_test_batch and task.shuffled_truncated_validation
    assert training_of(found("ETTm1", "released")).model_dump(include=set(ETTM1)) == ETTM1
    assert found("ETTm1", "released").switches[-2:] == ("cycled_beta1", "double_dropout")
    longer = found("ETTm1", column="PatchTST-64")
    assert longer.lookback == 512 and longer.weakest() == "ours", "no script has its look-back"
    assert longer.training == found("ETTm1").training
    patches = [baselines.build("patchtst", lookback=each, horizon=4, channels=2).position.shape[0] for each in (336, 512)]
    assert patches == [42, 64]


def test_all_of_its_printed_numbers_are_in_its_table_but_those_of_illness() -> None:
    paper = THERE.papers["patchtst"]
    assert paper.printed is not None
    names = [column.printed_as for column in paper.columns.values()]
    with (CONFIG_DIR / "published" / "patchtst.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    numbers = printed_numbers(paper.printed)
    assert len(rows) == len(numbers) == 256
    assert {row["dataset"] for row in rows} - set(paper.datasets) == {"ILI"}
    for name, lookback in zip(names, ("336", "512"), strict=True):
        ours = [number for (dataset, _, model, _), number in numbers.items() if model == name and dataset != "ILI"]
        assert len(ours) == 56 and {number.lookback for number in ours} == {lookback}


def test_double_dropout_keeps_what_two_masks_keep_and_changes_no_forecast_of_a_trained_model() -> None:
    def built(double: bool, dropout: float) -> torch.nn.Module:
        torch.manual_seed(1)
        arguments = {"width": 8, "heads": 2, "layers": 2, "ff_width": 16, "dropout": dropout}
        return baselines.build("patchtst", lookback=32, horizon=4, channels=3, double_dropout=double, **arguments)

    def forecast(model: torch.nn.Module) -> torch.Tensor:
        torch.manual_seed(2)
        result: torch.Tensor = model(torch.randn(4, 32, 3))
        return result

    once, twice = built(False, 0.3), built(True, 0.3)
    assert not torch.equal(forecast(once), forecast(twice))
    assert torch.equal(forecast(built(False, 0.0)), forecast(built(True, 0.0)))
    (layer, _), seen = twice.layers, list[torch.Tensor]()  # type: ignore[misc]
    layer.attention.forward = lambda x, scores: (torch.ones(64, 50, 8), torch.zeros(0))
    layer.attention_norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    layer(torch.zeros(64, 50, 8), None)
    (summed,) = seen
    assert (summed != 0).double().mean() == pytest.approx(0.7**2, abs=0.01)
    assert summed.max() == pytest.approx(1 / 0.7**2, rel=1e-3) and summed.mean() == pytest.approx(1, abs=0.02)
    assert torch.equal(forecast(built(False, 0.3).eval()), forecast(built(True, 0.3).eval()))
