"""What released code does otherwise: each switch against a plain transcription of its description, and SAMoVAR's schedule
against torch's own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import pytest
import torch
from test_replicas import replica, state
from test_replicas import trained as replicas
from test_step import batches, net, problem, stepper, take_step, training, weights
from test_training import alone, made, trained

import baselines
from baselines.base import Forecaster
from benchmark.config.catalogue import catalogue
from benchmark.config.recipe import Training
from benchmark.config.resolve import candidates, resolve
from benchmark.data.registry import DATASETS
from benchmark.data.windows import Batch, Windows
from benchmark.errors import DataError
from benchmark.problems import forecasting
from benchmark.training.loop import Epoch
from benchmark.training.schedules import Position, beta1, learning_rate
from benchmark.training.step import LOSS_SCALE, Stepper
from benchmark.training.streams import generator

CYCLE = {"schedule": "one_cycle", "learning_rate": 6e-4, "minimum_learning_rate": 6e-9, "warmup_divisor": 10.0,
         "warmup_share": 0.05, "cycled_beta1": (0.95, 0.85), "betas": (0.9, 0.95), "optimizer": "adamw",
         "weight_decay": 0.1}  # fmt: skip


def precise(windows: Windows) -> Windows:
    """The same in float64, in which two ways of rounding differ by nothing that training could enlarge."""
    return replace(windows, series=windows.series.double())


def samovar(dropout: float = 0.0) -> Forecaster:
    torch.manual_seed(3)
    arguments = {"width": 8, "heads": 2, "layers": 2, "dropout": dropout}
    return baselines.build("samovar", lookback=12, horizon=4, channels=3, **arguments)


def test_one_cycle_is_torchs_with_its_cycled_beta1() -> None:
    per_epoch, values = 7, training(epochs=4, **CYCLE)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=6e-4, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=6e-4, epochs=5, steps_per_epoch=per_epoch, pct_start=0.05, div_factor=10, anneal_strategy="linear"
    )
    for epoch in range(4):
        for micro_batch in range(per_epoch):
            at = Position(epoch, micro_batch, per_epoch)
            group = optimizer.param_groups[0]
            assert learning_rate(values, at) == pytest.approx(group["lr"], rel=1e-9)
            assert beta1(values, at) == pytest.approx(group["betas"][0], rel=1e-9)
            optimizer.step()
            schedule.step()
    assert beta1(training(epochs=4, **{**CYCLE, "cycled_beta1": None}), Position(1, 2, 7)) == 0.9


def test_a_rising_part_of_one_step_is_at_the_full_rate() -> None:
    """5 % of 20 steps: nothing rises from the first step to itself, where torch's own divides by zero."""
    values = training(epochs=4, **CYCLE)
    rates = [learning_rate(values, Position(epoch, step, 4)) for epoch in range(4) for step in range(4)]
    assert rates[0] == 6e-4 and beta1(values, Position(0, 0, 4)) == 0.85
    falls = {round((a - b) / 6e-4, 12) for a, b in pairwise(rates)}
    assert falls == {round((1 - 1e-5) / 19, 12)}


def test_an_epoch_without_a_step_is_no_training() -> None:
    """Two micro-batches, and the step is on every eighth but one: nothing was trained, and a loss of 0 is none."""
    values = training(epochs=2, batch_size=32, accumulation=8, void_accumulation=True)
    told: list[Epoch] = []
    with pytest.raises(DataError, match="no optimizer step in an epoch: 2 micro-batches, accumulation 8"):
        alone(net(), values, problem(made(), made(40), setting=values), seed=0, on_epoch=told.append)
    assert not told


def test_a_step_on_several_micro_batches_takes_the_rate_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(Stepper, "set_pace", lambda self, rate, beta, steps, rho: seen.append((rate, steps)))
    monkeypatch.setattr(Stepper, "learning_rate", 0.0, raising=False)
    values = training(epochs=2, batch_size=8, accumulation=3, **CYCLE)
    trained(net(), values, made(), made(40), seed=0)  # 55 windows: 7 micro-batches, 3 steps an epoch
    ends = [(0, 2), (0, 5), (0, 6), (1, 2), (1, 5), (1, 6)]
    assert seen == [(learning_rate(values, Position(e, m, 7)), i) for i, (e, m) in enumerate(ends)]


def transcribed(model: Forecaster, windows: Windows, values: Training, seed: int, epochs: int) -> None:
    """Released loop, as described: zero before every micro-batch; step where (count + 1) mod 4 = 0; the loss is not
    divided; the count begins anew at every hundredth micro-batch (before that micro-batch's own test) and each epoch."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=values.learning_rate, betas=values.betas, eps=values.eps, weight_decay=values.weight_decay
    )
    order = generator(seed, "order")
    for _ in range(epochs):
        count = 0
        for i, part in enumerate(torch.split(torch.randperm(len(windows), generator=order), values.batch_size)):
            count += 1
            optimizer.zero_grad()
            x, y, _ = windows.batch(part)
            loss = model.training_loss(x, y)
            if (i + 1) % 100 == 0:
                count = 0
            loss.backward()
            if (count + 1) % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()


@pytest.mark.parametrize("length", [60, 447])
def test_void_accumulation_is_what_its_description_says(length: int) -> None:
    values = training(epochs=2, batch_size=4, accumulation=4, void_accumulation=True, optimizer="adamw", weight_decay=0.1,
                    learning_rate=1e-3, selection="last_epoch")  # fmt: skip
    windows = precise(made(length, lookback=12, horizon=4))
    ours, theirs = samovar().double(), samovar().double()
    progress = trained(ours, values, windows, windows, seed=5)
    transcribed(theirs, windows, values, 5, 2)
    micro_batches = -(-len(windows) // 4)
    assert progress.steps == 2 * sum((n % 100 + 1) % 4 == 0 for n in range(1, micro_batches + 1)) > 0
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-9, atol=1e-9)


def test_void_accumulation_is_not_accumulation() -> None:
    values = {"epochs": 2, "batch_size": 4, "accumulation": 4, "learning_rate": 1e-3, "selection": "last_epoch"}
    windows, models = made(60, lookback=12, horizon=4), (samovar(), samovar())
    for model, void in zip(models, (True, False), strict=True):
        trained(model, training(void_accumulation=void, **values), windows, windows, seed=5)
    assert not torch.allclose(weights(models[0]), weights(models[1]), rtol=1e-3)


@pytest.mark.parametrize("steps", [0, 1999, 2000, 6001])
def test_clip_before_unscale_is_what_its_description_says(steps: int) -> None:
    scale = LOSS_SCALE * 2.0 ** (steps // 2000)
    ours, theirs = net(), net()
    parts = batches(5, 5)
    taken = stepper(ours, training(clip_norm=1.0, clip_before_unscale=True, accumulation=2))
    taken.set_pace(0.01, 0.9, steps)
    take_step(taken, parts)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01, betas=(0.9, 0.999), eps=1e-8)
    for part in parts:
        (theirs.training_loss(*part) / 2 * scale).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
    for parameter in theirs.parameters():
        assert parameter.grad is not None
        parameter.grad /= scale
    for mine, other in zip(taken.gradients, theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other.grad, rtol=1e-4, atol=1e-12)
    optimizer.step()
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-5, atol=1e-7)


def test_second_pass_loss_is_that_at_the_moved_weights() -> None:
    """As in the loop that davda54/sam prescribes, had it logged its second loss; over both micro-batches, and no weight is
    moved by it."""
    ours, plain, theirs = (net(norm=True).double() for _ in range(3))
    values = {"rho": 0.3, "accumulation": 2}
    taken, other = stepper(ours, training(second_pass_loss=True, **values)), stepper(plain, training(**values))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    parts = [part._replace(x=part.x.double(), y=part.y.double()) for part in batches(8, 5)]

    def passed() -> float:
        optimizer.zero_grad()
        loss = torch.stack([theirs.training_loss(*part) * len(part.x) for part in parts]).sum() / 13
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    for _ in range(3):
        first = passed()
        kept = [each.detach().clone() for each in (*theirs.parameters(), *theirs.buffers())]
        moved = [p for p in theirs.parameters() if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in moved]).norm()
        with torch.no_grad():
            for p in moved:
                p.add_(p.grad * (0.3 / (norm + 1e-12)))
        second = passed()
        with torch.no_grad():
            for each, value in zip((*theirs.parameters(), *theirs.buffers()), kept, strict=True):
                each.copy_(value)
        optimizer.step()
        found, without = take_step(taken, parts), take_step(other, parts)
        assert float(found.loss) == pytest.approx(second, rel=1e-9) and second > first * 1.05
        assert float(without.loss) == pytest.approx(first, rel=1e-9) and torch.equal(found.grad_norm, without.grad_norm)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-9, atol=1e-12)
    assert torch.equal(weights(ours), weights(plain))


@pytest.mark.parametrize("void", [False, True])
def test_second_pass_loss_of_replicas_is_that_of_each(void: bool) -> None:
    """With dropout and batch norm, on four micro-batches of a step; as one program and alone."""
    values = {"second_pass_loss": True, "void_accumulation": void, "batch_size": 2, "patience": None}
    make = [partial(replica, "patchtst", seed, rho=0.5 * (seed + 1), **values) for seed in range(2)]
    stacked, alone = (replicas([one() for one in make], stacked=each) for each in (True, False))
    plain = replicas([one(second_pass_loss=False) for one in make], stacked=True)
    for one, other, without in zip(stacked, alone, plain, strict=True):
        assert torch.equal(state(one), state(without)) and len(one.progress.epochs) == 2
        for found, expected, first in zip(one.progress.epochs, other.progress.epochs, without.progress.epochs, strict=True):
            assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-5)
            assert found["train_loss"] > 1.01 * first["train_loss"] and found["val_mse"] == first["val_mse"]


def test_shuffled_truncated_validation_sees_other_windows_each_epoch_and_none_of_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    evaluate = forecasting.evaluate

    def watched(model: Forecaster, windows: Windows, setting: Training, *, only_mse: bool) -> dict[str, float]:
        seen.append(windows.starts.tolist())
        return evaluate(model, windows, setting, only_mse=only_mse)

    monkeypatch.setattr(forecasting, "evaluate", watched)
    truncated, whole = net(), net()
    values = {"epochs": 3, "batch_size": 8, "selection": "last_epoch"}
    trained(truncated, training(**values), made(), made(40), seed=0, truncate=8)  # 35 windows
    assert [len(s) for s in seen] == [32, 32, 32]
    assert seen[0] != seen[1] and len(set(seen[0])) == 32
    trained(whole, training(**values), made(), made(40), seed=0)
    assert torch.equal(weights(truncated), weights(whole)), "the batch order does not notice"


def test_drop_last_train_batch_leaves_other_windows_out_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[list[int]]()
    batch = forecasting.Forecasting.batch

    def watched(given: forecasting.Forecasting, part: torch.Tensor) -> Batch:
        seen.append(part.tolist())
        return batch(given, part)

    windows, values = made(), training(epochs=2, batch_size=8)
    given = replace(problem(windows, made(40), setting=values), drop_last=True)
    monkeypatch.setattr(forecasting.Forecasting, "batch", watched)
    progress = alone(net(), values, given, seed=0)
    assert len(windows) == 55 and progress.steps == 12 and [len(part) for part in seen] == [8] * 12
    first, second = (set(chain(*seen[epoch * 6 : epoch * 6 + 6])) for epoch in range(2))
    assert len(first) == len(second) == 48 and first != second
    whole = generator(0, "order")
    assert [*chain(*seen[:6])] == torch.randperm(55, generator=whole)[:48].tolist(), "the order is that of a whole epoch"
    assert len(given.micro_batches(whole, 55)) == 1
    with pytest.raises(DataError, match="55 training windows, less than one batch of 56: with drop_last_train_batch"):
        given.micro_batches(whole, 56)


def test_buffered_order_is_one_order_that_each_epoch_shuffles_through_a_buffer() -> None:
    """As TensorFlow's `Dataset.shuffle` does it: what leaves the buffer is drawn, what comes next takes its place."""
    given, dice = replace(problem(made(), made(40)), buffer=8), generator(3, "order")
    one_order, draws = torch.randperm(55, generator=generator(3, "order")).tolist(), generator(3, "order")
    epochs = [torch.cat(list(given.micro_batches(dice, 10))).tolist() for _ in range(3)]
    for epoch in epochs:
        coming, buffer, expected = one_order[8:], one_order[:8], list[int]()
        for place in torch.rand(55, generator=draws, dtype=torch.float64).tolist():
            at = int(place * len(buffer))
            expected.append(buffer[at])
            if coming:
                buffer[at] = coming.pop(0)
            else:
                buffer[at] = buffer[-1]
                del buffer[-1]
        assert epoch == expected and sorted(epoch) == list(range(55))
        assert all(one_order.index(number) < at + 8 for at, number in enumerate(epoch)), (
            "none comes before it is in the buffer"
        )
    assert epochs[0] != epochs[1] != epochs[2]
    resumed = generator(3, "order")
    resumed.set_state(dice.get_state())
    fourth = [torch.cat(list(given.micro_batches(each, 10))) for each in (dice, resumed)]
    assert torch.equal(*fourth), "a checkpoint's generator knows the one order"


@pytest.mark.parametrize("size", [1, 55, 100])
def test_a_buffer_of_one_window_keeps_the_order_and_one_of_all_is_any(size: int) -> None:
    numbers = torch.arange(55)
    found = forecasting.through_buffer(numbers, size, generator(3, "order"))
    assert torch.equal(found, numbers) == (size == 1) and torch.equal(found.sort().values, numbers)
    if size > 1:
        first = torch.stack([forecasting.through_buffer(numbers, size, generator(n, "order"))[0] for n in range(400)])
        assert first.double().mean() == pytest.approx(27, abs=3) and first.max() > 50


def test_late_halving_is_the_code_that_sets_the_rate_when_an_epoch_has_ended() -> None:
    """Counting epochs from 1, type1 sets lr·0.5^(n − 1) after epoch n."""
    values = training(schedule="decayed_every_epoch", learning_rate=0.01, epoch_decay=0.5, full_rate_epochs=2)
    rate, rates = 0.01, []
    for epoch in range(1, 6):
        rates.append(rate)
        rate = 0.01 * 0.5 ** (epoch - 1)
    assert [learning_rate(values, Position(epoch, 0, 7)) for epoch in range(5)] == rates
    papers = catalogue().papers
    for paper in (papers["itransformer"], papers["ltsf_linear"]):
        sets = {name: value.blocks[0].table for name, value in paper.switches["late_halving"].sets.items()}
        assert sets == values.model_dump(include={"schedule", "epoch_decay", "full_rate_epochs"})
        assert "late_halving" in paper.released


def test_the_last_test_batch_is_dropped_where_the_switch_says_so() -> None:
    assert len(made()) == 55
    assert made().whole_batches(8).starts.tolist() == list(range(48))
    assert len(made().whole_batches(55)) == 55
    with pytest.raises(ValueError, match="no whole batch of 56"):
        made().whole_batches(56)


def test_a_smoke_run_with_fewer_test_windows_than_a_batch_tests_on_all_of_them(data_dir: Path) -> None:
    paper = catalogue().papers["patchtst"]
    column = paper.columns["PatchTST-42"]
    (recipe,) = candidates(resolve(paper, column, "ETTh1", 96, False, paper.released, "quick"))
    assert recipe.training is not None and recipe.training.batch_size > (recipe.bounds.max_windows or 0) > 0
    _, held = forecasting.load(recipe, DATASETS["ETTh1"], data_dir / "ETT-small/ETTh1.csv", 96, torch.device("cpu"),
                               evaluation_batch=lambda channels: 64, sha256="", cache_dir=None)  # fmt: skip
    assert len(held.windows) == recipe.bounds.max_windows


@pytest.mark.parametrize("rho", [None, 0.5])
@pytest.mark.parametrize("sizes", [(8, 8, 8, 8), (8, 8, 8, 3)])
def test_four_micro_batches_of_samovar_equal_one_batch(rho: float | None, sizes: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(1)
    made = partial(torch.randn, generator=random, dtype=torch.float64)  # AdamW makes much of a rounded small gradient
    parts = [Batch(made(n, 12, 3), made(n, 4, 3), None) for n in sizes]
    at_once = [Batch(torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts]), None)]
    accumulated, whole = samovar().double(), samovar().double()
    for model, given in ((accumulated, parts), (whole, at_once)):
        steps = stepper(model, training(rho=rho, clip_norm=1.0, **{**CYCLE, "learning_rate": 1e-3}))
        for _ in range(3):
            take_step(steps, given)
    torch.testing.assert_close(weights(accumulated), weights(whole), rtol=1e-9, atol=1e-11)
