"""A cell's digest: everything that can change its Result, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from benchmark.config.recipe import Recipe
from benchmark.data.registry import DataSet
from benchmark.errors import counted, either
from benchmark.workloads import WORKLOADS

TRAINING_SEMANTICS = 3
"""Version of what a recipe means. A change that alters a trained number raises it; `tests/test_training.py` holds a
frozen training run against it, so that it cannot be forgotten."""


class Digester:
    """The digests of the cells that differ in their seed alone: they share all but the last bytes of what is hashed."""

    def __init__(self, recipe: Recipe, dataset: DataSet, horizon: int, profile: str, data_sha256: str) -> None:
        material = {
            "data_sha256": data_sha256,
            "dataset": dataset.identity(),
            "horizon": horizon,
            "profile": dict(WORKLOADS[recipe.workload].profiles[profile]),
            "recipe": recipe.plain(),
            "semantics": 0,
            "switches": sorted(recipe.switches),
        }
        head, self._tail = json.dumps(material, sort_keys=True).split('"semantics": 0')
        self._head = hashlib.sha256((head + '"seed": ').encode())

    def of(self, seed: int, semantics: int | None = None) -> str:
        """SHA-256 of the sorted JSON of the material and the seed. `semantics`: of an earlier version; None: today's."""
        state = self._head.copy()
        state.update(f'{seed}, "semantics": {semantics or TRAINING_SEMANTICS}{self._tail}'.encode())
        return state.hexdigest()

    def earlier(self, seed: int) -> dict[str, int]:
        """The digests under earlier training semantics, with their version."""
        return {self.of(seed, version): version for version in range(1, TRAINING_SEMANTICS)}


def semantics_note(counts: Mapping[int, int]) -> str | None:
    """`counts`: Results by the version of the training semantics that they were made under."""
    said = ", ".join(f"{counted(n, 'Result')} of semantics {version}" for version, n in sorted(counts.items()) if n)
    left = either(sum(counts.values()), "is", "are")
    return f"{said} {left} left out: the training semantics are {TRAINING_SEMANTICS} now" if said else None
