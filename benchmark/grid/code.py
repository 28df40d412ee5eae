"""Which sources of ours a cell's number depends on, and whether a Result was made by others. Nothing of it enters a digest.

The sources are `cell.py`, the problem of the cell's workload and the model's file, and whatever these import, from one to
the next, of the models, the training, the problems and the data. A source counts by the SHA-256 of its syntax tree without
texts that stand alone (docstrings): comments, layout and documentation change nothing, and all Pythons have the same.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from baselines import MODELS
from benchmark.config.recipe import Recipe
from benchmark.data.files import user_cache
from benchmark.errors import counted, either
from benchmark.files import write_atomically
from benchmark.grid.cells import Planned, by_digest
from benchmark.machine import CODE
from benchmark.store.store import Store

ROOMS = ("baselines/", "benchmark/training/", "benchmark/problems/", "benchmark/data/")
"""Where imports are followed."""
TOLD_OTHERWISE = {
    "baselines/__init__.py", "baselines/arguments.py", "baselines/own.py", "benchmark/data/__init__.py",
    "benchmark/data/registry.py", "benchmark/data/files.py", "benchmark/data/cache.py",
}  # fmt: skip
"""Of these rooms, what says which models, arguments, data sets and files there are: the digest has what of it counts."""
SAME = Path(__file__).with_name("same_code.json")
"""Codes that gave the same numbers, as `tools/same_code.py` found: a list of pairs of identities."""
Code = Mapping[str, str]
"""By source (its path in the checkout), its SHA-256."""


def tree_sha256(text: str) -> str:
    """The SHA-256 of a source's syntax tree without texts that stand alone."""
    return hashlib.sha256(json.dumps(_form(ast.parse(text))).encode()).hexdigest()


def _form(node: object) -> Any:
    """A node as plain lists; what is empty is left out, since the Pythons differ in it."""
    if isinstance(node, ast.JoinedStr):
        node = ast.JoinedStr([each for each in node.values if not _is_nothing(each)])
    if isinstance(node, ast.AST):
        parts = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return [
            type(node).__name__,
            *([name, _form(value)] for name, value in parts if name not in ("kind", "type_comment")),
        ]
    if isinstance(node, list):
        return [_form(each) for each in node if not _is_text(each)]
    return ascii(node)


def _is_nothing(node: object) -> bool:
    """An empty piece of an f-string, which one Python has where another has none."""
    return isinstance(node, ast.Constant) and node.value == ""


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(text: str, root: Path) -> Iterator[str]:
    """The sources of a checkout that a source imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = name.replace(".", "/")
            yield from (each for each in (f"{path}.py", f"{path}/__init__.py") if (root / each).is_file())


class Sources:
    """The sources of a checkout: of each, its hash and what it imports, remembered by path, size and time of change.

    The memory is a cache: where it cannot be read or written, sources are read anew and nothing else happens.
    """

    def __init__(self, root: Path = CODE, folder: Path | None = None) -> None:
        self.root = root
        self._file = (folder or user_cache()) / "sources.json"
        self._known: dict[str, Any] = {}
        self._found: dict[str, tuple[str, list[str]]] = {}
        self._changed = False
        with suppress(OSError, ValueError):
            known = json.loads(self._file.read_text("utf-8"))
            self._known = known if isinstance(known, dict) else {}

    def reached(self, *sources: str) -> dict[str, str]:
        """The hashes of some sources and of all that they lead to, by path."""
        found: dict[str, str] = {}
        open_ = list(sources)
        while open_:
            source = open_.pop()
            if source not in found and (self.root / source).is_file():
                found[source], imported = self._of(source)
                open_ += [each for each in imported if each.startswith(ROOMS) and each not in TOLD_OTHERWISE]
        if self._changed:
            self._changed = False
            with suppress(OSError):
                write_atomically(self._file, json.dumps(self._known))
        return dict(sorted(found.items()))

    def _of(self, source: str) -> tuple[str, list[str]]:
        if source not in self._found:
            path = self.root / source
            stat = path.stat()
            key, stamp = str(path), [stat.st_size, stat.st_mtime_ns, VERSION]
            match self._known.get(key):
                case [known, str(sha256), list(imported)] if known == stamp:
                    pass
                case _:
                    text = path.read_text("utf-8")
                    sha256, imported = tree_sha256(text), sorted(set(_imports(text, self.root)))
                    self._known[key] = [stamp, sha256, imported]
                    self._changed = True
            self._found[source] = sha256, imported
        return self._found[source]


VERSION = 1
"""Of the rule above: what was remembered under another is found anew."""


@cache
def _sources() -> Sources:
    return Sources()


def code_of(recipe: Recipe) -> Code:
    """The sources that a cell's number depends on, as they are today; none for a model that there is not."""
    return _code_of(recipe.workload, recipe.model if recipe.source is None else None)


@cache
def _code_of(workload: str, model: str | None) -> Code:
    """model: None for one of the user's own, whose source stands in the digest."""
    info = MODELS.get(model) if model is not None else None
    if info is None and model is not None:
        return {}
    of_model = (
        "baselines/plain.py" if info is None else f"baselines/{info.module}.py" if info.file is None else str(info.file)
    )
    return _sources().reached("benchmark/cell.py", f"benchmark/problems/{workload}.py", of_model)


def identity(code: Code) -> str:
    """What stands for a code as a whole: the first 16 letters of the SHA-256 of its sorted JSON."""
    return hashlib.sha256(json.dumps(dict(code), sort_keys=True).encode()).hexdigest()[:16]


def canonical(code: Code) -> str | None:
    """One identity for all codes that are known to give the same numbers; None where the code is not known."""
    if not code:
        return None
    own, same = identity(code), _same()
    return min((each for each, group in same.items() if group == same.get(own)), default=own)


@cache
def _same() -> Mapping[str, int]:
    """By identity, a number that codes with the same numbers share."""
    group: dict[str, int] = {}
    for number, (one, other) in enumerate(json.loads(SAME.read_text("utf-8"))):
        first, second = group.setdefault(one, number), group.setdefault(other, number)
        group = {each: first if known == second else known for each, known in group.items()}
    return group


def changed(made_by: Code, today: Code) -> tuple[str, ...]:
    """The sources in which the code of a Result is another one than today's; none where nothing is known of either, or
    where the two are known to give the same numbers."""
    if not made_by or not today or made_by == today:
        return ()
    one, other = _same().get(identity(made_by)), _same().get(identity(today))
    if one is not None and one == other:
        return ()
    return tuple(sorted(p for p in made_by.keys() | today.keys() if made_by.get(p) != today.get(p)))


def made_otherwise(cells: Sequence[Planned], store: Store) -> dict[str, tuple[str, ...]]:
    """By digest, those of the cells whose Result other code has made, with the sources in which it differs.

    Of the Results that the store has looked at: `listing.statuses` comes before.
    """
    found: dict[str, tuple[str, ...]] = {}
    known: dict[tuple[int, int], tuple[str, ...]] = {}
    for digest, planned in by_digest(cells).items():
        made_by = store.code.get(digest)
        if made_by and planned.recipe is not None:
            today = code_of(planned.recipe)
            pair = id(made_by), id(today)  # the store and `code_of` have one object for each code
            if pair not in known:
                known[pair] = changed(made_by, today)
            if known[pair]:
                found[digest] = known[pair]
    return found


MOST_NAMED = 3


def note(otherwise: Mapping[str, tuple[str, ...]]) -> str | None:
    """One sentence on Results of other code; None where there are none."""
    if not otherwise:
        return None
    counts = Counter(source for sources in otherwise.values() for source in sources)
    some = [source for source, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST_NAMED]]
    more = f" and {len(counts) - MOST_NAMED} more" if len(counts) > MOST_NAMED else ""
    what = f"{counted(len(otherwise), 'Result')} {either(len(otherwise), 'was', 'were')}"
    return f"{what} made by other code ({', '.join(some)}{more}); --retry stale runs such cells again"
