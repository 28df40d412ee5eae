"""Last value, seasonal naive, ridge: by hand, and against what a solver of least squares says."""

from __future__ import annotations

import pytest
import torch

from baselines import build
from baselines.naive import LastValue, SeasonalNaive
from baselines.ridge import Ridge

Pair = tuple[torch.Tensor, torch.Tensor]


def linear_windows(count: int, noise: float, seed: int, channels: int = 2) -> Pair:
    """y = m + A(x − m) + b + noise, A the same whatever the seed."""
    weights = torch.randn(4, 12, generator=torch.Generator().manual_seed(0)) / 4
    dice = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 12, channels, generator=dice) + 10 * torch.randn(count, 1, channels, generator=dice)
    level = x.mean(dim=1, keepdim=True)
    y = level + weights @ (x - level) + 0.3
    return x, y + noise * torch.randn(count, 4, channels, generator=dice)


def fitted(train: Pair, validation: Pair, batch: int = 32) -> Ridge:
    model = build("ridge", lookback=12, horizon=4, channels=2)
    assert isinstance(model, Ridge)
    model.fit(zip(*(t.split(batch) for t in train), strict=True), zip(*(t.split(batch) for t in validation), strict=True))
    return model.eval()


def test_naive_forecasts() -> None:
    x = torch.arange(10.0).view(1, 10, 1)
    season = SeasonalNaive(lookback=10, horizon=5, channels=1, season=3)
    assert season(x).flatten().tolist() == [7, 8, 9, 7, 8]
    assert LastValue(lookback=10, horizon=3, channels=1)(x).flatten().tolist() == [9, 9, 9]
    for impossible in (0, 11):
        with pytest.raises(ValueError, match="season"):
            SeasonalNaive(lookback=10, horizon=5, channels=1, season=impossible)


def test_ridge_finds_a_linear_map() -> None:
    model = fitted(linear_windows(300, 0.0, 1), linear_windows(50, 0.0, 2))
    x, y = linear_windows(20, 0.0, 3)
    torch.testing.assert_close(model(x), y, rtol=1e-4, atol=1e-4)


def test_the_batches_do_not_matter() -> None:
    train, validation = linear_windows(100, 1.0, 1), linear_windows(60, 1.0, 2)
    one, other = fitted(train, validation, 100), fitted(train, validation, 7)
    torch.testing.assert_close(one.linear.weight, other.linear.weight)
    assert one.shrinkage == pytest.approx(other.shrinkage)


def test_lambda_has_the_smallest_validation_error() -> None:
    train, validation = linear_windows(15, 2.0, 1), linear_windows(500, 2.0, 2)
    model = fitted(train, validation)

    def solved(shrinkage: float) -> float:
        """The validation MSE at this lambda, by an augmented least-squares problem."""
        x, y = (t.double().transpose(1, 2).flatten(0, 1) for t in train)
        level = x.mean(dim=1, keepdim=True)
        z, t = x - level, y - level
        shift, target = z.mean(dim=0), t.mean(dim=0)
        rows = torch.cat([z - shift, torch.eye(12).double() * (shrinkage * len(z)) ** 0.5])
        kernel = torch.linalg.lstsq(rows, torch.cat([t - target, torch.zeros(12, 4).double()])).solution
        other = build("ridge", lookback=12, horizon=4, channels=2).double()
        assert isinstance(other, Ridge)
        other.linear.weight.copy_(kernel.T)
        other.linear.bias.copy_(target - shift @ kernel)
        return float(other.mse(*(t.double() for t in validation)))

    assert model.shrinkage is not None
    best = solved(model.shrinkage)
    assert float(model.mse(*validation)) == pytest.approx(best, rel=1e-4)
    assert best < min(solved(model.shrinkage * factor) for factor in (1e-2, 0.1, 10, 100))


def test_flat_windows_and_empty_splits() -> None:
    flat = torch.ones(5, 12, 2), torch.ones(5, 4, 2)
    assert torch.equal(fitted(flat, flat)(flat[0]), flat[1])
    model = build("ridge", lookback=12, horizon=4, channels=2)
    assert isinstance(model, Ridge)
    for train, validation in (([], [flat]), ([flat], [])):
        with pytest.raises(ValueError, match="both splits"):
            model.fit(train, validation)


def test_before_it_is_fitted_ridge_forecasts_the_mean() -> None:
    x = linear_windows(3, 0.0, 1)[0]
    model = build("ridge", lookback=12, horizon=4, channels=2)
    torch.testing.assert_close(model(x), x.mean(dim=1, keepdim=True).expand(3, 4, 2))
    assert not any(p.requires_grad for p in model.parameters())
