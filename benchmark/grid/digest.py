"""A cell's digest: everything that can change its Result, and nothing else."""

from __future__ import annotations

import hashlib
import json

from benchmark.config.recipe import Resolved
from benchmark.config.resolve import PROFILES
from benchmark.data.registry import DataSet

TRAINING_SEMANTICS = 2
"""Version of what a recipe means. A change that alters a trained number raises it; `tests/test_training.py` holds a
frozen training run against it, so that it cannot be forgotten."""


class _Digester:
    """Digests of the cells that differ in their seed alone share all but the last bytes of what is hashed."""

    def __init__(self, recipe: Resolved, dataset: DataSet, horizon: int, profile: str, data_sha256: str) -> None:
        material = {
            "data_sha256": data_sha256,
            "dataset": dataset.identity(),
            "horizon": horizon,
            "profile": PROFILES[profile],
            "recipe": recipe.plain(),
            "semantics": TRAINING_SEMANTICS,
            "switches": sorted(recipe.switches),
        }
        text = json.dumps(material, sort_keys=True)
        split = text.index('"semantics": ')
        self._head = hashlib.sha256((text[:split] + '"seed": ').encode())
        self._tail = (", " + text[split:]).encode()

    def of(self, seed: int) -> str:
        """SHA-256 of the sorted JSON of the material and the seed."""
        state = self._head.copy()
        state.update(str(seed).encode() + self._tail)
        return state.hexdigest()
