"""SAMoVAR, FixedVAR, LinTrans: attention's two forms, the training loss, the initialisation, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from baselines import build
from baselines.layers import Dropout, RMSNorm
from baselines.linear_attention import by_products, by_running_sum, causal_linear_attention
from baselines.optimizers import SAM
from baselines.samovar import SAMoVAR, structural_matrix
from baselines.segments import SegmentForecaster, cut

NAMES = ("samovar", "fixedvar", "lintrans")


def model_of(
    name: str, lookback: int = 50, horizon: int = 12, channels: int = 3, dropout: float = 0.0
) -> SegmentForecaster:
    torch.manual_seed(0)
    model = build(name, lookback=lookback, horizon=horizon, channels=channels, width=16, heads=4, layers=2, dropout=dropout)
    assert isinstance(model, SegmentForecaster)
    return model


@pytest.mark.parametrize("windows", [2, 1], ids=["by window", "for all windows"])
@pytest.mark.parametrize(("tokens", "asked", "width"), [(1, 1, 8), (22, 22, 8), (22, 11, 8), (300, 100, 4), (64, 64, 32)])
def test_both_forms_of_the_attention_are_one_function(tokens: int, asked: int, width: int, windows: int) -> None:
    torch.manual_seed(0)
    shapes = [(2, width, asked, 3, windows), (2, width, tokens, 3, 2), (2, width, tokens, 3, windows)]
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    outputs, gradients = [], []
    for form in (by_products, by_running_sum, causal_linear_attention):
        outputs.append(form(*inputs))
        gradients.append(torch.autograd.grad(outputs[-1].square().mean(), inputs))
    for output, gradient in zip(outputs[1:], gradients[1:], strict=True):
        assert (output - outputs[0]).norm() < 1e-5 * outputs[0].norm()
        for ours, theirs in zip(gradient, gradients[0], strict=True):
            assert (ours - theirs).norm() < 1e-5 * theirs.norm()


def test_channels_by_themselves_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(2, 4, 6, 5, 3, requires_grad=True) for _ in range(3)]
    whole = by_running_sum(*inputs)
    monkeypatch.setattr("baselines.linear_attention.COLUMNS", 6)  # two channels at a time
    parts = by_running_sum(*inputs)
    assert torch.equal(parts, whole)
    gradients = (torch.autograd.grad(attended.sin().sum(), inputs) for attended in (parts, whole))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("form", [by_products, by_running_sum])
@pytest.mark.parametrize("every", [1, 3])
def test_the_attention_is_what_is_written(form: Callable[..., torch.Tensor], every: int) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 6, 4, dtype=torch.float64)
    written = torch.stack([sum((q[t] @ k[i]) * v[i] for i in range(t + 1)) for t in range(6)])  # type: ignore[arg-type]
    query, key, value = (x.T[None, :, :, None, None] for x in (q[every - 1 :: every], k, v))  # [1, e, T, 1, 1]
    torch.testing.assert_close(form(query, key, value).squeeze().T, written[every - 1 :: every])


def test_segments_are_cut_from_the_end() -> None:
    x = torch.randn(2, 10, 3) * 4 + 2
    segments = cut(x, 4)
    assert segments.values.shape == (3, 3, 2, 4)
    assert not segments.values[0, :, :, :2].any()  # padded on the left
    back = segments.values.permute(1, 2, 0, 3).flatten(2) * segments.scale + segments.shift
    torch.testing.assert_close(back[..., 2:], x.permute(2, 0, 1))
    torch.testing.assert_close(segments.values[-1].mean(dim=-1), torch.zeros(3, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(segments.scale.squeeze(-1), x.std(dim=1).T + 1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_sees_no_later_segment(name: str) -> None:
    model = model_of(name).eval()
    tokens = torch.randn(16, 10, 3, 2)
    later = tokens.clone()
    later[:, 6:] += 1  # segments 4 and 5
    first, second = model.encode(tokens), model.encode(later)
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert not torch.allclose(first[:, 3], second[:, 3])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("lookback", "terms"), [(50, 2), (12, 1), (9, 1)])
def test_training_adds_the_next_segments(name: str, lookback: int, terms: int) -> None:
    model = model_of(name, lookback)
    x, y = torch.randn(4, lookback, 3), torch.randn(4, 12, 3)
    forecast_alone = F.mse_loss(model(x), y)
    torch.testing.assert_close(model.mse(x, y), forecast_alone)
    difference = model.training_loss(x, y) - forecast_alone
    segments = cut(x, 12)
    if terms == 1:  # one segment: nothing to predict within the window
        torch.testing.assert_close(difference, torch.zeros(()), atol=1e-6, rtol=0)
        return
    predictions = model._predict(model.encode(model._tokens(segments.values)))
    torch.testing.assert_close(difference, (predictions[:-1] - segments.values[1:]).square().mean())


@pytest.mark.parametrize("name", NAMES)
def test_initialisation(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, lookback=96, horizon=24, channels=30, width=64, heads=8, layers=3)
    residual = ("down.weight", "output.weight")
    for key, p in model.named_parameters():
        if "norm" in key:
            assert (p == 1).all(), key
        elif key.endswith("bias"):
            assert not p.any(), key
        else:
            std = 0.02 / math.sqrt(6) if key.endswith(residual) else 0.02
            std = math.sqrt(0.02 / math.sqrt(8)) if key == "structure" else std
            assert abs(p.mean()) < 5 * std / math.sqrt(p.numel()), key
            assert p.std().item() == pytest.approx(std, rel=0.15 if p.numel() > 500 else 0.3), key


def test_the_structural_matrix_has_its_factors() -> None:
    torch.manual_seed(0)
    parameter = torch.randn(2, 3, 3)
    matrix = structural_matrix(parameter)
    lower = parameter.tril(-1) + torch.eye(3)
    upper = parameter.triu(1) + torch.diag_embed(torch.log1p(parameter.diagonal(dim1=1, dim2=2).exp()))
    torch.testing.assert_close(matrix, lower @ upper)
    diagonal = torch.nn.functional.softplus(parameter.diagonal(dim1=1, dim2=2))
    torch.testing.assert_close(matrix.det(), diagonal.prod(dim=-1))  # never singular


def test_the_gradient_reaches_every_parameter() -> None:
    """All but the position rows that no segment reads, which the released table has too."""
    model = model_of("samovar")
    assert isinstance(model, SAMoVAR)
    model.training_loss(torch.randn(2, 50, 3), torch.randn(2, 12, 3)).backward()
    for key, p in model.named_parameters():
        assert p.grad is not None and p.grad.any(), key
    assert model.position.grad is not None
    assert model.position.shape == (10, 16) and not model.position.grad[5:].any()


def test_what_cannot_be_is_refused() -> None:
    assert model_of("fixedvar", lookback=128, horizon=2).n_tokens == 128
    with pytest.raises(ValueError, match="tables for 128 tokens, look-back 129 at horizon 2 makes 130"):
        model_of("fixedvar", lookback=129, horizon=2)
    model_of("samovar", lookback=129, horizon=2)
    for name in NAMES:
        with pytest.raises(ValueError, match="heads must divide"):
            build(name, lookback=24, horizon=12, channels=2, width=10, heads=4)
        with pytest.raises(ValueError, match="windows are"):
            model_of(name)(torch.randn(2, 49, 3))
        with pytest.raises(ValueError, match="standard deviation"):
            build(name, lookback=1, horizon=12, channels=2)
        with pytest.raises(ValueError, match="the target"):
            model_of(name).training_loss(torch.randn(2, 50, 3), torch.randn(2, 11, 3))


@pytest.mark.parametrize("shape", [(6,), (2, 6)])
def test_rms_norm_is_torchs(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    norm = RMSNorm(*shape, eps=1e-3).double()
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(*shape, 4, 3, dtype=torch.float64, requires_grad=True)

    def theirs(x: torch.Tensor) -> torch.Tensor:
        back = tuple(range(len(shape), len(shape) + 2))
        return (F.rms_norm(x.permute(*back, *range(len(shape))), (6,), None, 1e-3) * norm.weight).movedim((0, 1), (-2, -1))

    torch.testing.assert_close(norm(x), theirs(x))
    wanted = torch.autograd.grad(theirs(x).pow(3).sum(), (x, norm.weight))
    for ours, their in zip(torch.autograd.grad(norm(x).pow(3).sum(), (x, norm.weight)), wanted, strict=True):
        torch.testing.assert_close(ours, their)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_has_its_rate(rate: float) -> None:
    torch.manual_seed(0)
    dropout = Dropout(rate)
    x = torch.ones(1000, 997, requires_grad=True)
    dropped = dropout(x)
    kept = dropped != 0
    assert kept.float().mean().item() == pytest.approx(1 - rate, abs=3e-3)
    assert dropped[kept].unique().tolist() == pytest.approx([1 / (1 - rate)], rel=2e-4)
    pairs = (kept[:, 1:] & kept[:, :-1]).float().mean().item()  # neighbours share a draw of 64 bits
    assert pairs == pytest.approx((1 - rate) ** 2, abs=3e-3)
    dropped.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, dropped)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), dropped)
    assert not torch.equal(dropout(x), dropped)
    assert dropout.eval()(x) is x


def two_steps(name: str, rho: float) -> list[torch.Tensor]:
    """The weights after two steps of AdamW with SAM and dropout on 2 windows, and the state of the dice."""
    model = model_of(name, dropout=0.2).train()
    optimizer = SAM(torch.optim.AdamW(model.parameters(), lr=1e-2), rho)
    x, y = torch.randn(2, 50, 3), torch.randn(2, 12, 3)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model.training_loss(x, y)
        loss.backward()
        return loss

    for _ in range(2):
        optimizer.step(closure)
    return [*(p.detach() for p in model.parameters()), torch.get_rng_state()]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_computed_again_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.segments.LARGE", 1)
    again = two_steps(name, 0.05)
    calls = []

    def hold(function: Callable[..., torch.Tensor], *tensors: torch.Tensor, **_: bool) -> torch.Tensor:
        calls.append(function)
        return function(*tensors)

    monkeypatch.setattr("baselines.segments.checkpoint", hold)
    held = two_steps(name, 0.05)
    assert len(calls) == 2 * 2 * 3 * (2 + 2)  # steps, SAM's passes, channels; MLPs and attention layers
    assert all(torch.equal(a, b) for a, b in zip(again, held, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_parts_are_the_same_function(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name)
    x, y = torch.randn(5, 50, 3), torch.randn(5, 12, 3)
    whole = torch.autograd.grad(model.training_loss(x, y), list(model.parameters()))
    monkeypatch.setattr("baselines.segments.LARGE", 1)
    for a, b in zip(torch.autograd.grad(model.training_loss(x, y), list(model.parameters())), whole, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm()
