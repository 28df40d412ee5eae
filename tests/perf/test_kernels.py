"""A CUDA graph can hold every model's step, and what a step has to do on a CUDA device is counted, without one."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from frozen.test_weights import SMALL
from torch import Tensor, nn
from torch.utils import backend_registration

import baselines
from baselines.base import Forecaster
from benchmark.config.catalogue import catalogue
from benchmark.config.resolve import candidates, resolve
from benchmark.perf import cases, kernels, replicas
from benchmark.perf.__main__ import main
from benchmark.perf.cases import Case, Task
from benchmark.perf.kernels import Count, Counted, Work, steps_work
from benchmark.perf.report import refused
from benchmark.problems.images import Images, Pictures

COLUMNS = [
    *(("samovar", f"{column}+SAM") for column in ("SAMoVAR", "LinTrans", "FixedVAR", "iTransformer", "PatchTST")),
    *(("samovar", f"{column}+SAM") for column in ("DLinear", "FormerBaseline", "FITS", "CATS")),
    ("samformer", "SAMformer"), ("samformer", "TSMixer+SAM"), ("toy_large", "RandomTransformer"),
]  # fmt: skip


pytestmark = pytest.mark.skipif(
    not hasattr(backend_registration, kernels.REGISTERS), reason="this torch has no device in Python"
)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Callable[..., Any]]:
    """Calls a function in a process of its own: a device cannot be taken back from one."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        yield lambda function, *given: process.submit(function, *given).result()


def of_column(paper: str, column: str) -> tuple[str, Work, Work]:
    task = cases.task(Case(paper, column, "ETTh1", 96), "cpu")
    few = replace(task.problem, validation=task.problem.validation.evenly(40))
    return task.recipe.model, *steps_work(replace(task, problem=few), 2)


def test_a_graph_can_hold_every_models_step_and_validation(elsewhere: Callable[..., Any]) -> None:
    """Nothing is read back, no shape depends on numbers, nothing comes from the host."""
    seen = set()
    for paper, column in COLUMNS:
        model, step, validation = elsewhere(of_column, paper, column)
        assert not step.refused and not validation.refused, column
        seen.add(model)
    assert seen == set(SMALL)


class Classifying(Task):
    def model(self, seed: int) -> Any:
        torch.manual_seed(seed)
        return baselines.build(self.recipe.model, channels=3, size=32, classes=10, **self.recipe.arguments)


def of_images(column: str) -> tuple[Work, Work]:
    paper = catalogue().papers["vgg_cifar"]
    recipe = candidates(resolve(paper, paper.columns[column], "CIFAR10", 0, paper.columns[column].sam, (), "paper"))[0]
    pixels, labels = torch.zeros(512, 40, 40, 3, dtype=torch.uint8), torch.zeros(512, dtype=torch.int64)
    pictures = Pictures(pixels, labels, torch.ones(3), torch.zeros(3))
    problem: Any = Images(pictures, pictures, recipe.setting, augmented=True)
    assert recipe.training is not None
    return steps_work(Classifying(recipe, recipe.training, problem), 2)


def test_a_graph_can_hold_a_step_on_images_and_the_way_in_which_each_is_seen(elsewhere: Callable[..., Any]) -> None:
    step, validation = elsewhere(of_images, "VGG-9+SAM")
    assert not step.refused and not validation.refused and step.kernels > validation.kernels > 100


def mixed_validation() -> Work:
    case = Case("samformer", "SAMformer", "ETTh1", 96, switches=("batch_mixed_denorm",))
    return steps_work(cases.task(case, "cpu"), 2)[1]


def test_a_metric_by_small_batches_takes_several_of_them_at_once(elsewhere: Callable[..., Any]) -> None:
    """Of two trainings, 1,280 windows each, in batches of 32: three passes a training, not forty."""
    found = elsewhere(mixed_validation)
    assert not found.refused and found.kernels < 2 * 3 * 80


class Looks(Forecaster):
    """One layer, and something that a graph does not hold. how: a number read back, a shape by numbers, a tensor left
    behind on the host, one that is made there at each step."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.layer, self.how, self.ramp = nn.Linear(512, 96), how, torch.arange(96.0)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        y = self.layer(x.transpose(1, 2))
        if self.how == "read":
            y = y * 2 if float(self.layer.bias.detach().sum()) > 0 else y
        elif self.how == "shape":
            y = y + self.layer.bias[self.layer.bias > 0].sum()
        elif self.how == "left":
            y = y + self.ramp.to(y.device)
        else:
            y = y + torch.full((96,), 2.0).to(y.device)
        return y.transpose(1, 2)


class Own(Task):
    def model(self, seed: int) -> Any:
        return Looks(self.recipe.model)


def of_one_that(how: str) -> Work:
    task = cases.task(Case("samformer", "Transformer", "ETTh1", 96), "cpu")
    return steps_work(Own(replace(task.recipe, model=how), task.training, task.problem), 1)[0]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("read", "item()"),
        ("shape", "dynamic shape"),
        ("left", "a tensor is not on the device"),
        ("made", "aten._to_copy.default of a tensor that is not on the device"),
    ],
)
def test_what_a_graph_does_not_hold_is_told(how: str, said: str, elsewhere: Callable[..., Any]) -> None:
    lines = elsewhere(of_one_that, how).refused
    assert any(said in line for line in lines) and all(len(line) < 200 for line in lines)


def some_operations() -> list[tuple[int, int, int]]:
    """Kernels, bytes, floating-point operations of each."""
    with kernels._register():
        left, right, wide = (torch.empty(*n, device=kernels.ABSENT) for n in ((100, 300), (300, 200), (7, 10_000)))
        at = torch.empty(50, dtype=torch.int64, device=kernels.ABSENT)
        lines: list[Callable[[], Any]] = [
            lambda: left @ right,
            lambda: left.view(-1).add_(1.0),
            right.zero_,
            lambda: torch.zeros_like(left),
            lambda: wide[:, at],
            lambda: torch.cat([left, left], dim=1, out=torch.empty(100, 600, device=kernels.ABSENT)),
            lambda: torch._fused_adam_([left], [left], [left], [left], [], [at[0]], lr=at[0], beta1=0.9, beta2=0.9,
                                       weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False),
            lambda: torch._foreach_add_([left, left], [left, left]),
            lambda: torch._foreach_add_([wide[:, :50], wide[:, 60:90]], [wide[:, 50:100], wide[:, :30]]),
        ]  # fmt: skip
        found = []
        for line in lines:
            with Count() as count:
                line()
            found.append((count.work.kernels, count.work.bytes, count.work.operations))
    return found


def test_the_work_of_some_operations(elsewhere: Callable[..., Any]) -> None:
    found = elsewhere(some_operations)
    assert found[0] == (1, 4 * (30_000 + 60_000 + 20_000), 2 * 100 * 200 * 300)
    assert found[1] == (1, 4 * 2 * 30_000, 0) and found[2] == (1, 4 * 60_000, 0) and found[3] == (1, 4 * 30_000, 0)
    assert found[4] == (1, 4 * 2 * 7 * 50 + 8 * 50, 0), "what is gathered, there and here, and the numbers"
    assert found[5] == (1, 4 * (2 * 30_000 + 60_000), 0)
    assert found[6][:2] == (1, 4 * 7 * 30_000 + 2 * 8), "of four it reads, it writes three"
    assert found[7][:2] == (1, 4 * 2 * 3 * 30_000) and found[8][:2] == (2, 4 * 3 * 7 * (50 + 30)), "dense or not"


def test_five_trainings_of_samformer_are_as_many_kernels_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no more than when they were counted first."""
    monkeypatch.setattr(replicas, "COUNTS", {"cuda": (1, 5)})
    monkeypatch.setattr(replicas, "STACKED", replicas.STACKED[:1])
    asked = ["--parts", "kernels", "--models", "SAMformer", "--json", str(tmp_path / "x.json")]
    assert main(asked) == 0
    (found,) = json.loads((tmp_path / "x.json").read_text())["kernels"]
    one, five = found["step"]["1"], found["step"]["5"]
    assert one["kernels"] == five["kernels"] <= 215 and 4.5 < five["bytes"] / one["bytes"] < 5.5
    assert f"| SAMformer, SAM, L 512 | {one['kernels']} " in capsys.readouterr().out


def test_a_torch_without_such_a_device_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(kernels, "REGISTERS", "_not_there")
    assert kernels.counted(replicas.STACKED, (1,)) == ()
    assert capsys.readouterr().err == f"kernels: not counted, torch {torch.__version__} has no device in Python\n"


def test_what_is_refused_is_told_once() -> None:
    step = Work(refused=["a is read back", "a is read back"])
    assert refused(Counted(Case("p", "c", "d", 1), 1, False, {1: step, 5: step}, Work())) == ["a is read back"]
