"""The models: plain `nn.Module`s with no knowledge of the harness.

A model is one file here and one line in `MODELS`. Importing this package imports no torch, so that a plan can
check names and arguments without paying for it; `build` imports the one module that it needs.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from baselines import footprint, footprint_images
from baselines.arguments import REQUIRED, SCALAR, SHAPES, Argument, Kind, arguments_of, attribute_of
from baselines.own import Source

__all__ = ["MODELS", "SCALAR", "Argument", "Kind", "ModelInfo", "Source", "argument", "build", "misfit"]

HERE = Path(__file__).parent
T = TypeVar("T")


@dataclass(frozen=True)
class ModelInfo:
    """Where a model is. What it takes stands in its constructor alone.

    name: as recipes have it. module, cls: its file in this folder, and its class there. memory: says what a training step
    takes; None for what is not trained, or not known. closed_form: it is not trained, but has `fit`. file: where the
    constructor is read, if not in this folder. task: the kind of task that it is for. begins: says what stands before its
    first step, in operations; None: nothing does.
    """

    name: str
    module: str
    cls: str
    memory: Callable[[Any, Any], tuple[int, int]] | None = None
    closed_form: bool = False
    file: Path | None = None
    task: str = "forecasting"
    begins: Callable[[Any, Any], float] | None = None

    @property
    def _source(self) -> Path:
        return self.file or HERE / f"{self.module}.py"

    @property
    def partial_targets(self) -> bool:
        """Whether it can be trained where some of the targets alone count, as its class says."""
        return attribute_of(self._source, self.cls, "partial_targets") is True

    @property
    def arguments(self) -> Mapping[str, Argument]:
        """The keyword arguments that it takes beside those of `SHAPES`."""
        return arguments_of(self._source, self.cls)

    @property
    def takes_any(self) -> bool:
        """Whether there may be others, too: of a model that stands here, none."""
        return False

    def of_step(self, shape: Mapping[str, int], batch: int, given: Mapping[str, Any]) -> tuple[int, int] | None:
        """Bytes of the activations of a training step on `batch` examples in float32, and the number of parameters.

        `shape`: as `SHAPES` has it. `given`: arguments; the others have their defaults. None where nothing is
        known, or the arguments do not fit (then the model itself says what is wrong).
        """
        return self._said(self.memory, shape, batch, given)

    def before_training(self, shape: Mapping[str, int], given: Mapping[str, Any]) -> float:
        """Operations before the first step, as `of_step` has its arguments; 0 where there are none, or it is not known."""
        return self._said(self.begins, shape, 1, given) or 0.0

    def _said(self, what: Callable[[Any, Any], T] | None, shape: Mapping[str, int], batch: int,
              given: Mapping[str, Any]) -> T | None:  # fmt: skip
        """What an estimator says of the arguments, with the defaults of the others."""
        if what is None:
            return None
        defaults = {name: a.default for name, a in self.arguments.items() if a.default is not REQUIRED}
        try:
            return what(SIZES[self.task](**shape, batch=batch), SimpleNamespace(**(defaults | dict(given))))
        except (TypeError, ValueError, ZeroDivisionError, AttributeError):
            return None


SIZES: Mapping[str, Callable[..., Any]] = {"forecasting": footprint.Sizes, "images": footprint_images.ImageSizes}
"""By kind of task, the sizes that an estimator of memory takes."""
_ALL = (
    ModelInfo("samformer", "samformer", "SAMformer", footprint.samformer),
    ModelInfo("tsmixer", "tsmixer", "TSMixer", footprint.tsmixer),
    ModelInfo("samovar", "samovar", "SAMoVAR", footprint.samovar),
    ModelInfo("fixedvar", "fixedvar", "FixedVAR", footprint.fixedvar),
    ModelInfo("lintrans", "lintrans", "LinTrans", footprint.lintrans),
    ModelInfo("itransformer", "itransformer", "ITransformer", footprint.itransformer),
    ModelInfo("patchtst", "patchtst", "PatchTST", footprint.patchtst),
    ModelInfo("dlinear", "dlinear", "DLinear", footprint.dlinear),
    ModelInfo("formerbaseline", "formerbaseline", "FormerBaseline", footprint.formerbaseline),
    ModelInfo("fits", "fits", "FITS", footprint.fits),
    ModelInfo("cats", "cats", "CATS", footprint.cats),
    ModelInfo("ablated", "ablated", "Ablated", footprint.ablated),
    ModelInfo("last_value", "naive", "LastValue", closed_form=True),
    ModelInfo("seasonal_naive", "naive", "SeasonalNaive", closed_form=True),
    ModelInfo("ridge", "ridge", "Ridge", closed_form=True),
    ModelInfo("vgg", "vgg", "VGG", footprint_images.vgg, task="images"),
    ModelInfo("ckn", "ckn", "CKN", footprint_images.ckn, task="images", begins=footprint_images.ckn_begins),
    ModelInfo(
        "ckn_scratch",
        "ckn_scratch",
        "CKNFromScratch",
        footprint_images.ckn,
        task="images",
        begins=footprint_images.ckn_begins,
    ),
    ModelInfo(
        "ckn_unsupervised",
        "ckn_unsupervised",
        "CKNUnsupervised",
        closed_form=True,
        task="images",
        begins=footprint_images.ckn_unsupervised_begins,
    ),
)

MODELS: dict[str, ModelInfo] = {info.name: info for info in _ALL}


def argument(name: str) -> Argument | None:
    """The argument of that name of any model: those of one name are of one kind. None if no model has it."""
    return next((model.arguments[name] for model in MODELS.values() if name in model.arguments), None)


def misfit(lookback: int, horizon: int, arguments: Mapping[str, Any]) -> str | None:
    """Why no model can be built with these arguments, if they do not fit each other, look-back or horizon; else None.

    Only what is given counts. A model says the same when it is built.
    """
    heads, width, kernel = arguments.get("heads"), arguments.get("width"), arguments.get("kernel_size")
    if heads and width and width % heads:
        return f"{heads} heads do not divide a width of {width}"
    if kernel and kernel % 2 == 0:
        return f"a kernel_size is odd, it is {kernel}"
    if "patch" in arguments and lookback + arguments.get("stride", 0) < arguments["patch"]:
        return f"a look-back of {lookback} has no patch of {arguments['patch']} steps"
    if "season" in arguments and arguments["season"] > lookback:
        return f"a season of {arguments['season']} steps does not fit a look-back of {lookback}"
    if "positions" in arguments and lookback + horizon > arguments["positions"]:
        return (
            f"a look-back of {lookback} and a horizon of {horizon} have more steps than {arguments['positions']} positions"
        )
    if "harmonics" in arguments and "period" in arguments:
        return footprint.too_few_frequencies(lookback, horizon, arguments["period"], arguments["harmonics"])
    if "noconv" in arguments and (
        longer := [steps for steps in footprint.BLOCKS if lookback + -lookback % steps // 2 * 2 < steps]
    ):
        return f"a look-back of {lookback} has no block of {longer[0]} steps"
    return None


def _nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'X'?` for the closest known name, else the names that are known."""
    names = sorted(known)
    close = difflib.get_close_matches(word.casefold(), names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(names) or 'none'}"


def build(name: str | Source, **given: Any) -> Any:
    """A freshly initialised model, its weights drawn from torch's default generator; of a `Source` a model of the user's
    own, whose files this runs.

    given: the sizes that a model for its kind of task is built with (`SHAPES`: of a forecaster `lookback` and `horizon`,
    in time steps, and `channels`), and its own arguments. Raises ValueError for an unknown model or argument, naming the
    nearest known one, and for an argument's value that the model does not accept.
    """
    if isinstance(name, Source):
        from baselines.plain import built

        return built(name, **given)
    info = MODELS.get(name)
    if info is None:
        raise ValueError(f"unknown model '{name}'{_nearest(name, MODELS)}")
    for argument in given:
        if argument not in info.arguments and argument not in SHAPES[info.task]:
            raise ValueError(f"{name} has no argument '{argument}'{_nearest(argument, info.arguments)}")
    return getattr(importlib.import_module(f"{__name__}.{info.module}"), info.cls)(**given)
