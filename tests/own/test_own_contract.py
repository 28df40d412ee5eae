"""The contract of a model of a user's own: five faulty ones, each named; whole ones of other layers; what a step takes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from baselines.own import Module, Source
from benchmark.analysis import contract, taken
from benchmark.analysis.contract import CHECKS, Case, told
from benchmark.analysis.independence import dependence
from benchmark.config.recipe import Measured, Training

HEAD = """
import torch
from torch import nn
class Mine(nn.Module):
    def __init__(self, lookback, horizon, channels):
        super().__init__()
        self.map = nn.Linear(lookback, horizon)
"""
PLAIN = "    def forward(self, x): return self.map(x.transpose(1, 2)).transpose(1, 2)\n"
TRAINING = Training(
    batch_size=8, accumulation=1, epochs=1, patience=None, optimizer="adam", learning_rate=1e-3, betas=(0.9, 0.999),
    eps=1e-8, weight_decay=0.0, schedule="constant", minimum_learning_rate=0.0, restart_period=1, clip_norm=None, rho=None,
    selection="best_validation", evaluation_batch=None, precision="float32",
)  # fmt: skip


def case(body: str, **other: Any) -> Case:
    source = Source("mine", "Mine", (Module("mine", "mine.py", (HEAD + body).encode()),))
    return Case(**({"source": source, "arguments": {}, "lookback": 16, "horizon": 4, "channels": 3, "training": TRAINING,
                    "device": "cpu"} | other))  # fmt: skip


FAULTY = {
    "shapes": (
        "    def forward(self, x): return self.map(x.transpose(1, 2))\n",
        "the forecast is expected to be (4, 4, 3), found (4, 3, 4)",
    ),
    "own window alone": (
        "    def forward(self, x): return self.map((x - x.mean((0, 1))).transpose(1, 2)).transpose(1, 2)\n",
        "with other windows beside it a window's forecast moves by up to",
    ),
    "seed": ("        torch.manual_seed(0); self.map = nn.Linear(lookback, horizon)\n" + PLAIN, "it ignores its seed"),
    "gradients": ("        self.unused = nn.Linear(3, 3)\n" + PLAIN, "no gradient reaches unused.bias, unused.weight"),
    "finite": (
        "    def forward(self, x): return self.map(x.log().transpose(1, 2)).transpose(1, 2)\n",
        "the forecast of an untrained model is NaN or infinite at once",
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_model_is_named_by_its_fault_and_by_no_other(name: str) -> None:
    body, said = FAULTY[name]
    found = {each: told(check, case(body)) for each, check in CHECKS.items()}
    assert said in (found[name] or ""), found
    if name in ("own window alone", "seed", "gradients"):
        assert [each for each, wrong in found.items() if wrong] == [name], found


def test_a_fit_that_nobody_calls_is_noted() -> None:
    said = told(contract.fit, case(PLAIN + "    def fit(self, train, validation): raise RuntimeError\n"))
    assert said is not None and "nobody calls" in said and "baselines.base.ClosedForm" in said


def test_a_model_that_ends_its_process_is_a_faulty_one() -> None:
    """In a run it would end the run."""
    leaves = PLAIN.replace("return", "raise SystemExit('no licence') ;")
    assert told(CHECKS["shapes"], case(leaves)) == taken.tried(case(leaves)) == "SystemExit: no licence (mine.py:8)"


def test_a_loss_that_no_parameter_enters_is_said_and_what_to_derive_from() -> None:
    body = "    def forward(self, x): return x.mean(1, keepdim=True).expand(-1, 4, -1)\n    def fit(self, train): pass\n"
    said = CHECKS["finite"](case(body))
    assert said is not None and "no parameter" in said and "baselines.base.ClosedForm" in said


TWICE = """
import torch
from baselines.base import ClosedForm
class Twice(ClosedForm):
    def __init__(self, lookback, horizon, channels):
        super().__init__()
        self.horizon = horizon
    def fit(self, train, validation):
        self.mean = sum(float(x.mean()) for x, y in train)
        self.off = sum(float((x - self.mean).abs().mean()) for x, y in train)
    def forward(self, x, marks=None): return x[:, -1:].expand(-1, self.horizon, -1)
"""


def test_a_closed_form_that_goes_through_its_windows_twice_is_told_so() -> None:
    """A run makes them as they are taken: the second time there would be none, and what is fitted would be wrong."""
    given = Case(Source("twice", "Twice", (Module("twice", "twice.py", TWICE.encode()),)), {}, 8, 4, 3, None, "cpu")
    assert "a second time" in (told(CHECKS["shapes"], given) or "")


WHOLE = {
    "plain": PLAIN,
    "begins at 0": "        nn.init.zeros_(self.map.weight)\n        self.out = nn.Linear(horizon, horizon)\n"
    "        nn.init.zeros_(self.out.weight)\n"
    "    def forward(self, x): return (self.out(self.map(x.transpose(1, 2))) + self.map.bias).transpose(1, 2)\n",
    "batch norm": "        self.norm = nn.BatchNorm1d(channels)\n"
    "    def forward(self, x): return self.map(self.norm(x.transpose(1, 2))).transpose(1, 2)\n",
    "a loss of its own": PLAIN + "    def training_loss(self, x, y): return (self(x) - y).abs().mean()\n",
    "marks": "    def forward(self, x, marks=None):\n        assert marks is None or marks.shape[1] == x.shape[1]\n"
    "        return self.map(x.transpose(1, 2)).transpose(1, 2)\n",
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_model_keeps_all_of_it_and_several_are_one_program(name: str) -> None:
    found = {each: told(check, case(WHOLE[name])) for each, check in (CHECKS | contract.NOTED).items()}
    assert not any(found.values()), found


def test_a_model_with_torchs_dropout_keeps_it_and_is_trained_by_itself() -> None:
    body = "        self.drop = nn.Dropout(0.2)\n" + PLAIN.replace("self.map(x", "self.map(self.drop(x)").replace(
        "2))", "2))"
    )
    found = {each: told(check, case(body)) for each, check in CHECKS.items()}
    assert not any(found.values()), found
    assert "its dropout is torch's own" in (told(contract.replicas, case(body)) or "")
    ours = body.replace("nn.Dropout", "Dropout")
    ours = "        from baselines.layers import Dropout\n" + ours
    assert told(contract.replicas, case(ours)) is None


def test_a_shuffle_alone_is_noticed_too() -> None:
    """The mistake of released code that this suite is about: statistics of other windows."""

    class Mixed(torch.nn.Module):
        def forward(self, x: torch.Tensor, marks: None = None) -> torch.Tensor:
            return x + x[:1].mean()  # of the first window, whichever it is

    assert "in another order" in (dependence(Mixed(), torch.randn(4, 8, 2)) or "")


def test_what_a_step_takes_is_counted_by_window() -> None:
    wide = case(
        "        self.wide = nn.Linear(lookback, 1000)\n        self.back = nn.Linear(1000, horizon)\n"
        "    def forward(self, x): return self.back(self.wide(x.transpose(1, 2)).relu()).transpose(1, 2)\n"
    )
    found = taken.tried(wide)
    assert isinstance(found, Measured) and found.stacks
    kept = 3 * 1000 * 4  # of one window: the hidden layer [3, 1000] once, relu's output
    assert taken.WAY_BACK * kept <= found.bytes_per_window < 4 * taken.WAY_BACK * kept
    assert found.parameters == 16 * 4 + 4 + 16 * 1000 + 1000 + 1000 * 4 + 4
    assert taken.seconds(wide) > 0


def test_what_the_users_code_raises_is_one_line_with_its_place() -> None:
    found = taken.tried(case("    def forward(self, x):\n        return self.map(x @ x)\n"))
    assert isinstance(found, str) and found.startswith("RuntimeError: ") and found.endswith("(mine.py:9)"), found
