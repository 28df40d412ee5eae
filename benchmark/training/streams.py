"""Randomness with owners: every stream of a cell has a seed of its own, made from the cell's seed and its name."""

from __future__ import annotations

import hashlib

import torch


def stream_seed(seed: int, stream: str) -> int:
    """A 63-bit seed for one stream (`order`, `initialisation`, `training`) of a cell."""
    return int.from_bytes(hashlib.sha256(f"{stream}:{seed}".encode()).digest()[:8], "big") >> 1


def generator(seed: int, stream: str) -> torch.Generator:
    """A generator of a stream's own, on the CPU whatever the training's device, so that orders agree everywhere."""
    return torch.Generator().manual_seed(stream_seed(seed, stream))


def seed_default(seed: int, stream: str) -> None:
    """Seeds torch's default generators (initialisers and dropout draw from them)."""
    torch.manual_seed(stream_seed(seed, stream))


def default_generators(device: torch.device) -> list[torch.Generator]:
    """Torch's default ones, the CPU's and that of a CUDA device."""
    return [torch.default_generator, *([torch.cuda.default_generators[_index(device)]] if device.type == "cuda" else ())]


def own_generators(device: torch.device, seed: int, stream: str) -> list[torch.Generator]:
    """A stream's own in place of the default ones; each draws what the default one would draw after `seed_default`."""
    devices = [torch.device("cpu"), *([device] if device.type == "cuda" else ())]
    return [torch.Generator(each).manual_seed(stream_seed(seed, stream)) for each in devices]


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
