"""In what precision a model computes."""

from __future__ import annotations

import torch

from benchmark.config.recipe import Setting


def autocast(setting: Setting, device: torch.device) -> torch.autocast:
    """The context in which a model computes: bfloat16 where the recipe has it and the device is CUDA, else as it stands."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16(setting, device))


def bfloat16(setting: Setting, device: torch.device) -> bool:
    """Whether the model computes in bfloat16."""
    return setting.precision == "bfloat16_on_cuda" and device.type == "cuda"
