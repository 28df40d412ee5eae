"""The harness: recipes, grid, data, training, evaluation, store and runner. It imports neither torch nor mlflow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.load import load as load

__version__ = "0.1.0"

_LATE = ("load",)
"""Names that a user imports, each of a file of its own, which is imported with the first use."""


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
