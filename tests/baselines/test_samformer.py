"""SAMformer: shapes, sizes, initialisation, the independence of windows, and the loss over all pairs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from baselines import build
from baselines.revin import RevIN
from baselines.samformer import SAMformer

VARIANTS: dict[str, dict[str, Any]] = {
    "tensorflow": {},
    "tensorflow-no-revin": {"revin": False},
    "pytorch": {"variant": "pytorch"},
    "pytorch-no-revin": {"variant": "pytorch", "revin": False},
}
SIZES = {"lookback": 48, "horizon": 12, "channels": 3}


def test_the_attention_kernels_start_as_keras_2_or_keras_3_draws_them() -> None:
    for fans, limit in (("keras2", 0.02626), ("keras3", 0.10660)):
        torch.manual_seed(0)
        model = SAMformer(lookback=512, horizon=96, channels=7, fans=fans)  # type: ignore[arg-type]
        largest = model.query.weight.abs().max().item()
        assert 0.98 * limit < largest <= limit * 1.001
        assert model.output is not None and 0.98 * 0.1066 < model.output.weight.abs().max().item() <= 0.1067


def perturbed(seed: int = 0, **arguments: Any) -> SAMformer:
    """A model none of whose parameters is at a special value."""
    torch.manual_seed(seed)
    model = SAMformer(**(SIZES | arguments))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def windows(batch: int = 6, lookback: int = 48, horizon: int = 12, channels: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    level = torch.randn(batch, 1, channels, generator=generator)
    scale = 0.5 + torch.rand(batch, 1, channels, generator=generator)
    return [level + scale * torch.randn(batch, n, channels, generator=generator) for n in (lookback, horizon)]


def all_pairs(model: SAMformer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (model(x) - y).square().mean()  # [B, B, H, C] against [B, H, C]


def as_written(model: SAMformer, x: torch.Tensor) -> torch.Tensor:
    """The forecast in the order of the paper's formulas, without the reordering that makes the model fast."""
    tokens = x.transpose(1, 2)
    if model.revin is not None:
        tokens, mean, std = model.revin.normalise(tokens)
    query, key, value = model.query(tokens), model.key(tokens), model.value(tokens)
    attended = torch.softmax(query @ key.transpose(1, 2) / query.shape[-1] ** 0.5, dim=-1) @ value
    forecast = model.forecaster(tokens + (attended if model.output is None else model.output(attended)))
    if model.revin is not None:
        forecast = model.revin.denormalise(forecast, mean, std)
    return forecast.transpose(1, 2)


@pytest.mark.parametrize("arguments", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize(("batch", "lookback", "horizon", "channels"), [(6, 48, 12, 3), (1, 7, 5, 1), (3, 100, 200, 2)])
def test_computes_what_is_written(arguments: Any, batch: int, lookback: int, horizon: int, channels: int) -> None:
    model = perturbed(lookback=lookback, horizon=horizon, channels=channels, **arguments).double()
    x, y = (t.double() for t in windows(batch, lookback, horizon, channels))
    kept = x.clone()
    torch.testing.assert_close(model(x), as_written(model, x))
    torch.testing.assert_close(model.training_loss(x, y), (as_written(model, x) - y).square().mean())
    assert model(x).shape == (batch, horizon, channels)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("arguments", VARIANTS.values(), ids=VARIANTS)
def test_a_forecast_depends_on_its_own_window_alone(arguments: Any) -> None:
    model, (x, _) = perturbed(**arguments), windows()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(model(x[order]), model(x)[order])
    torch.testing.assert_close(model(x[:1]), model(x)[:1])


def test_the_mixed_form_does_not() -> None:
    mixed, plain, (x, _) = perturbed(batch_mixed_denorm=True), perturbed(), windows()
    forecast = mixed(x)
    assert forecast.shape == (6, 6, 12, 3)
    torch.testing.assert_close(forecast.diagonal().permute(2, 0, 1), plain(x))
    changed = x.clone()
    changed[0] += 5.0
    assert not torch.allclose(mixed(changed)[0, 1], forecast[0, 1])  # window 1's forecast on window 0's scale
    torch.testing.assert_close(plain(changed)[1:], plain(x)[1:])
    assert not torch.allclose(mixed.training_loss(x, x[:, :12]), plain.training_loss(x, x[:, :12]))


@pytest.mark.parametrize("batch", [1, 2, 6])
@pytest.mark.parametrize("kind", ["plain", "far", "flat", "one deviation", "one window", "opposed"])
def test_mixed_loss_is_the_mean_over_all_pairs(batch: int, kind: str) -> None:
    model, (x, y) = perturbed(batch_mixed_denorm=True), windows(batch)
    if kind == "far":
        x, y = 300 + x, 300 + y
    elif kind == "flat":  # a channel without variation: its deviations are equal, or equal but for rounding
        x[..., 0] = 1 + torch.arange(batch)[:, None] / 3
    elif kind == "one deviation":
        x = x[:1] + torch.arange(batch)[:, None, None]
    elif kind == "one window":
        x, y = x[:1].expand_as(x), y[:1].expand_as(y)
    elif kind == "opposed":  # mean and deviation of the windows are tied to each other
        x = x[:1] * (1 + torch.arange(batch)[:, None, None])
    loss = model.training_loss(x, y)
    loss.backward()
    double = perturbed(batch_mixed_denorm=True).double()
    expected = all_pairs(double, x.double(), y.double())
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    ours = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).double()
    theirs = torch.cat([p.grad.flatten() for p in double.parameters() if p.grad is not None])
    assert (ours - theirs).norm() < 1e-4 * theirs.norm()


def test_mixed_loss_needs_no_memory_for_the_pairs() -> None:
    model = SAMformer(lookback=8, horizon=4, channels=1, batch_mixed_denorm=True)
    x = torch.randn(100_000, 8, 1)  # all pairs would be 160 GB
    assert torch.isfinite(model.training_loss(x, x[:, :4]))


@pytest.mark.parametrize(("variant", "expected"), [("tensorflow", 82_590), ("pytorch", 328_334)])
def test_parameter_count(variant: str, expected: int) -> None:
    model = build("samformer", lookback=512, horizon=96, channels=7, variant=variant)
    assert sum(p.numel() for p in model.parameters()) == expected


def test_keras_initialisation() -> None:
    torch.manual_seed(0)
    model = SAMformer(lookback=512, horizon=96, channels=7)
    assert model.output is not None
    limits = {
        model.query: (6 / (512 + 16 * 512)) ** 0.5,
        model.key: (6 / (512 + 16 * 512)) ** 0.5,
        model.value: (6 / (512 + 16 * 512)) ** 0.5,
        model.output: (6 / (16 + 512)) ** 0.5,
        model.forecaster: (6 / (512 + 96)) ** 0.5,
    }
    for layer, limit in limits.items():
        assert 0.99 * limit < layer.weight.abs().max().item() <= limit
        assert not layer.bias.any()


@pytest.mark.parametrize("arguments", VARIANTS.values(), ids=VARIANTS)
def test_the_seed_decides_the_weights(arguments: Any) -> None:
    first, again, other = (perturbed(seed, **arguments).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["query.weight"], other["query.weight"])


def test_denormalise_undoes_normalise() -> None:
    x = windows()[0].transpose(1, 2)
    for revin in (RevIN(3), RevIN(3, affine=False), RevIN(3, denorm_eps=1e-10)):
        if revin.weight is not None and revin.bias is not None:
            torch.nn.init.constant_(revin.weight, 0.7)
            torch.nn.init.constant_(revin.bias, -0.3)
        torch.testing.assert_close(revin.denormalise(*revin.normalise(x)), x)


def test_what_cannot_be_is_refused() -> None:
    for arguments in ({"variant": "pytorch"}, {"revin": False}):
        with pytest.raises(ValueError, match="batch_mixed_denorm needs"):
            SAMformer(**SIZES, batch_mixed_denorm=True, **arguments)
    with pytest.raises(ValueError, match="not 'jax'"):
        SAMformer(**SIZES, variant="jax")
    with pytest.raises(ValueError, match="did you mean 'samformer'"):
        build("samfromer", **SIZES)
    with pytest.raises(ValueError, match="did you mean 'revin'"):
        build("samformer", **SIZES, revine=True)
    x, y = windows()
    for mixed in (False, True):
        model = perturbed(batch_mixed_denorm=mixed)
        with pytest.raises(ValueError, match="the target"):
            model.training_loss(x, y[:, :1])
        with pytest.raises(ValueError, match="windows are"):
            model(x[..., :1])


def test_the_registry_imports_no_torch() -> None:
    code = "import sys, baselines; assert baselines.MODELS; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_gradients_by_hand_are_those_of_autograd() -> None:
    model = perturbed()
    x, y = windows()
    loss, found = model.gradients(x, y) or pytest.fail("they are derived by hand here")
    theirs = torch.autograd.grad(channel_loss := model.training_loss(x, y), list(model.parameters()))
    assert torch.equal(loss, channel_loss)
    assert all(mine is not None and torch.equal(mine, other) for mine, other in zip(found, theirs, strict=True))
    model.key.bias.requires_grad_(False)
    assert model.gradients(x, y) is None and perturbed(revin=False).gradients(x, y) is None
    with pytest.raises(ValueError, match="the target"):
        perturbed().gradients(x, y[:, 1:])
