"""The harness: recipes, grid, data, training, evaluation, store and runner. It imports neither torch nor mlflow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.load import load as load
    from benchmark.suite import Suite as Suite

__version__ = "0.1.0"

_LATE = {"load": "load", "Suite": "suite"}
"""Names that a user imports, each with its file, which is imported with the first use."""


def __getattr__(name: str) -> Any:
    if name in _LATE:
        found = import_module(f"{__name__}.{_LATE[name]}")
        return found if _LATE[name] == name else getattr(found, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
