"""Which arguments a model takes, of which kind, with which default: read off its constructor, without importing it.

A constructor is the one place where a model's arguments stand. This file reads its syntax tree, so that a plan can check
names and values without torch. Kinds are told by the annotations: `Size`, `Rate`, `Weight`, `bool`, a `Literal` of words
(or its name in the same file); anything else is any scalar.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Size = int
"""Annotation of an argument: a whole number from 1."""
Rate = float
"""Annotation of an argument: a number from 0 to under 1, such as a dropout rate."""
Weight = float
"""Annotation of an argument: a number from 0, such as the weight of a loss's second term."""

SHAPES: Mapping[str, tuple[str, ...]] = {
    "forecasting": ("lookback", "horizon", "channels"),
    "images": ("channels", "size", "classes"),
}
"""By kind of task, what every model for it is built with; its own arguments are the others."""
_SHAPE = frozenset(name for names in SHAPES.values() for name in names)
REQUIRED: Any = object()
"""The default of an argument that has none."""


@dataclass(frozen=True)
class Kind:
    """What an argument's value has to be: in words, and as a test."""

    what: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Argument:
    """One argument of a model: its kind, and its default (`REQUIRED`: none)."""

    kind: Kind
    default: Any = REQUIRED


SCALAR = Kind(
    "a number, a word, true, false or null", lambda value: value is None or type(value) in (bool, int, float, str)
)
KINDS: Mapping[str, Kind] = {
    "Size": Kind("a whole number from 1", lambda value: type(value) is int and value >= 1),
    "Rate": Kind("a number from 0 to under 1", lambda value: type(value) in (int, float) and 0 <= value < 1),
    "Weight": Kind("a number from 0", lambda value: type(value) in (int, float) and 0 <= value < math.inf),
    "bool": Kind("true or false", lambda value: type(value) is bool),
}


def one_of(words: tuple[str, ...]) -> Kind:
    """The kind of a `Literal`."""
    return Kind("one of " + ", ".join(words), lambda value: value in words)


@cache
def arguments_of(path: Path, cls: str) -> Mapping[str, Argument]:
    """The arguments of the class `cls` in a Python file, in the constructor's order.

    A constructor that hands all its keywords on (``**arguments``) has those of its base class, in the same file or in one
    beside it. Raises ValueError where there is no such class, or it has no constructor.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls), None)
    if found is None:
        raise ValueError(f"{path.name} has no class '{cls}'")
    init = next((n for n in found.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if init is None or init.args.kwarg is not None:
        return _of_base(path, tree, found)
    defaults = [None if d is None else _literal(d) for d in init.args.kw_defaults]
    return {
        argument.arg: Argument(_kind(argument.annotation, tree), REQUIRED if node is None else default)
        for argument, node, default in zip(init.args.kwonlyargs, init.args.kw_defaults, defaults, strict=True)
        if argument.arg not in _SHAPE
    }


def _of_base(path: Path, tree: ast.Module, cls: ast.ClassDef) -> Mapping[str, Argument]:
    if not cls.bases or not isinstance(cls.bases[0], ast.Name):
        raise ValueError(f"{path.name}: class '{cls.name}' has no constructor with keyword arguments")
    base = cls.bases[0].id
    return arguments_of(_file_of(path, tree, base), base)


@cache
def attribute_of(path: Path, cls: str, name: str) -> Any:
    """The constant that a class attribute has, in the class `cls` of a Python file or the nearest of its bases there and in
    the files beside it; None where no class says it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls), None)
    if found is None:
        return None
    for node in found.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name and node.value:
            return _literal(node.value)
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return _literal(node.value)
    for base in (b.id for b in found.bases if isinstance(b, ast.Name)):
        said = attribute_of(_file_of(path, tree, base), base, name)
        if said is not None:
            return said
    return None


def _file_of(path: Path, tree: ast.Module, cls: str) -> Path:
    """The file that a name of a class comes from: one beside it, or the same."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == cls for alias in node.names):
            other = path.with_name(node.module.split(".")[-1] + ".py")
            return other if other.is_file() else path
    return path


def _literal(node: ast.expr) -> Any:
    """A default's value. Raises ValueError for one that is no plain constant."""
    return ast.literal_eval(node)


def _kind(annotation: ast.expr | None, tree: ast.Module) -> Kind:
    if isinstance(annotation, ast.BinOp):  # X | None: left out, or an X
        annotation = annotation.left
    if isinstance(annotation, ast.Name) and annotation.id not in KINDS:
        annotation = _assigned(annotation.id, tree)
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
        words = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return one_of(tuple(str(_literal(word)) for word in words))
    return KINDS.get(annotation.id, SCALAR) if isinstance(annotation, ast.Name) else SCALAR


def _assigned(name: str, tree: ast.Module) -> ast.expr | None:
    """What a name of the same file stands for."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return node.value
    return None
