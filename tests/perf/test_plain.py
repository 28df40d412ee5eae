"""The plain implementations that speed is measured against are the same functions: held to the same golden numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_step import stepper, take_step, training, weights
from test_training import made
from torch import Tensor

import baselines
from baselines.released import load_released, released_gradients
from benchmark.data.windows import Batch
from benchmark.perf import reference

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = {
    "samformer_adam": "samformer", "samformer_tf_adam": "samformer", "samovar": "samovar", "samovar_padded": "samovar",
    "fixedvar": "fixedvar", "lintrans": "lintrans", "lintrans_padded": "lintrans", "itransformer": "itransformer",
    "itransformer_marks": "itransformer", "itransformer_no_norm": "itransformer",
    "tsmixer_tf_adam": "tsmixer", "patchtst": "patchtst",
}  # fmt: skip


NAMES = {
    "attention_dim": "width", "variant": "variant", "d_model": "width", "n_heads": "heads", "n_layers": "layers",
    "d_ff": "ff_width", "ff_dim": "ff_width", "n_blocks": "blocks", "patch_len": "patch", "stride": "stride",
    "dropout": "dropout", "time_features": "time_marks", "use_norm": "normalise",
}  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_parity(file: str) -> None:
    with np.load(GOLDEN / f"{file}.npz") as opened:
        arrays = dict(opened)
    config = json.loads(arrays["config"].item())
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    marks = torch.from_numpy(arrays["marks"]) if "marks" in arrays else None
    arguments = {NAMES[k]: v for k, v in config.items() if k in NAMES}
    if FILES[file] == "tsmixer":
        del arguments["variant"]
    if FILES[file] == "samformer":
        arguments.setdefault("variant", "pytorch")
    model = reference.MODELS[FILES[file]](lookback=x.shape[1], horizon=y.shape[1], channels=x.shape[2], **arguments)
    ours = load_released(arrays)
    model.load_state_dict(ours.state_dict())
    assert relative(model.eval()(x, marks), torch.from_numpy(arrays["eval_output"])) < 1e-5
    few = 10 if FILES[file] == "tsmixer" else 1  # a batch norm over few windows makes more of a rounding
    loss = model.train().training_loss(x, y, marks)  # type: ignore[operator]
    loss.backward()
    assert loss.item() == pytest.approx(float(arrays["train_loss"]), rel=1e-5)
    theirs = dict(model.named_parameters())
    for name, parameter in ours.named_parameters():
        parameter.grad = theirs[name].grad
    released = {key.removeprefix("grad/"): value for key, value in arrays.items() if key.startswith("grad/")}
    norm = np.sqrt(sum(float((g**2).sum()) for g in released.values()))
    for name, gradient in released_gradients(ours).items():
        assert np.linalg.norm(gradient - released[name]) < few * 1e-5 * norm, name


def relative(one: Tensor, other: Tensor) -> float:
    return float(((one - other).norm() / other.norm()).detach())


@pytest.mark.parametrize("rho", [None, 0.5])
def test_its_steps_are_the_suites_steps(rho: float | None) -> None:
    torch.manual_seed(0)
    values = training(rho=rho, clip_norm=1.0, optimizer="adamw", weight_decay=0.1, eps=1e-3)  # keys' biases: gradient 0
    ours = baselines.build("samformer", lookback=16, horizon=4, channels=3)
    theirs = reference.SAMformer(lookback=16, horizon=4, channels=3)
    theirs.load_state_dict(ours.state_dict())
    one, other = stepper(ours.train(), values), reference.Trainer(theirs.train(), values)
    for _ in range(3):
        x, y = torch.randn(8, 16, 3), torch.randn(8, 4, 3)
        assert float(take_step(one, [Batch(x, y, None)]).loss) == pytest.approx(other.step((x, y)), rel=1e-5)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-6)


def test_its_loader_gives_the_suites_windows() -> None:
    windows = made()
    batches = list(reference.loader(windows, 8))
    x, y, _ = windows.batch(slice(None))
    assert sum(len(b[0]) for b in batches) == len(x)
    ours, theirs = torch.cat([x, y], 1).flatten(1), torch.cat([torch.cat(b, 1) for b in batches]).flatten(1)
    assert torch.equal(ours.unique(dim=0), theirs.unique(dim=0))
