"""YAML with places: every value knows its line, duplicate keys are errors, and ``1e-3`` is a number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmark.errors import UsageError, nearest
from benchmark.files import read


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader (libyaml's, if there), with YAML 1.2's floats: PyYAML reads ``1e-3`` as a string."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)

MAX_BYTES = 4_000_000
MAX_DEPTH = 40


@dataclass(frozen=True)
class Section:
    """One YAML value with the file and line where it stands. Mappings are walked with `children`, lists with `items`."""

    data: Any
    node: yaml.Node
    file: str
    name: str = ""
    key: yaml.Node | None = None

    @property
    def line(self) -> int:
        """Where it stands, from 1: the line of its key, if it has one."""
        return int((self.key or self.node).start_mark.line) + 1

    def fail(self, message: str) -> UsageError:
        """The error for this place: ``file:line: message``, on one line. The caller raises it."""
        text = f"{self.name}: {message}" if self.name else message
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)  # a name may hold a line break
        return UsageError(f"{self.file}:{self.line}: {shown}")

    def mapping(self) -> Section:
        """This section, if it is a mapping; else UsageError."""
        if not isinstance(self.data, dict):
            raise self.fail(f"expected a mapping (key: value), found {_kind(self.data)}")
        return self

    def children(self) -> dict[Any, Section]:
        """The values of a mapping, or of a list by index, each with its own place."""
        if isinstance(self.node, yaml.MappingNode):
            keys = list(self.data)
            return {k: self._child(k, *nodes) for k, nodes in zip(keys, self.node.value, strict=True)}
        if isinstance(self.node, yaml.SequenceNode):
            return {i: Section(self.data[i], n, self.file, self.name) for i, n in enumerate(self.node.value)}
        return {}

    def named(self) -> dict[str, Section]:
        """The children of a mapping whose keys are names; else UsageError for one that YAML reads as something else: `yes`
        as true, `010` as 8."""
        found = {}
        for key, child in self.mapping().children().items():
            written = child.key.value if isinstance(child.key, yaml.ScalarNode) else str(key)
            if str(key) != written:
                place = Section(child.data, child.node, self.file, self.name, child.key)
                raise place.fail(f"expected a name, found {written}, which YAML reads as {key!r}; put it in quotes")
            found[written] = child
        return found

    def _child(self, key: Any, key_node: yaml.Node, node: yaml.Node) -> Section:
        name = f"{self.name}.{key}" if self.name else str(key)
        return Section(self.data[key], node, self.file, name, key_node)

    def known(self, keys: Iterable[str]) -> dict[str, Section]:
        """The children of a mapping whose keys are all among `keys`; else UsageError that names the nearest one."""
        allowed = list(keys)
        children = self.mapping().children()
        for key, child in children.items():
            if key not in allowed:
                raise Section(child.data, child.node, self.file, self.name, child.key).fail(
                    f"unknown key '{key}'{nearest(str(key), allowed)}"
                )
        return {str(key): child for key, child in children.items()}

    def of(self, kind: type | tuple[type, ...], what: str) -> Any:
        """The plain value, if it is a `kind` (a bool is not an int); else UsageError that says `what` was expected."""
        wrong_bool = isinstance(self.data, bool) and kind is not bool
        if wrong_bool or not isinstance(self.data, kind):
            raise self.fail(f"expected {what}, found {_kind(self.data)}")
        return self.data

    def items(self, what: str = "a list") -> list[Section]:
        """The members of a list, each with its own place; else UsageError that says `what` was expected."""
        self.of(list, what)
        return list(self.children().values())

    def one_of(self, known: Iterable[str] | None, what: str) -> str:
        """A text that is among `known` (None: any text); else UsageError that names the nearest one."""
        word = str(self.of(str, f"a {what}"))
        if known is not None and word not in (names := list(known)):
            raise self.fail(f"unknown {what} '{word}'{nearest(word, names)}")
        return word


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def load(path: Path, label: str | None = None) -> Section:
    """Reads one YAML document.

    Raises UsageError, one sentence with file and line, for a file that cannot be read, is not UTF-8, is no YAML,
    holds tags (no objects are ever built), aliases, a duplicate key, or more than 4 MB.
    """
    name = label or str(path)
    try:
        raw = read(path)
    except OSError as error:
        raise UsageError(f"{name}: cannot be read ({error.strerror}); give the path of a YAML file") from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{name}: {len(raw):,} bytes; a configuration file has at most {MAX_BYTES:,}")
    try:
        loader = _Loader(raw.decode("utf-8"))
        node = loader.get_single_node()
        if node is None:
            raise UsageError(f"{name}: the file is empty; expected a mapping (key: value)")
        _check(node, name, 0, set())
        data = loader.construct_document(node)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 text (byte {error.start}); save the file as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{name}{line}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not valid YAML: {' '.join(str(error).split())[:200]}") from None
    return Section(data, node, name)


def _check(node: yaml.Node, name: str, depth: int, visited: set[int]) -> None:
    """What PyYAML lets pass and a recipe must not have: duplicate keys (the last would win), aliases, depth."""
    line = node.start_mark.line + 1
    if id(node) in visited:
        raise UsageError(f"{name}:{line}: anchors and aliases (&, *) are not supported; write the value out")
    visited.add(id(node))
    if depth > MAX_DEPTH:
        raise UsageError(f"{name}:{line}: nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UsageError(f"{name}:{key.start_mark.line + 1}: a key has to be a word or a number")
            if key.value in seen:
                raise UsageError(f"{name}:{key.start_mark.line + 1}: key '{key.value}' stands twice; remove one")
            if key.value == "<<":
                raise UsageError(f"{name}:{key.start_mark.line + 1}: merge keys (<<) are not supported; use 'like'")
            seen.add(key.value)
            _check(value, name, depth + 1, visited)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check(value, name, depth + 1, visited)
