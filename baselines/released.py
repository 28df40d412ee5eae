"""Models and optimizers from the arrays that the authors' released implementations hold.

`arrays` is any mapping with a `config` (JSON text, a 0-d array of it, or a mapping) and `param/NAME`, under
the released code's own names and layouts. A further model is one entry of
`RELEASED` in `released_names`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import baselines
from baselines.arguments import SHAPES
from baselines.optimizers import ASAM, FSAM, SAM, ASAMAll, KerasAdam, Schedule, ScheduledGSAM
from baselines.released_names import RELEASED, Released

Array = NDArray[Any]


_KEYS = {"size": "image_size"}
"""Of the sizes that a model is built with, those that a config calls otherwise."""


@dataclass(frozen=True)
class _Origin:
    """What a loaded model remembers: for each released name our name and the released array's shape.

    `unused`: the released parameters that it has no use for, and their sizes.
    """

    keras: bool
    names: dict[str, tuple[str, tuple[int, ...]]]
    unused: dict[str, int]


def load_released(arrays: Mapping[str, Any]) -> nn.Module:
    """The model of `arrays`, float32, on the CPU and in eval mode.

    Raises ValueError if the model is unknown, a parameter is missing, surplus or of another shape, or the
    config lacks the model's sizes.
    """
    config = _config(arrays.get("config", {}))
    released = _released(config)
    keys = {size: _KEYS.get(size, size) for size in SHAPES[baselines.MODELS[released.model].task]}
    missing = [key for key in keys.values() if key not in config]
    if missing:
        raise ValueError(f"the released config lacks {', '.join(missing)}")
    sizes = {size: int(config[key]) for size, key in keys.items()}
    chosen = {our: config[key] for key, our in released.arguments.items() if key in config}
    model: nn.Module = baselines.build(released.model, **sizes, **chosen, **released.fixed)
    targets = model.state_dict()
    origin: dict[str, tuple[str, tuple[int, ...]]] = {}
    filled: dict[str, str] = {}
    unused: dict[str, int] = {}
    for key in arrays:
        if not key.startswith("param/"):
            continue
        name, array = key.removeprefix("param/"), np.asarray(arrays[key])
        if released.is_unused(name, targets):
            unused[name] = array.size
            continue
        our = released.ours(name)
        if our is None or our not in targets or our in filled:
            raise ValueError(f"{released.model} has no place for the released parameter '{name}'")
        targets[our].copy_(_to_ours(name, array, targets[our], released.keras))
        origin[name], filled[our] = (our, array.shape), name
    if absent := [our for our in targets if our not in filled]:
        raise ValueError(f"the released arrays have nothing for {released.model}'s {', '.join(absent)}")
    # In the module's dictionary, so that a copy of the model has it too.
    model.__dict__["_released_origin"] = _Origin(released.keras, origin, unused)
    return model.float().eval()


def released_gradients(model: nn.Module) -> dict[str, Array]:
    """The gradients of a model from `load_released`, under the released names and layouts.

    A parameter without a gradient has zeros; buffers and what is not trained are left out. Raises ValueError
    for any other model.
    """
    origin = _origin(model)
    gradients: dict[str, Array] = {}
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for name, (our, shape) in origin.names.items():
        if our in parameters:
            parameter = parameters[our]
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            array = gradient.detach().cpu().numpy()
            gradients[name] = (array.T if origin.keras else array).reshape(shape).copy()
    return gradients


def unused_parameters(model: nn.Module) -> dict[str, int]:
    """Released name → size of what the released class of a model from `load_released` holds and never uses.

    Our model does not have these parameters: its size plus theirs is the released `n_params`. Raises ValueError
    for any other model.
    """
    return dict(_origin(model).unused)


def _origin(model: nn.Module) -> _Origin:
    origin = getattr(model, "_released_origin", None)
    if not isinstance(origin, _Origin):
        raise ValueError("only a model from load_released knows the released names")
    return origin


def released_optimizer(model: nn.Module, config: Any) -> torch.optim.Optimizer | SAM:
    """The optimizer that a released config (see the module) names, for all parameters of the model.

    `optimizer` (Adam, AdamW, SGD), `lr`, `betas`, `momentum`, `weight_decay`; Keras' Adam where there is an
    `adam_epsilon` or the variant is TensorFlow's. Around it SAM if `sam_rho` is positive, or what `sharpness`
    names (see `_around`). Where the config has `variants`, `variant` may say which of them it is. Its
    `step(closure)` returns the loss before the update; with SAM or one of its kin one may also take the steps by
    hand. Raises ValueError for an unknown optimizer or without `lr`.
    """
    config = _config(config)
    variants = config.get("variants", {})
    config |= variants.get(config.get("variant"), {})
    if "lr" not in config:
        choose = f"; let 'variant' be one of {', '.join(variants)}" if variants else ""
        raise ValueError(f"the released config has no learning rate 'lr'{choose}")
    name = str(config.get("optimizer", "Adam"))
    keras = "adam_epsilon" in config or _variant(config) == "tensorflow"
    options: dict[str, Any] = {"lr": float(config["lr"])}
    if name == "SGD":
        options["momentum"] = float(config.get("momentum", 0.0))
    else:
        options["betas"] = tuple(config.get("betas", (0.9, 0.999)))
    if "weight_decay" in config:
        options["weight_decay"] = float(config["weight_decay"])
    base: torch.optim.Optimizer
    if name == "Adam" and keras:
        base = KerasAdam(model.parameters(), eps=float(config.get("adam_epsilon", 1e-7)), **options)
    elif name in _OF_TORCH and (name == "Adam" or not keras):
        base = _OF_TORCH[name](model.parameters(), **options)
    else:
        code = "Keras" if keras else "PyTorch"
        raise ValueError(f"no released optimizer '{name}' of {code}; known: Adam, and PyTorch's AdamW and SGD")
    if "classifier_weight_decay" in config:
        base = _last_layer_apart(base, model, float(config["classifier_weight_decay"]))
    rho = float(config.get("sam_rho") or 0.0)
    if "sharpness" in config:
        return _around(base, model, config)
    return SAM(base, rho) if rho else base


def _last_layer_apart(base: torch.optim.Optimizer, model: nn.Module, decay: float) -> torch.optim.Optimizer:
    """The same optimizer, in which the parameters of `classifier` have a weight decay of their own."""
    (group,) = base.param_groups
    named = dict(model.named_parameters())
    last = [p for name, p in named.items() if name.startswith("classifier.")]
    group["params"] = [p for name, p in named.items() if not name.startswith("classifier.")]
    base.add_param_group({"params": last, "weight_decay": decay})
    return base


_OF_TORCH: Mapping[str, Any] = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW, "SGD": torch.optim.SGD}


def _around(base: torch.optim.Optimizer, model: nn.Module, config: Mapping[str, Any]) -> SAM:
    """What a config's `sharpness` names: `sam`, `asam` (the authors'), `asam_all` (davda54's), `gsam`, `fsam`.

    As the released optimizers do when they are called: GSAM alone sees to it that running statistics move once a step; it
    has its schedules as in the loop that its read-me prescribes. Raises ValueError for another name or a missing value.
    """
    kind = str(config["sharpness"])
    needed = {"gsam": ("rho_max", "rho_min", "alpha", "schedule", "total_steps", "lr_min")}.get(kind, ("rho",))
    if missing := [name for name in needed if name not in config]:
        raise ValueError(f"the released config of {kind} lacks {', '.join(missing)}")
    if kind == "sam":
        return SAM(base, float(config["rho"]))
    if kind == "asam":
        return ASAM(base, model, float(config["rho"]), float(config.get("eta", 0.01)), twice=True)
    if kind == "asam_all":
        return ASAMAll(base, float(config["rho"]))
    if kind == "fsam":
        return FSAM(base, float(config["rho"]), float(config.get("sigma", 1.0)), float(config.get("lambda", 0.95)))
    if kind == "gsam":
        total, falling = int(config["total_steps"]), config["schedule"]
        rates = Schedule(falling, total, float(config["lr"]), float(config["lr_min"]))
        radii = Schedule(falling, total, float(config["rho_max"]), float(config["rho_min"]))
        adaptive: Any = "released" if config.get("adaptive") else "no"
        return ScheduledGSAM(base, rates, radii, float(config["alpha"]), late=True, adaptive=adaptive, model=model)
    raise ValueError(f"no released method '{kind}'; known: sam, asam, asam_all, gsam, fsam")


def _config(config: Any) -> dict[str, Any]:
    """A config as a dictionary, from JSON text, a 0-d array of it, or a mapping."""
    if isinstance(config, Mapping):
        return dict(config)
    text = config.item() if isinstance(config, np.ndarray) and config.ndim == 0 else config
    try:
        parsed = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the released config is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise ValueError("the released config is not a JSON object")
    return parsed


def _variant(config: Mapping[str, Any]) -> str:
    """The first word of the config's variant."""
    words = re.findall(r"\w+", str(config.get("variant") or "pytorch"))
    return words[0].lower() if words else "pytorch"


def _released(config: Mapping[str, Any]) -> Released:
    key = str(config.get("model")), _variant(config)
    if key not in RELEASED:
        known = ", ".join(f"{model} ({variant})" for model, variant in RELEASED)
        raise ValueError(f"no released model '{key[0]}' ({key[1]}); known: {known}")
    return RELEASED[key]


def _to_ours(name: str, array: Array, target: Tensor, keras: bool) -> Tensor:
    """A released array in the layout of our tensor. Raises ValueError if its shape is another one."""
    shape = tuple(target.shape)[::-1] if keras else tuple(target.shape)
    if [n for n in array.shape if n != 1] != [n for n in shape if n != 1]:
        raise ValueError(f"the released parameter '{name}' has shape {array.shape}, not {shape}")
    tensor = torch.from_numpy(np.array(array).reshape(shape))
    return tensor.permute(*reversed(range(tensor.ndim))) if keras else tensor
