"""SAMformer ablated: without an ablation it is SAMformer; frozen attention stays; sigmaReparam is as released."""

from __future__ import annotations

import copy

import pytest
import torch

from baselines import build
from baselines.ablated import Ablated
from baselines.base import Forecaster
from benchmark.analysis.probes.attention import matrices


def model(name: str = "ablated", revin: bool = True, **arguments: bool) -> Forecaster:
    torch.manual_seed(0)
    return build(name, lookback=16, horizon=4, channels=3, width=5, revin=revin, **arguments)


@pytest.mark.parametrize("revin", [True, False])
def test_without_an_ablation_it_is_samformer(revin: bool) -> None:
    ours, theirs = model(revin=revin), model("samformer", revin=revin)
    x, y = torch.randn(6, 16, 3), torch.randn(6, 4, 3)
    for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        other.data.add_(0.3 * torch.randn_like(other))
        parameter.data.copy_(other)
    for each in (ours, theirs):
        each.training_loss(x, y).backward()
    assert torch.allclose(ours(x), theirs(x), atol=1e-6) and ours.gradients(x, y) is None
    for (name, parameter), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert parameter.grad is not None and other.grad is not None
        assert torch.allclose(parameter.grad, other.grad, atol=1e-5), name


def test_frozen_attention_stays_as_it_was_initialised() -> None:
    frozen, free = model(frozen_attention=True), model()
    trained = {name.split(".")[0] for name, p in frozen.named_parameters() if p.requires_grad}
    assert trained == {"revin", "forecaster"}
    assert all(torch.equal(a, b) for a, b in zip(frozen.state_dict().values(), free.state_dict().values(), strict=True))


def test_sigma_reparam_divides_what_goes_into_the_attention() -> None:
    reparam = model(revin=False, sigma_reparam=True)
    assert isinstance(reparam, Ablated) and reparam.gamma is not None and reparam.output is not None
    reparam.gamma.data.fill_(1.7)
    x = torch.randn(6, 16, 3)
    tokens = x.transpose(1, 2)
    largest = max(float(torch.linalg.matrix_norm(each, 2)) for each in tokens)
    given = tokens * (1.7 / largest)
    query, key, value = reparam.query(given), reparam.key(given), reparam.value(given)
    weights = torch.softmax(query @ key.mT / 5**0.5, dim=-1)
    expected = reparam.forecaster(tokens + reparam.output(weights @ value)).mT
    assert torch.allclose(reparam(x), expected, atol=1e-5)
    assert torch.allclose(matrices(reparam, x), weights, atol=1e-6), "the analysis sees the same attention"
    other = copy.deepcopy(x)
    other[0] *= 100
    assert not torch.allclose(reparam(other)[1], reparam(x)[1], atol=1e-6), "as released, windows are not alone"
