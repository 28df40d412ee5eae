"""DLinear's first version: both maps begin as the mean over the look-back."""

from __future__ import annotations

import pytest
import torch

from baselines import build


def test_it_begins_as_the_mean_over_the_look_back() -> None:
    torch.manual_seed(0)
    model = build("dlinear", lookback=20, horizon=6, channels=3, kernel_size=5, initial_weights="mean").double()
    x = torch.randn(4, 20, 3).double()
    biases = sum(dict(model.named_parameters())[f"{name}.bias"] for name in ("seasonal", "trend"))
    expected = x.mean(dim=1, keepdim=True) + torch.as_tensor(biases)[:, None]  # [4, 6, 3]
    torch.testing.assert_close(model(x), expected, rtol=1e-6, atol=1e-7)
    assert all(p.requires_grad for p in model.parameters())


def test_the_rest_of_it_is_drawn_as_ever() -> None:
    """A seed's biases, and whatever is drawn after the model, do not depend on how its weights begin."""
    found = []
    for initial in ("random", "mean"):
        torch.manual_seed(0)
        model = build("dlinear", lookback=20, horizon=6, channels=3, kernel_size=5, initial_weights=initial)
        found.append([*(p for name, p in model.named_parameters() if name.endswith("bias")), torch.rand(3)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_other_initial_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="initial_weights is one of random, mean, not 'ones'"):
        build("dlinear", lookback=20, horizon=6, channels=3, initial_weights="ones")
