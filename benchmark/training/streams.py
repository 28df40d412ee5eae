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
