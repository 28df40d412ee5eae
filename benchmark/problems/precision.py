"""In what precision a model computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from benchmark.config.recipe import Setting


def autocast(setting: Setting, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which a model computes: bfloat16 where the recipe has it and the device is CUDA, else as it stands."""
    return torch.autocast(device.type, torch.bfloat16) if bfloat16(setting, device) else nullcontext()


def bfloat16(setting: Setting, device: torch.device) -> bool:
    """Whether the model computes in bfloat16."""
    return setting.precision == "bfloat16_on_cuda" and device.type == "cuda"
