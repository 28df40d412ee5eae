"""The models: plain `nn.Module`s with no knowledge of the harness.

A model is one file here and one line in `MODELS`. Importing this package imports no torch, so that a plan can
check names and arguments without paying for it; `build` imports the one module that it needs.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from baselines import footprint

if TYPE_CHECKING:
    from baselines.base import Forecaster

__all__ = ["ARGUMENTS", "MODELS", "SCALAR", "ModelInfo", "build", "misfit"]


@dataclass(frozen=True)
class ModelInfo:
    """Where a model is, and which keyword arguments it takes beside `lookback`, `horizon` and `channels`.

    `memory` says what a training step takes; None for what is not trained. `closed_form`: it is not, but has `fit`.
    """

    name: str
    module: str
    cls: str
    arguments: tuple[str, ...] = ()
    memory: footprint.Estimator | None = None
    closed_form: bool = False


class Kind(NamedTuple):
    """What an argument's value has to be, in words and as a test."""

    what: str
    fits: Callable[[Any], bool]


def _one_of(*words: str) -> Kind:
    return Kind("one of " + ", ".join(words), lambda value: value in words)


_SIZE = Kind("a whole number from 1", lambda value: type(value) is int and value >= 1)
_RATE = Kind("a number from 0 to under 1", lambda value: type(value) in (int, float) and 0 <= value < 1)
_FLAG = Kind("true or false", lambda value: type(value) is bool)
SCALAR = Kind(
    "a number, a word, true, false or null", lambda value: value is None or type(value) in (bool, int, float, str)
)
ARGUMENTS: dict[str, Kind] = {
    "width": _SIZE, "heads": _SIZE, "layers": _SIZE, "ff_width": _SIZE, "dropout": _RATE,
    "blocks": _SIZE, "patch": _SIZE, "stride": _SIZE, "kernel_size": _SIZE, "season": _SIZE,
    "time_marks": _FLAG, "normalise": _FLAG, "revin": _FLAG, "batch_mixed_denorm": _FLAG,
    "variant": _one_of("tensorflow", "pytorch"), "fans": _one_of("keras2", "keras3"),
}  # fmt: skip
"""Of all models; an argument that is not here is any `SCALAR`."""

_SEGMENTS = ("width", "heads", "layers", "dropout")
_ENCODER = ("width", "heads", "layers", "ff_width", "dropout")
_ITRANSFORMER = (*_ENCODER, "time_marks", "normalise")
_SAMFORMER = ("width", "variant", "revin", "batch_mixed_denorm", "fans")
_TSMIXER = ("blocks", "ff_width", "dropout", "batch_mixed_denorm")
_ALL = (
    ModelInfo("samformer", "samformer", "SAMformer", _SAMFORMER, footprint.samformer),
    ModelInfo("tsmixer", "tsmixer", "TSMixer", _TSMIXER, footprint.tsmixer),
    ModelInfo("samovar", "samovar", "SAMoVAR", _SEGMENTS, footprint.samovar),
    ModelInfo("fixedvar", "fixedvar", "FixedVAR", _SEGMENTS, footprint.fixedvar),
    ModelInfo("lintrans", "lintrans", "LinTrans", _SEGMENTS, footprint.lintrans),
    ModelInfo("itransformer", "itransformer", "ITransformer", _ITRANSFORMER, footprint.itransformer),
    ModelInfo("patchtst", "patchtst", "PatchTST", (*_ENCODER, "patch", "stride"), footprint.patchtst),
    ModelInfo("dlinear", "dlinear", "DLinear", ("kernel_size",), footprint.dlinear),
    ModelInfo("last_value", "naive", "LastValue", closed_form=True),
    ModelInfo("seasonal_naive", "naive", "SeasonalNaive", ("season",), closed_form=True),
    ModelInfo("ridge", "ridge", "Ridge", closed_form=True),
)

MODELS: dict[str, ModelInfo] = {info.name: info for info in _ALL}


def misfit(lookback: int, arguments: Mapping[str, Any]) -> str | None:
    """Why no model can be built with these arguments, if they do not fit each other or the look-back; else None.

    Only what is given counts. A model says the same when it is built.
    """
    heads, width, kernel = arguments.get("heads"), arguments.get("width"), arguments.get("kernel_size")
    if heads and width and width % heads:
        return f"{heads} heads do not divide a width of {width}"
    if kernel and kernel % 2 == 0:
        return f"a kernel_size is odd, it is {kernel}"
    if "patch" in arguments and lookback + arguments.get("stride", 0) < arguments["patch"]:
        return f"a look-back of {lookback} has no patch of {arguments['patch']} steps"
    if arguments.get("season", 1) > lookback:
        return f"a season of {arguments['season']} steps does not fit a look-back of {lookback}"
    return None


def _nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'X'?` for the closest known name, else the names that are known."""
    names = sorted(known)
    close = difflib.get_close_matches(word.casefold(), names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(names) or 'none'}"


def build(name: str, *, lookback: int, horizon: int, channels: int, **arguments: Any) -> Forecaster:
    """A freshly initialised model, its weights drawn from torch's default generator.

    `lookback` and `horizon` are in time steps. Raises ValueError for an unknown model or argument, naming the
    nearest known one, and for an argument's value that the model does not accept.
    """
    info = MODELS.get(name)
    if info is None:
        raise ValueError(f"unknown model '{name}'{_nearest(name, MODELS)}")
    for argument in arguments:
        if argument not in info.arguments:
            raise ValueError(f"{name} has no argument '{argument}'{_nearest(argument, info.arguments)}")
    cls = getattr(importlib.import_module(f"{__name__}.{info.module}"), info.cls)
    model: Forecaster = cls(lookback=lookback, horizon=horizon, channels=channels, **arguments)
    return model
