"""Any `nn.Module` from windows [B, L, C] to forecasts [B, H, C] as a `Forecaster`."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

from baselines.base import Forecaster
from baselines.own import Source, load


class Plain(Forecaster):
    """A module that knows nothing of this interface. It gets the marks if its `forward` has a second parameter; its loss is
    its own `training_loss`, if it has one, else the MSE of the forecast."""

    partial_targets = True

    def __init__(self, model: nn.Module, horizon: int) -> None:
        super().__init__()
        self.model = model
        self.horizon = horizon
        self._marks = len(_positional(model.forward)) > 1

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """The module's forecast [B, H, C] of x [B, L, C]. Raises ValueError for another shape, which might broadcast."""
        forecast: Tensor = self.model(x, marks) if self._marks else self.model(x)
        expected = (x.shape[0], self.horizon, x.shape[2])
        if not isinstance(forecast, Tensor):
            raise ValueError(f"the forecast is expected to be a tensor {expected}, found {type(forecast).__name__}")
        if forecast.shape != expected:
            raise ValueError(f"the forecast is expected to be {expected}, found {tuple(forecast.shape)}")
        return forecast

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """The module's own loss [] of x [B, L, C] and y [B, H, C], else the MSE."""
        own = getattr(self.model, "training_loss", None)
        if own is None:
            return self.mse(x, y, marks)
        loss: Tensor = own(x, y, marks) if len(_positional(own)) > 2 else own(x, y)
        return loss


def _positional(function: Any) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, each in inspect.signature(function).parameters.items() if each.kind in kinds]


def built(source: Source, *, lookback: int, horizon: int, channels: int, **arguments: Any) -> Forecaster:
    """A freshly initialised model of a user's own. Raises TypeError for what is no `nn.Module`; what the files raise."""
    made = load(source)(lookback=lookback, horizon=horizon, channels=channels, **arguments)
    if isinstance(made, Forecaster):
        return made
    if not isinstance(made, nn.Module):
        raise TypeError(f"{source.name} is expected to be a torch.nn.Module, found {type(made).__name__}")
    return Plain(made, horizon)
