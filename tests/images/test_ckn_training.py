"""Convolutional kernel networks in the grid: what the loop lets them do, their switches, all the way to a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pictures
import pytest
import torch
from pools import Here
from torch import Tensor

import baselines
import run_all
from baselines.base import Examples
from baselines.ckn_fit import squared_hinge
from baselines.released import load_released
from benchmark.config.catalogue import catalogue
from benchmark.judging.compare import Beside, Ours
from benchmark.judging.printed import printed_numbers
from benchmark.runner import pool

SIZES = {"channels": 3, "size": 32, "classes": 10}
SMALL = {"widths": [4, 4], "kernel_sizes": [3, 1], "subsampling": [4, 4], "kernels": ["exp", "poly"], "sigmas": [0.5, 0.5]}
PAPER = pictures.PAPER.replace("augmentation: {value: crop_flip", "augmentation: {value: none").replace(
    pictures.PAPER[pictures.PAPER.index("columns:") :],
    """columns:
  Net:
    model: ckn_scratch
    main: true
    sam: false
    arguments:
      layout: {value: scratch2, source: test, status: ours}
      patch_count: {value: 500, source: test, status: ours}
      fit_alpha: {value: 0.1, source: test, status: ours}
  Flat:
    model: ckn_unsupervised
    main: true
    sam: false
    arguments:
      patch_count: {value: 2000, source: test, status: ours}
switches:
  first: {what: test, source: test, status: ours, set: {arguments.filters: first}}
  on_test: {what: test, source: test, status: ours, when: {model: ckn_unsupervised}, set: {selects_on_test: true}}
released: [first]
""",
)


def examples(count: int = 40) -> Examples:
    pixels, labels = pictures.made(count, 0)
    x, y = torch.from_numpy(pixels).float() / 64 - 1.5, torch.tensor(labels)

    def batches(size: int) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(x.split(size), y.split(size), strict=True)

    return Examples(count, batches)


def made(**arguments: Any) -> Any:
    torch.manual_seed(0)
    return baselines.build("ckn", **SIZES, **(SMALL | {"patch_count": 200} | arguments))


def begun(model: Any, seed: int = 0) -> list[Tensor]:
    model.before_training(examples(), torch.Generator().manual_seed(seed))
    return [layer.weight.detach().clone() for layer in model.layers]


def test_filters_begin_by_the_seed_on_the_sphere_and_where_they_are_asked_for() -> None:
    sampled, again, other = begun(made()), begun(made()), begun(made(), 1)
    for weight, same, another in zip(sampled, again, other, strict=True):
        torch.testing.assert_close(weight.flatten(1).norm(dim=1), torch.ones(4))
        assert torch.equal(weight, same) and not torch.equal(weight, another)
    assert not torch.equal(begun(made(filters="first"))[0], sampled[0])
    model = made(filters="random")
    before = [layer.weight.detach().clone() for layer in model.layers]
    assert all(torch.equal(one, other) for one, other in zip(begun(model), before, strict=True))
    with pytest.raises(ValueError, match="too few for 4 filters; raise patch_count"):
        begun(made(patch_count=3))


@pytest.mark.parametrize("alternating", [True, False])
def test_the_last_layer_is_fitted_before_every_epoch_or_the_first_alone(alternating: bool) -> None:
    """Not alternating, its penalty is that of the fit, in the loss, bias and all; and a checkpoint has it."""
    model = made(alternating=alternating, fit_alpha=0.1)
    begun(model)
    (x, y), = examples().batches(40)  # fmt: skip
    before = float(squared_hinge(model(x), y).detach())
    model.before_epoch(0, examples())
    fitted, weight = float(squared_hinge(model(x), y).detach()), model.classifier.weight.detach().clone()
    assert fitted < before and model.training
    penalty = 0 if alternating else model.state_dict()["penalty"] / 2
    square = model.classifier.weight.square().sum() + model.classifier.bias.square().sum()
    torch.testing.assert_close(model.training_loss(x, y), squared_hinge(model(x), y) + penalty * square)
    assert alternating or penalty > 0
    with torch.no_grad():
        model.classifier.weight.mul_(0.5)
    model.before_epoch(1, examples())
    assert torch.allclose(model.classifier.weight, weight, atol=1e-4) == alternating


def test_a_step_leaves_filters_of_norm_1() -> None:
    model = made()
    with torch.no_grad():
        for layer in model.layers:
            layer.weight.mul_(3)
    model.after_step()
    for layer in model.layers:
        torch.testing.assert_close(layer.weight.flatten(1).norm(dim=1), torch.ones(4))


@pytest.mark.parametrize("name", ["ckn", "ckn_scratch", "ckn_unsupervised"])
def test_the_scores_of_an_image_are_its_own(name: str) -> None:
    torch.manual_seed(0)
    model = baselines.build(name, **SIZES, **(SMALL if name == "ckn" else {})).eval()
    x, order = torch.randn(4, 3, 32, 32), torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        if name == "ckn_unsupervised":
            model.weight.normal_()
        kept = x.clone()
        scores = model(x.contiguous(memory_format=torch.channels_last))
        assert scores.shape == (4, 10) and torch.equal(x, kept)
        torch.testing.assert_close(model(x[order]), scores[order], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(torch.cat([x[:1], 3 - x[1:]]))[0], scores[0], rtol=1e-4, atol=1e-5)


def test_shapes_that_do_not_fit_are_said() -> None:
    with pytest.raises(ValueError, match="as many sizes as widths"):
        made(widths=[4])
    with pytest.raises(ValueError, match="filters by layer, each from 1, such as '16 16 32', found 'x'"):
        made(widths="4 x")
    assert [len(layer.weight) for layer in made(widths="4 5").layers] == [4, 5], "as a recipe of YAML says it"
    with pytest.raises(ValueError, match="the released config lacks image_size"):
        load_released({"config": {"model": "ckn", "channels": 3, "classes": 10}})


def test_cells_go_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan, k-means, fits and steps in NumPy, machines; Result and table; with SAM and a switch."""
    monkeypatch.setattr(pool, "LocalPool", Here)
    monkeypatch.setattr(pictures, "PAPER", PAPER)
    given = [word for path in pictures.configs(tmp_path) for word in ("--config", str(path))]
    own = [*given, "--papers", "small", "--subset", "small-set", "--results-dir", str(tmp_path / "results"), "--no-mlflow"]
    assert run_all.main([*own, "--seeds", "1"]) == 0
    assert run_all.main([*own, "--seeds", "1", "--models", "Net", "--sam", "on", "--protocol", "released"]) == 0
    assert run_all.main([*own, "--seeds", "1", "--protocol", "paper+on_test"]) == 0
    found = {r["key"]: r for r in (json.loads(p.read_text()) for p in (tmp_path / "results/cells").glob("*.json"))}
    assert found.keys() == {
        "small/small-set/Net/s0", "small/small-set/Flat/s0", "small/released/small-set/Net/sam/s0",
        "small/paper+on_test/small-set/Flat/s0",
    }  # fmt: skip
    flat = found["small/paper+on_test/small-set/Flat/s0"]
    assert flat["windows"] == {"train": 100, "val": 30, "test": 30}
    assert flat["metrics"]["val_error"] == flat["metrics"]["test_error"], "the score that selects is the one of the test"
    for key, result in found.items():
        assert result["status"] == "done" and result["metrics"]["test_error"] < 60, key
    assert "small-set" in (tmp_path / "results/tables/small.md").read_text()


def test_the_printed_errors_are_found_and_not_comparable() -> None:
    """They are of whitened images."""
    paper = catalogue().papers["ckn"]
    assert paper.printed is not None
    found = {key[2]: number for key, number in printed_numbers(paper.printed).items() if key[:2] == ("CIFAR-10", "0")}
    assert {name: number.value for name, number in found.items()} == {
        "CKN-5": 13.9, "CKN-14": 9.8, "CKN-64-256": 22.5, "CKN-256-1024": 18.0, "CKN-512-8192": 16.0,
    }  # fmt: skip
    ours = Ours.of(dict.fromkeys(range(3), 14.0))
    assert not Beside(ours=ours, printed=found["CKN-5"], lookback=None, profile="paper").comparable
    assert {number.differs.split(",")[0] for number in found.values()} == {"whitened images"}
    assert {column.printed_as or column.name for column in paper.columns.values()} >= found.keys()
