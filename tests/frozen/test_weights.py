"""On one kind of processor and one torch, a training on a CPU is the same bit for bit: the weights of every model after 50
steps, as `weights.json` has them. Another processor or torch rounds otherwise, and skips this by name.

`python tests/frozen/test_weights.py` writes that file anew: once the training semantics were raised, or to add a machine.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path[:0] = [str(Path(__file__).resolve().parents[n]) for n in (1, 2)]
from recipes import FORECASTERS  # noqa: E402
from test_step import problem, training  # noqa: E402

import baselines  # noqa: E402
from benchmark.data.windows import Windows  # noqa: E402
from benchmark.grid.digest import TRAINING_SEMANTICS  # noqa: E402
from benchmark.machine import processor  # noqa: E402
from benchmark.training.loop import Running, run_epoch  # noqa: E402
from benchmark.training.step import Program, Stepper  # noqa: E402
from benchmark.training.streams import seed_default  # noqa: E402

FILE = Path(__file__).with_name("weights.json")
STEPS = 50
SMALL: dict[str, dict[str, Any]] = {
    "samformer": {}, "tsmixer": {"ff_width": 24, "dropout": 0.5}, "dlinear": {"kernel_size": 5},
    "itransformer": {"width": 16, "heads": 2, "layers": 2, "dropout": 0.1},
    "patchtst": {"width": 16, "heads": 2, "layers": 2, "ff_width": 600, "dropout": 0.1},
    "samovar": {"width": 16, "heads": 2, "layers": 2, "dropout": 0.1},
    "fixedvar": {"width": 16, "heads": 2, "layers": 2, "dropout": 0.1},
    "lintrans": {"width": 16, "heads": 2, "layers": 2, "dropout": 0.1},
    "formerbaseline": {"width": 16, "heads": 2, "layers": 2, "mlp_ratio": 40, "dropout": 0.1, "positions": 64},
    "fits": {"period": 24, "harmonics": 4}, "cats": {"mlp_ratio": 2, "dropout": 0.1},
    "ablated": {"width": 4, "sigma_reparam": True},
}  # fmt: skip


def here() -> str:
    """What decides how numbers are rounded."""
    return f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


def digest(name: str, sam: bool) -> str:
    """SHA-256 of a model's parameters and buffers after 50 steps over made-up windows."""
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(0)
    windows = Windows(torch.randn(5, 460, generator=random).cumsum(dim=1) / 8, torch.arange(400), 48, 12)
    seed_default(0, "initialisation")
    model = baselines.build(name, lookback=48, horizon=12, channels=5, **SMALL[name]).train()
    values = training(rho=0.5 if sam else None, batch_size=32, accumulation=1, clip_norm=1.0, optimizer="adamw")
    running = Running.of(Stepper(model, values, problem(windows)))
    seed_default(0, "training")
    while running.replica.progress.steps < STEPS:
        run_epoch(Program([running.stepper]), [running], STEPS)
    sha = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        sha.update(key.encode() + value.numpy().tobytes())
    return sha.hexdigest()


@pytest.mark.parametrize("sam", [False, True], ids=["plain", "SAM"])
@pytest.mark.parametrize("name", SMALL)
def test_weights_after_fifty_steps(name: str, sam: bool) -> None:
    frozen = json.loads(FILE.read_text("utf-8"))
    assert frozen["semantics"] == TRAINING_SEMANTICS, "the version was raised: freeze the weights anew"
    if here() not in frozen["weights"]:
        pytest.skip(f"weights are frozen for {'; '.join(frozen['weights'])}, and this is {here()}")
    assert digest(name, sam) == frozen["weights"][here()][f"{name} {'SAM' if sam else 'plain'}"]


def test_every_trained_model_is_frozen() -> None:
    assert set(SMALL) == {name for name, model in FORECASTERS.items() if not model.closed_form}


if __name__ == "__main__":
    held = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    kept = held["weights"] if held.get("semantics") == TRAINING_SEMANTICS else {}
    kept[here()] = {f"{n} {'SAM' if s else 'plain'}": digest(n, s) for n in SMALL for s in (False, True)}
    FILE.write_text(json.dumps({"semantics": TRAINING_SEMANTICS, "weights": kept}, indent=1) + "\n")
