"""The files of a model of the user's own: found from the YAML's folder by their imports, and read, not run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from baselines.own import Module

OTHERS = frozenset({*sys.stdlib_module_names, "torch", "numpy", "pandas", "baselines", "benchmark", "tables"})
"""Names of modules that are never looked for in a folder of the user's."""


def tree_of(module: Module) -> ast.Module:
    """Its syntax tree. Raises ValueError (file, line, what is wrong) for what is no Python."""
    try:
        return ast.parse(module.content)
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"{Path(module.path).name}{line}: not Python: {what}") from None


def find(name: str, folders: Sequence[Path]) -> Module | None:
    """The module of a dotted name in one of the folders; a folder without ``__init__.py`` counts as an empty package."""
    if name.partition(".")[0] in OTHERS:
        return None
    for folder in folders:
        place = folder.joinpath(*name.split("."))
        for path, is_package in ((place / "__init__.py", True), (place.with_suffix(".py"), False)):
            if path.is_file():
                return Module(name, str(path), path.read_bytes(), is_package)
        if place.is_dir() and any(place.glob("*.py")):
            return Module(name, str(place / "__init__.py"), b"", True)
    return None


def imported(module: Module) -> Iterator[str]:
    """The dotted names that a module imports, anywhere in it, packages before what is in them.

    Raises ValueError for a relative import of a file that belongs to no package.
    """
    for node in ast.walk(tree_of(module)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The full name of the module that ``from X import …`` names in a module. Raises ValueError, as `imported`."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    up = node.level - module.is_package
    if up >= len(parts):
        raise ValueError(
            f"{Path(module.path).name}:{node.lineno}: a relative import in a file that is in no package; import it by its "
            "name, or write 'import: package.module:Class' in place of 'file'"
        )
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def collect(main: Module, folders: Sequence[Path]) -> tuple[Module, ...]:
    """A module, the packages around it, and whatever they import from the folders, in the order of their names."""
    found = {main.name: main}
    parts = main.name.split(".")
    open_ = [".".join(parts[:count]) for count in range(1, len(parts))] + list(imported(main))
    while open_:
        name = open_.pop()
        if name not in found and (module := find(name, folders)) is not None:
            found[name] = module
            open_ += imported(module)
    return tuple(found[name] for name in sorted(found))
