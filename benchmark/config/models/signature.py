"""What a model of the user's own takes and does, read off its syntax tree: constructor, `forward`, bases."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.arguments import KINDS, REQUIRED, SCALAR, SHAPES, Argument, Kind, one_of
from baselines.own import Module, Source
from benchmark.config.models.source import absolute, tree_of
from benchmark.errors import nearest

Find = Callable[[str], Module | None]
"""From a dotted name to the module that has it; None for what is not the user's own."""
WHOLE = Kind("a whole number", lambda value: type(value) is int)
NUMBER = Kind("a number", lambda value: type(value) in (int, float))
TEXT = Kind("a word", lambda value: type(value) is str)
OWN_KINDS: Mapping[str, Kind] = {**KINDS, "int": WHOLE, "float": NUMBER, "str": TEXT}


@dataclass(frozen=True)
class Signature:
    """A model of the user's own as a plan knows it.

    source: its class and files. arguments: those that it takes beside lookback, horizon and channels. takes_any: others,
    too, as far as can be read. closed_form: it is not trained, but has `fit`. partial_targets: its training loss is the MSE
    of its forecast and nothing else.
    """

    source: Source
    arguments: Mapping[str, Argument]
    takes_any: bool = False
    closed_form: bool = False
    partial_targets: bool = True


@dataclass(frozen=True)
class _Class:
    node: ast.ClassDef
    module: Module


def read(source: Source, find: Find) -> Signature:
    """What the class of a source takes. `find`: the modules in which it and its bases may be.

    Raises ValueError, in one sentence, for a class that is not there, cannot be built or has no forecast.
    """
    main = find(source.module)
    assert main is not None
    first = _find_class(main, source.cls, find, set())
    if first is None:
        names = [node.name for node in tree_of(main).body if isinstance(node, ast.ClassDef)]
        raise ValueError(f"{Path(main.path).name} has no class '{source.cls}'{nearest(source.cls, names)}")
    if isinstance(first, str):  # from elsewhere: torch, or another package
        return Signature(source, {}, takes_any=True)
    lineage = list(_lineage(first, find))
    known = [each for each in lineage if isinstance(each, _Class)]
    bases = {each for each in lineage if isinstance(each, str)}
    surely = bases <= {"Module", "Forecaster", "ClosedForm", "ABC"}
    if surely and not bases - {"ABC"}:
        raise ValueError(f"{source.cls} is no torch.nn.Module: neither it nor a base of it is one")
    arguments, takes_any = _constructor(known, surely, source.cls)
    full = bool(bases & _OURS)
    forward = _method(known, "forward")
    if isinstance(forward, ast.FunctionDef):
        _check_forward(forward, source.cls, full)
    elif forward is None and surely:
        raise ValueError(f"{source.cls} has no method forward(x), from windows [B, L, C] to forecasts [B, H, C]")
    own_loss = _method(known, "training_loss") is not None
    partial = _constant(known, "partial_targets") is True if full else not own_loss
    return Signature(source, arguments, takes_any, "ClosedForm" in bases, partial)


def _find_class(module: Module, name: str, find: Find, seen: set[str]) -> _Class | str | None:
    """A class of that name in a module, or where the module has it from; its bare name, where that is nobody's own."""
    seen.add(module.name)
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Class(node, module)
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    other = find(absolute(module, node))
                    inside = _find_class(other, alias.name, find, seen) if other and other.name not in seen else None
                    return inside or _bare(alias.name, absolute(module, node))
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return name
    return None


def _lineage(first: _Class, find: Find, depth: int = 0) -> Iterator[_Class | str]:
    """The class and its bases, each before its own; of those that are nobody's own the bare names."""
    yield first
    for base in first.node.bases:
        where, _, name = ast.unparse(base).rpartition(".")
        name = _bare(name, _meant(where, first.module)) if where else name
        found = _find_class(first.module, name, find, set()) if isinstance(base, ast.Name) else None
        if isinstance(found, _Class) and found.node is not first.node and depth < 50:
            yield from _lineage(found, find, depth + 1)
        else:
            yield found if isinstance(found, str) else name


def _bare(name: str, where: str) -> str:
    """A class's name without where it is from; in full where it is called as one of ours and is none."""
    return f"{where}.{name}" if name in _OURS and where.partition(".")[0] != "baselines" else name


def _meant(where: str, module: Module) -> str:
    """The full name of what a module calls `where`, as far as its imports say."""
    first, dot, rest = where.partition(".")
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = f"{absolute(module, node)}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                if alias.asname == first or (alias.name == first and not alias.asname):
                    return base + alias.name + dot + rest
    return where


def _method(classes: list[_Class], name: str) -> ast.stmt | None:
    """The first definition of that name in some classes: a function, or anything that is assigned."""
    for each in classes:
        for node in each.node.body:
            targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
            if getattr(node, "name", None) == name or any(isinstance(t, ast.Name) and t.id == name for t in targets):
                return node
    return None


def _constant(classes: list[_Class], name: str) -> Any:
    node = _method(classes, name)
    value = getattr(node, "value", None)
    return value.value if isinstance(value, ast.Constant) else None


def _constructor(classes: list[_Class], surely: bool, cls: str) -> tuple[dict[str, Argument], bool]:
    """The arguments of a constructor that is called with keywords, and whether it may take others."""
    found: dict[str, Argument] = {}
    takes: set[str] = set()
    for each in classes:
        init = _method([each], "__init__")
        if init is None and each.node.decorator_list:  # a dataclass writes one
            return found, True
        if init is None:
            continue
        if not isinstance(init, ast.FunctionDef):
            return found, True
        asked = init.args
        if len(asked.posonlyargs) > 1:
            raise ValueError(
                f"{cls}'s constructor takes '{asked.posonlyargs[1].arg}' by its place alone; it is built with keywords"
            )
        tree = tree_of(each.module)
        for argument, default in _parameters(asked):
            takes.add(argument.arg)
            if argument.arg not in SHAPES["forecasting"]:
                found.setdefault(argument.arg, Argument(_kind(argument.annotation, tree), default))
        if asked.kwarg is None:
            return _complete(found, takes, cls), False
    if surely:  # only torch's own constructor is left, which takes nothing
        return _complete(found, takes, cls), False
    return found, True


def _complete(found: dict[str, Argument], takes: set[str], cls: str) -> dict[str, Argument]:
    lacking = [name for name in SHAPES["forecasting"] if name not in takes]
    if lacking:
        raise ValueError(
            f"{cls}'s constructor does not take {', '.join(map(repr, lacking))}; it is built with the keywords lookback, "
            "horizon and channels, beside arguments of its own"
        )
    return found


def _parameters(asked: ast.arguments) -> Iterator[tuple[ast.arg, Any]]:
    """The parameters after `self`, each with its default (`REQUIRED`: none)."""
    positional = [*asked.posonlyargs, *asked.args]
    defaults = [None] * (len(positional) - len(asked.defaults)) + list(asked.defaults)
    pairs = zip([*positional, *asked.kwonlyargs], [*defaults, *asked.kw_defaults], strict=True)
    for argument, node in list(pairs)[1:]:
        yield argument, REQUIRED if node is None else None


_OURS = {"Forecaster", "ClosedForm"}
"""Bases whose forward is called with the marks always."""


def _check_forward(forward: ast.FunctionDef, cls: str, full: bool) -> None:
    positional = [*forward.args.posonlyargs, *forward.args.args]
    needed = [a.arg for a in positional[: len(positional) - len(forward.args.defaults)]][1:]
    needed += [a.arg for a, d in zip(forward.args.kwonlyargs, forward.args.kw_defaults, strict=True) if d is None]
    takes_one = len(positional) > 1 or forward.args.vararg is not None
    if not takes_one or len(needed) > 2 or any(a.arg in needed for a in forward.args.kwonlyargs):
        found = ", ".join(needed) or "nothing"
        raise ValueError(f"{cls}.forward is called as forward(x) or forward(x, marks), and asks for {found}")
    if full and len(positional) < 3 and forward.args.vararg is None:
        raise ValueError(f"{cls}.forward is called with the marks, too, as a Forecaster's: forward(self, x, marks=None)")


def _kind(annotation: ast.expr | None, tree: ast.Module) -> Kind:
    """What an annotation says of a value; any scalar, where it says something else."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return SCALAR
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        sides = [annotation.left, annotation.right]
        kinds = [_kind(side, tree) for side in sides if not (isinstance(side, ast.Constant) and side.value is None)]
        return _or_null(kinds[0]) if len(kinds) == 1 else SCALAR
    if isinstance(annotation, ast.Subscript):
        head = ast.unparse(annotation.value).rpartition(".")[2]
        if head == "Optional":
            return _or_null(_kind(annotation.slice, tree))
        words = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        if head == "Literal" and all(isinstance(w, ast.Constant) and isinstance(w.value, str) for w in words):
            return one_of(tuple(str(w.value) for w in words if isinstance(w, ast.Constant)))
    return OWN_KINDS.get(annotation.id, SCALAR) if isinstance(annotation, ast.Name) else SCALAR


def _or_null(kind: Kind) -> Kind:
    return kind if kind is SCALAR else Kind(f"{kind.what} or null", lambda value: value is None or kind.fits(value))
