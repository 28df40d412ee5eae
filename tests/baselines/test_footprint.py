"""What the models say of the memory that they need, against what a training step takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from recipes import FORECASTERS

from baselines import MODELS, build

TRAINED = [name for name, info in FORECASTERS.items() if not info.closed_form]
ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "samformer": [{}, {"width": 4, "variant": "pytorch"}, {"revin": False}],
    "ablated": [{}, {"width": 4, "revin": False, "sigma_reparam": True}],
    "tsmixer": [{}, {"ff_width": 5, "blocks": 3}],
    "patchtst": [
        {},
        {"width": 8, "heads": 2, "layers": 1, "ff_width": 7, "patch": 5, "stride": 3},
        {"double_dropout": True},
    ],
    "itransformer": [{}, {"width": 24, "heads": 2, "layers": 3, "ff_width": 7, "time_marks": True}],
    "dlinear": [{}, {"kernel_size": 3}],
    "formerbaseline": [{}, {"width": 24, "heads": 2, "layers": 1, "mlp_ratio": 3, "positions": 100}],
    "fits": [{"period": 25, "harmonics": 2}, {"period": 60, "harmonics": 1, "individual": True}],
    "cats": [
        {},
        {"conv": 2, "noconv": 3, "gconv": 2, "lin": 5, "identity": 2, "emb": 3, "mlp_ratio": 2},
        {"channel_sparsity": False, "mid_gate": False, "output_projection": False},
    ],
}
SAVING = ["samovar", "fixedvar", "lintrans"]
SEGMENTS: list[dict[str, Any]] = [{}, {"width": 24, "heads": 2, "layers": 1}]
LARGE: dict[str, tuple[int, int, int, int, dict[str, Any]]] = {
    "samformer": (64, 512, 96, 300, {}),
    "ablated": (64, 512, 96, 300, {}),
    "tsmixer": (16, 512, 96, 150, {}),
    "samovar": (8, 1024, 96, 24, {"width": 128}),
    "fixedvar": (8, 1024, 96, 24, {"width": 128}),
    "lintrans": (8, 1024, 96, 24, {"width": 128}),
    "itransformer": (8, 96, 96, 250, {"width": 128}),
    "patchtst": (4, 336, 96, 16, {"heads": 16}),
    "dlinear": (32, 1024, 96, 300, {}),
    "formerbaseline": (2, 512, 96, 7, {}),
    "fits": (64, 512, 96, 200, {}),
    "cats": (8, 512, 96, 24, {}),
}
"""B, L, H, C and arguments with which a training step takes some hundred megabytes and less than a second."""

STEPS = """
import json, os, sys
import torch
from baselines import build, segments
from baselines.optimizers import SAM
from benchmark.grid import cost
sys.path.insert(0, "tests")
from recipes import made_up
from benchmark.machine import peak_memory, reset_peak_memory

def step(sam, name, batch, lookback, horizon, channels, arguments):
    model = build(name, lookback=lookback, horizon=horizon, channels=channels, **arguments).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], fused=True)
    x, y = torch.randn(batch, lookback, channels), torch.randn(batch, horizon, channels)
    def closure():
        optimizer.zero_grad()
        loss = model.training_loss(x, y)
        loss.backward()
        return loss
    reset_peak_memory()
    before = peak_memory()
    (SAM(optimizer, 0.5) if sam else optimizer).step(closure)
    return peak_memory() - before + sum(4 * p.numel() for p in model.parameters())

def look(name, batch, lookback, horizon, channels, arguments):
    # A batch of validation or test, as large as one may be.
    recipe = made_up(name, arguments, lookback=lookback, batch_size=batch)
    size = cost.evaluation_batch(channels, horizon, recipe)
    model = build(name, lookback=lookback, horizon=horizon, channels=channels, **arguments).eval()
    x = torch.randn(size, lookback, channels)
    reset_peak_memory()
    before = peak_memory()
    with torch.no_grad():
        model(x)
    return peak_memory() - before

torch.set_num_threads(1)
torch.optim.Adam([torch.zeros(1)])  # imports for a second; without it each of the forks would
for key, sam, large, shape in json.loads(sys.argv[1]):
    print(key, end="=", flush=True)
    if os.fork() == 0:
        step(sam, shape[0], 2, 60, 12, 3, {})  # libraries load their kernels
        segments.LARGE = large
        print(look(*shape) if sam is None else step(sam, *shape), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""
SAVED = 2**18
"""Numbers from which SAMoVAR and its kin save memory, for the test of that."""


@pytest.fixture(scope="module")
def taken() -> dict[str, int]:
    """Peak bytes of one step of each model, weights counted in: each in a fresh process, without an allocator's cache.

    `NAME None` is a batch of evaluation. All are forked from one process that has imported torch and done nothing else.
    """
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell a process its peak memory")
    cases = [(f"{name} {sam}", sam, 2**24, [name, *LARGE[name]]) for name in TRAINED for sam in (False, True, None)]
    cases += [(f"{name} saved", False, SAVED, [name, *LARGE[name]]) for name in SAVING]
    command = [sys.executable, "-c", STEPS, json.dumps(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=250)
    return {key: int(size) for key, size in (line.split("=") for line in done.stdout.splitlines())}


def estimated(name: str) -> int:
    """Bytes as a plan counts them, without data: activations, and six copies of the parameters."""
    batch, lookback, horizon, channels, arguments = LARGE[name]
    shape = {"lookback": lookback, "horizon": horizon, "channels": channels}
    found = MODELS[name].of_step(shape, batch, arguments)
    assert found is not None, "a model that is trained needs its estimator"
    activations, parameters = found
    return activations + 6 * 4 * parameters


@pytest.mark.parametrize("sam", [False, True], ids=["plain", "SAM"])
@pytest.mark.parametrize("name", TRAINED)
def test_a_step_takes_what_is_said_within_a_factor_of_two(name: str, sam: bool, taken: dict[str, int]) -> None:
    said, took = estimated(name), taken[f"{name} {sam}"]
    assert took > 60e6, "too small to tell"
    assert took / 2 < said < 2 * took, f"{said / 1e6:.0f} MB said, {took / 1e6:.0f} MB taken"


@pytest.mark.parametrize("name", TRAINED)
def test_validation_and_test_take_less_than_a_step(name: str, taken: dict[str, int]) -> None:
    """PatchTST on ETTh1 took 8.3 GB for 512 windows at once, where its training step takes 2.9 GB."""
    assert taken[f"{name} None"] < max(2**28, taken[f"{name} False"])


@pytest.mark.parametrize("name", SAVING)
def test_large_tokens_are_not_held(name: str, taken: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.footprint.LARGE", SAVED)
    said, took = estimated(name), taken[f"{name} saved"]
    assert took < 0.75 * taken[f"{name} False"]
    assert took / 2 < said < 2 * took, f"{said / 1e6:.0f} MB said, {took / 1e6:.0f} MB taken"


@pytest.mark.parametrize("name", TRAINED)
def test_parameters_are_counted_exactly(name: str) -> None:
    for arguments in ARGUMENTS.get(name, SEGMENTS):
        for lookback, horizon, channels in ((48, 12, 3), (50, 12, 1), (24, 30, 2)):
            sizes = {"lookback": lookback, "horizon": horizon, "channels": channels}
            model = build(name, **sizes, **arguments)
            found = MODELS[name].of_step(sizes, 2, arguments)
            assert found is not None and found[1] == sum(p.numel() for p in model.parameters()), (sizes, arguments)


def test_without_torch() -> None:
    code = "import sys, baselines; assert 'torch' not in sys.modules and baselines.MODELS['samovar'].memory"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
