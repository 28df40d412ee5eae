"""SAM's kin in recipes and in the loop: each is its stand-alone form, alone and among replicas, and resumes to the bit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from test_checkpoint import DIGEST, BrokenOff, same
from test_checkpoint import trained as begun_or_resumed
from test_replicas import replica, state
from test_replicas import trained as together
from test_step import batches, net, stepper, take_step, training, weights

from baselines.optimizers import ASAM, FSAM, GSAM, SAM, ASAMAll
from benchmark.config.catalogue import catalogue
from benchmark.config.resolve import Refusal, resolve
from benchmark.data.registry import DATASETS
from benchmark.grid.digest import Digester
from benchmark.training.checkpoint import Checkpoint
from benchmark.training.loop import _late
from benchmark.training.schedules import Position, learning_rate, radius

KINDS: dict[str, dict[str, Any]] = {
    "sam": {}, "asam": {"eta": 0.1}, "asam_all": {}, "gsam": {"alpha": 0.7, "rho_min": 0.01},
    "gsam_adaptive": {"alpha": 0.2}, "gsam_adaptive_paper": {}, "fsam": {"sigma": 0.5, "gradient_decay": 0.8},
}  # fmt: skip
PAPER = catalogue().papers["samformer"]


def alone(name: str, base: torch.optim.Optimizer, model: torch.nn.Module, rho: float) -> SAM:
    """The same around an optimizer of torch's."""
    return {
        "sam": partial(SAM, base, rho, model=model),
        "asam": partial(ASAM, base, model, rho, eta=0.1),
        "asam_all": partial(ASAMAll, base, rho, model=model),
        "gsam": partial(GSAM, base, rho, alpha=0.7, model=model),
        "gsam_adaptive": partial(GSAM, base, rho, alpha=0.2, adaptive="released", model=model),
        "gsam_adaptive_paper": partial(GSAM, base, rho, adaptive="paper", model=model),
        "fsam": partial(FSAM, base, rho, sigma=0.5, decay=0.8, model=model),
    }[name]()


@pytest.mark.parametrize("name", KINDS)
def test_a_step_of_the_loop_is_a_step_of_its_own(name: str) -> None:
    """With batch norm, on two micro-batches, clipped; weights and running statistics, three steps."""
    ours, theirs = net(norm=True).double(), net(norm=True).double()
    values = training(rho=0.3, perturbation=name, clip_norm=0.05, **KINDS[name])
    taken, method = stepper(ours, values), alone(name, torch.optim.Adam(theirs.parameters(), lr=0.01), theirs, 0.3)
    parts = [part._replace(x=part.x.double(), y=part.y.double()) for part in batches(8, 5)]

    def passed() -> None:
        method.zero_grad()
        for part in parts:
            (theirs.training_loss(*part) * len(part.x) / 13).backward()  # type: ignore[no-untyped-call]

    for _ in range(3):
        take_step(taken, parts)
        passed()
        kept = [b.clone() for b in theirs.buffers()]
        method.ascend()
        passed()
        for buffer, value in zip(theirs.buffers(), kept, strict=True):
            buffer.copy_(value)
        method.restore()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
        method.base.step()
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-9, atol=1e-12)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("name", KINDS)
def test_both_passes_drop_the_same_and_statistics_move_once_or_twice(name: str) -> None:
    counts = []
    for twice in (False, True):
        model = net(dropout=0.5, norm=True)
        values = training(rho=0.5, perturbation=name, statistics_twice=twice, **KINDS[name])
        take_step(stepper(model, values), batches(4, 4))
        assert all(torch.equal(a, b) for a, b in zip(model.masks[:2], model.masks[2:], strict=True))
        assert model.norm is not None and model.norm.num_batches_tracked is not None
        counts.append(int(model.norm.num_batches_tracked))
    assert counts == [2, 4]


@pytest.mark.parametrize("name", ["asam", "gsam", "fsam"])
def test_replicas_are_trainings_alone(name: str) -> None:
    """PatchTST has dropout and batch norm; each replica has norms, a radius and a memory of its own."""
    values = {"perturbation": name, "epochs": 1, "batch_size": 8, "accumulation": 2, **KINDS[name]}
    make = [partial(replica, "patchtst", seed, rho=0.05 * (seed + 1), **values) for seed in range(2)]
    stacked, singly = together([one() for one in make], stacked=True), together([one() for one in make], stacked=False)
    for one, other in zip(stacked, singly, strict=True):
        assert one.failed is None and one.progress.steps == 2
        torch.testing.assert_close(state(one), state(other), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["fsam", "gsam"])
def test_a_training_that_was_broken_off_ends_as_if_nothing_had_been(name: str, tmp_path: Path) -> None:
    changes = {"rho": 0.1, "perturbation": name, "schedule": "cosine_restarts", "restart_period": 4, **KINDS[name]}
    path, said = tmp_path / "kept.pt", list[str]()
    with pytest.raises(BrokenOff):
        begun_or_resumed(changes, Checkpoint(path, DIGEST, "cpu", said.append), until=5)
    same(begun_or_resumed(changes, Checkpoint(path, DIGEST, "cpu", said.append)), begun_or_resumed(changes))
    assert said == ["going on from a checkpoint"]


def test_the_radius_of_gsam_falls_with_the_learning_rate() -> None:
    values = training(
        rho=0.5, rho_min=0.1, perturbation="gsam", schedule="cosine_restarts", restart_period=4, minimum_learning_rate=1e-3
    )
    for epoch in range(8):
        at = Position(epoch, 0, 7)
        share = (learning_rate(values, at) - 1e-3) / (0.01 - 1e-3)
        assert radius(values, at) == pytest.approx(0.1 + 0.4 * share)
    assert radius(values, Position(4, 0, 7)) == 0.5
    assert radius(training(rho=0.5, perturbation="gsam", schedule="halved_every_epoch"), Position(3, 0, 7)) == 0.5
    assert radius(training(), Position(3, 0, 7)) is None


def test_a_late_rate_is_that_of_the_step_before() -> None:
    values = training(schedule="cosine_restarts", restart_period=4, minimum_learning_rate=1e-3, rho=0.5, rho_min=0.1)
    groups = [slice(0, 3), slice(3, 6), slice(6, 7)]
    rates = [learning_rate(values, Position(epoch, g.stop - 1, 7)) for epoch in range(3) for g in groups]
    late = [_late(values, Position(epoch, g.stop - 1, 7), groups, n) for epoch in range(3) for n, g in enumerate(groups)]
    assert late == [0.01, *rates[:-1]]


def plain(column: str, dataset: str = "ETTh1", sam: bool = True, switches: tuple[str, ...] = ()) -> dict[str, Any]:
    found = resolve(PAPER, PAPER.columns[column], dataset, 96, sam, switches, "paper")
    return found.plain() | {"switches": found.switches}


def test_the_columns_of_samformer() -> None:
    base = plain("SAMformer")
    assert "perturbation" not in base and "eta" not in base
    assert plain("SAMformer+ASAM") == base | {"perturbation": "asam", "rho": 0.5, "eta": 0.01}
    assert plain("SAMformer+GSAM") == base | {"perturbation": "gsam", "alpha": 0.4}
    assert plain("SAMformer+GSAM", "ETTm1")["rho"] == 0.6 and plain("SAMformer+ASAM", "ETTm1")["rho"] == 0.5
    for column in ("SAMformer+ASAM", "SAMformer+GSAM"):
        assert not PAPER.columns[column].main and PAPER.columns[column].sam
        assert plain(column, sam=False) == plain("Transformer", sam=False), "off is none: the same training, and digest"
        with pytest.raises(Refusal, match=r"the recipe has no (rho|perturbation) for Weather at horizon 96"):
            plain(column, "Weather")


def test_switches_act_where_there_is_something_to_switch() -> None:
    late = ("late_learning_rate",)
    assert plain("SAMformer+GSAM", switches=late)["late_learning_rate"] is True
    assert plain("SAMformer+ASAM", switches=late)["switches"] == plain("SAMformer", switches=late)["switches"] == ()
    assert plain("SAMformer+GSAM", sam=False, switches=late) == plain("Transformer", sam=False)
    twice = ("statistics_twice",)
    assert plain("TSMixer+SAM", switches=twice)["statistics_twice"] is True
    assert plain("TSMixer", sam=False, switches=twice)["switches"] == plain("SAMformer", switches=twice)["switches"] == ()
    rho = ("fixed_rho_0.7",)
    assert plain("SAMformer+GSAM", switches=rho)["rho"] == 0.7
    assert plain("SAMformer+ASAM", switches=rho)["rho"] == 0.5, "its radius is on another scale"
    cosine = ("whole_cosine",)
    assert plain("SAMformer", switches=cosine)["restart_period"] == plain("SAMformer", switches=cosine)["epochs"] == 100
    assert plain("SAMformer-torch", switches=cosine)["switches"] == (), "its rate is constant"
    radii = ("tsmixer_radii",)
    assert plain("TSMixer+SAM", "ETTh2", switches=radii)["rho"] == 0.9
    assert plain("TSMixer+SAM", "ETTm1", switches=radii)["switches"] == (), "nothing is known of it"
    assert plain("SAMformer", "ETTh2", switches=radii)["switches"] == ()
    assert {"statistics_twice"} == set(PAPER.released) & {"statistics_twice", *cosine}


def test_what_a_user_says(tmp_path: Path) -> None:
    """`sam` said aloud is the default, what a perturbation has no use for changes nothing, and a radius may not grow."""

    def said(text: str) -> Any:
        path = tmp_path / "own.yaml"
        path.write_text(f"recipes: {{samformer: {{{text}}}}}\n")
        paper = catalogue((path,)).papers["samformer"]
        return resolve(paper, paper.columns["SAMformer"], "ETTh1", 96, True, (), "paper")

    def digest(recipe: Any) -> str:
        return Digester(recipe, DATASETS["ETTh1"], 96, "paper", "0" * 64).of(0)

    assert digest(said("perturbation: sam")) == digest(said("eta: 0.5, sigma: 0.3")) == digest(said("epochs: 300"))
    assert said("perturbation: fsam, sigma: 0.3").training.sigma == 0.3
    with pytest.raises(Refusal, match=r"rho_min is expected to be at most rho, which is 0.5; found 0.6 \(.*own.yaml:1\)"):
        said("perturbation: gsam, rho_min: 0.6")
