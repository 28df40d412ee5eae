"""Models that a user has written: what a worker needs to have one, and how it is loaded there. No torch.

The text of its files travels with the cell, so that every worker on every machine runs what the plan has read, even where
the file has been changed since or cannot be seen. Of an installed package, name, version and checksum travel instead.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Module:
    """One file of a model's own: the name that it is imported by, where it stood, its bytes, whether it is a package's."""

    name: str
    path: str
    content: bytes = field(repr=False)
    is_package: bool = False

    @property
    def sha256(self) -> str:
        """Of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Package:
    """An installed package: its name, its version and one SHA-256 over its Python files."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """A class and the files that it is made by; plain values, so that it travels to any process or machine.

    module, cls: where the class is. modules: the files that are run. package: in their place, the installed one.
    """

    module: str
    cls: str
    modules: tuple[Module, ...] = ()
    package: Package | None = None

    @property
    def name(self) -> str:
        """``module:class``."""
        return f"{self.module}:{self.cls}"

    def identity(self) -> Mapping[str, str]:
        """What of it a Result depends on, as a digest has it: by ``source.MODULE`` the SHA-256."""
        if self.package is not None:
            return {f"source.{self.package.name}": f"{self.package.version} {self.package.sha256}"}
        return {f"source.{module.name}": module.sha256 for module in self.modules}


@cache
def installed(name: str) -> tuple[Package, Path] | None:
    """An installed package of that name, not run, and the folder (or the file) of its code; None where there is none."""
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        return None
    if found is None or (found.origin is None and not found.submodule_search_locations):
        return None
    folders = list(found.submodule_search_locations or ())
    place = Path(folders[0] if folders else str(found.origin))
    total = hashlib.sha256()
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        total.update(f"{path.relative_to(place.parent).as_posix()}\n".encode() + path.read_bytes())
    by = packages_distributions().get(name)
    return Package(name, version(by[0]) if by else "no version", total.hexdigest()), place


class _Finder(MetaPathFinder, Loader):
    """Imports the modules of one model's own; those of another that were imported before are let go of."""

    source: Source | None = None

    def take(self, source: Source) -> None:
        if source != self.source:
            for module in self.source.modules if self.source is not None else ():
                sys.modules.pop(module.name, None)
            self.source = source

    def _of(self, name: str) -> Module | None:
        return next((m for m in self.source.modules if m.name == name), None) if self.source is not None else None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = self._of(fullname)
        if found is None:
            return None
        inner: list[str] | None = [] if found.is_package else None
        return spec_from_file_location(fullname, found.path, loader=self, submodule_search_locations=inner)

    def exec_module(self, module: ModuleType) -> None:
        found = self._of(module.__name__)
        assert found is not None
        exec(compile(found.content, found.path, "exec", dont_inherit=True), module.__dict__)


_finder = _Finder()


def load(source: Source) -> Any:
    """The class, from the files as they travelled. It runs them.

    Raises ImportError where the package is not installed here, or is another one than that of the plan, and for a file
    called as a module that is loaded already, which every import of that name would give; else what the files raise.
    """
    if source.package is not None:
        there = installed(source.package.name)
        if there is None or there[0] != source.package:
            what = "is not installed" if there is None else f"is another one ({there[0].version}, or with other files)"
            wanted = f"{source.package.name} {source.package.version}"
            raise ImportError(f"the package {source.package.name} {what} where the cell is trained; install {wanted} there")
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    _finder.take(source)
    for module in source.modules:
        other = sys.modules.get(module.name)
        place = Path(module.path)
        if other is not None and Path(getattr(other, "__file__", None) or "").resolve() != place.resolve():
            raise ImportError(f"{place.name}: a module '{module.name}' is loaded already; give the file another name")
    return getattr(importlib.import_module(source.module), source.cls)
