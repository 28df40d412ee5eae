"""On PYTHONPATH, this gives every Python process the models of `misbehaving.py` beside the suite's own.

So a test's cells can go wrong in every way there is, in an ordinary invocation and in its workers. With $LANES, these are
lanes of one process. And what lies below $HIDDEN_FOLDER cannot be opened, as if the process were on another machine.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType


class Finder(importlib.abc.MetaPathFinder):
    """Lets `baselines` register one more model, and finds its module beside this file."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "baselines.misbehaving":
            return importlib.util.spec_from_file_location(name, Path(__file__).with_name("misbehaving.py"))
        if name not in ("baselines", "benchmark.runner.pool"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = Registering(spec.loader)
        return spec


class Registering(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader) -> None:
        self.inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.inner.exec_module(module)
        if module.__name__ == "benchmark.runner.pool":
            lay_lanes(module)
            return
        module.__dict__["MODELS"]["misbehaving"] = module.__dict__["ModelInfo"](
            "misbehaving", "misbehaving", "Misbehaving", file=Path(__file__).with_name("misbehaving.py")
        )


def lay_lanes(pool: ModuleType) -> None:
    """With $LANES, jobs are trained in so many lanes of one process, as on a CUDA device."""
    if lanes := int(os.environ.get("LANES", "0")):

        def pool_here(
            device: str, stacked: bool, asked: int, needed: object, folder: Path, also: Sequence[object]
        ) -> object:
            from benchmark.runner.lanes import LanePool

            return LanePool(lanes, folder, also)

        pool.pool_here = pool_here  # type: ignore[attr-defined]


sys.meta_path.insert(0, Finder())


def hide(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and str(arguments[0]).startswith(HIDDEN):
        raise FileNotFoundError(2, "on another machine", str(arguments[0]))


HIDDEN = os.environ.get("HIDDEN_FOLDER", "")
if HIDDEN:
    sys.addaudithook(hide)
