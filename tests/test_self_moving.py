"""A model that moves its weights by itself too: the loop lets it, at its moments, whatever model it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_step import Net, problem, training
from test_training import alone, made

from baselines.base import Examples, SelfMoving
from benchmark.training.checkpoint import Checkpoint
from benchmark.training.loop import Epoch, Replica, fit


class BrokenOff(Exception):
    pass


class Moving(Net, SelfMoving):
    """Its first weights are the mean window's and a number that it draws; each epoch adds to them; each step makes the
    weights' norm 1."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__()
        self.told: list[str] = []
        self.own = next(self.parameters())

    @torch.no_grad()
    def before_training(self, examples: Examples, dice: torch.Generator) -> None:
        windows = torch.cat([x for x, *_ in examples.batches(16)])
        assert len(windows) == len(examples)
        self.own.fill_(float(windows.mean()) + float(torch.rand((), generator=dice)))
        self.told.append("training")

    @torch.no_grad()
    def before_epoch(self, epoch: int, examples: Examples) -> None:
        self.own.add_(0.01 * (1 + epoch))
        self.told.append(f"epoch {epoch}")

    @torch.no_grad()
    def after_step(self) -> None:
        self.own.div_(self.own.norm())
        self.told.append("step")


def trained(until: int | None = None, path: Path | None = None) -> Moving:
    model, seen = Moving(), list[Epoch]()
    kept = Checkpoint(path, "ab" * 32, "cpu", lambda line: None) if path is not None else None

    def on_epoch(epoch: Epoch) -> None:
        seen.append(epoch)
        if len(seen) == until and kept is not None:
            kept.write()
            raise BrokenOff

    values = training(epochs=4, batch_size=32, selection="last_epoch", rho=0.05)
    alone(model, values, problem(made(), made(40)), seed=3, on_epoch=on_epoch, checkpoint=kept)
    return model


def test_it_is_let_at_its_moments_and_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    whole = trained()
    an_epoch = ["step", "step"]
    assert whole.told == ["training", *(w for n in range(4) for w in (f"epoch {n}", *an_epoch))]
    assert float(whole.own.detach().norm()) == pytest.approx(1), "the optimizer's own vector has what it did"
    with pytest.raises(BrokenOff):
        trained(2, tmp_path / "x.pt")
    again = trained(None, tmp_path / "x.pt")
    assert again.told == [w for n in (2, 3) for w in (f"epoch {n}", *an_epoch)], "it does not begin again"
    assert torch.equal(again.own, whole.own)


def test_several_are_trained_singly_and_that_is_said() -> None:
    said, each = list[str](), [Replica(Moving(), training(epochs=1), seed) for seed in range(2)]
    fit(each, problem(made(), made(40)), stacked=True, say=said.append)
    assert said == [
        "trained one after the other, not as one program: it moves its weights by itself between steps, each in its own way"
    ]
    first, second = (one.model.state_dict() for one in each)
    assert any(not torch.equal(first[name], second[name]) for name in first), "each draws from a stream of its own seed"
