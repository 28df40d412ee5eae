"""The tape on which other tests record notices what a CUDA graph would do wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from tape import Tape
from torch import Tensor

from benchmark.training.recorded.graphs import Recorded


class Sum:
    """A total [1] to which inputs [1] are added, in one of several ways."""

    def __init__(self, how: str) -> None:
        self.how, self.total, self.calls, self.said = how, torch.zeros(1), 0, list[str]()
        self.latest, self.ramp, self.noise = torch.zeros(1), torch.ones(1), torch.Generator().manual_seed(0)
        generators = [self.noise] if how == "noise" else []
        self.recorded = Recorded("the sum", self.take, [self.total], generators, Tape(), self.said.append)

    def take(self, inputs: Sequence[Tensor]) -> None:
        self.calls += 1
        self.latest = inputs[0] * self.ramp
        if self.how == "counts":
            self.latest = self.latest * self.calls
        elif self.how == "reads":
            self.latest = self.latest * float(inputs[0])
        elif self.how == "lists":
            self.latest = self.latest * inputs[0].tolist()[0]
        elif self.how == "booleans":
            self.latest = self.latest[self.latest > 0]
        elif self.how == "host":
            self.latest = self.latest + torch.tensor([1.0])
        elif self.how in ("noise", "noise of others"):
            self.latest = self.latest + torch.empty(1).bernoulli_(0.5, generator=self.noise)
        elif self.how == "number":
            self.latest = self.latest + 1.0
        self.total += self.latest


@pytest.mark.parametrize(("how", "total"), [("plain", 6.0), ("number", 9.0)])
def test_what_a_graph_holds_is_replayed(how: str, total: float) -> None:
    there = Sum(how)
    for value in (1.0, 2.0, 3.0):
        there.recorded([torch.tensor([value])])
    assert float(there.total) == total and there.recorded.replays
    assert there.calls == 4, "two to warm up, one to record, one that the second replay is held against"


def test_numbers_are_drawn_anew_by_each_replay() -> None:
    there, alone = Sum("noise"), torch.Generator().manual_seed(0)
    for _ in range(20):
        there.recorded([torch.zeros(1)])
    assert float(there.total) == sum(float(torch.empty(1).bernoulli_(0.5, generator=alone)) for _ in range(20))
    assert 0 < float(there.total) < 20 and there.recorded.replays


@pytest.mark.parametrize("how", ["counts", "reads", "lists", "booleans", "host", "noise of others"])
def test_what_a_graph_does_not_hold_is_seen(how: str) -> None:
    there = Sum(how)
    there.recorded([torch.ones(1)])
    assert not there.recorded.replays and len(there.said) == 1
    assert ("off by" if how == "counts" else "registered" if "noise" in how else "capturing") in there.said[0]


def test_what_a_recording_made_does_not_last() -> None:
    there = Sum("plain")
    there.recorded([torch.ones(1)])
    assert float(there.total) == 1.0 and there.latest.isnan()


def frees(there: Sum) -> None:
    there.ramp = torch.ones(1)


def moves(there: Sum) -> None:
    there.ramp += 1.0


@pytest.mark.parametrize("change", [frees, moves])
def test_memory_of_others_is_used_where_it_was(change: Callable[[Sum], None]) -> None:
    there = Sum("plain")
    there.recorded([torch.ones(1)])
    change(there)
    if change is moves:
        there.recorded([torch.ones(1)])
        assert float(there.total) == 3.0
    else:
        with pytest.raises(AssertionError, match="memory that has been freed"):
            there.recorded([torch.ones(1)])
