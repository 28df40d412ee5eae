"""``models: {NAME: {file: …, class: …, arguments: …}}`` in a file given with `--config`, each read and none of them run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from baselines import MODELS
from baselines.own import Module, Source, installed
from benchmark.config.models.signature import Signature, read
from benchmark.config.models.source import OTHERS, collect, find
from benchmark.config.paper import Value
from benchmark.config.values import Reader
from benchmark.config.yamlfile import Section, load

KEYS = ("file", "import", "class", "arguments")


@dataclass(frozen=True)
class OwnModel:
    """A model of the user's own. section: its place in the YAML. given: the arguments that its entry gives."""

    name: str
    signature: Signature
    section: Section
    given: Section | None = None

    def values(self, reader: Reader) -> dict[str, Value]:
        """The arguments that its entry gives. Raises UsageError for one that it does not take, or not so."""
        of_user = Reader(reader.datasets, reader.workload, overriding=True)
        of_user.columns = reader.columns
        return of_user.arguments(self.given, self.signature) if self.given is not None else {}


def load_models(paths: Sequence[Path]) -> dict[str, OwnModel]:
    """Every model that the user's files define, by name.

    Raises UsageError (file, line, what was expected) for anything that is not as it should be.
    """
    found: dict[str, OwnModel] = {}
    for path in paths:
        root = load(path)
        if not isinstance(root.data, dict) or "models" not in root.data:
            continue
        for name, section in root.mapping().children()["models"].named().items():
            if name in MODELS or name in found:
                raise section.fail(f"the name '{name}' is taken; choose another")
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", name):
                raise section.fail("expected a name of letters, digits, '-' and '_'")
            found[name] = _model(name, section, path.absolute().parent)
    return found


def _model(name: str, section: Section, folder: Path) -> OwnModel:
    part = section.known(KEYS)
    if ("file" in part) == ("import" in part):
        raise section.fail("expected either 'file' with 'class', or 'import: package.module:Class'")
    place = part["file"] if "file" in part else part["import"]
    try:
        signature = _of_file(section, part, folder) if "file" in part else _of_import(part, folder)
    except (ValueError, OSError) as error:
        raise place.fail(str(error)) from None
    return OwnModel(name, signature, section, part.get("arguments"))


def _of_file(section: Section, part: Mapping[str, Section], folder: Path) -> Signature:
    if "class" not in part:
        raise section.fail("'class' is missing: the name of the model's class in its file")
    cls = str(part["class"].of(str, "the name of a class"))
    path = (folder / str(part["file"].of(str, "a path"))).resolve()
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give the path of a Python file, relative to this one")
    name = path.stem if path.stem.isidentifier() and path.stem not in OTHERS else "own_model"
    main = Module(name, str(path), path.read_bytes())
    folders = (path.parent, folder)
    return _read(Source(name, cls), main, folders)


def _of_import(part: Mapping[str, Section], folder: Path) -> Signature:
    text = str(part["import"].of(str, "an import path"))
    if "class" in part:
        raise part["class"].fail("'import' names the class by itself: 'import: package.module:Class'")
    found = re.fullmatch(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)", text)
    if found is None:
        raise ValueError(f"expected package.module:Class, found '{text}'")
    name, cls = found[1], found[2]
    top = name.partition(".")[0]
    beside = find(name, (folder,))
    if beside is not None:
        return _read(Source(name, cls), beside, (folder,))
    there = installed(top)
    if there is None:
        raise ValueError(f"no module '{name}': it is neither in {folder} nor installed here")
    package, place = there
    main = _installed_module(name, place)
    if main is None:
        raise ValueError(f"the package {package.name} {package.version} has no module '{name}'")
    return read(Source(name, cls, package=package), partial(_installed_module, place=place))


def _installed_module(name: str, place: Path) -> Module | None:
    """A module of an installed package (or of the one file that it is)."""
    top, _, rest = name.partition(".")
    if place.is_file():
        return Module(name, str(place), place.read_bytes()) if not rest and place.stem == top else None
    if top != place.name:
        return None
    inner = place.joinpath(*rest.split(".")) if rest else place
    for path, is_package in ((inner / "__init__.py", True), (inner.with_suffix(".py"), False)):
        if path.is_file():
            return Module(name, str(path), path.read_bytes(), is_package)
    return None


def _read(source: Source, main: Module, folders: Sequence[Path]) -> Signature:
    modules = collect(main, folders)
    by_name = {module.name: module for module in modules}
    return read(replace(source, modules=modules), by_name.get)
