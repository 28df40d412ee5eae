"""``paper_configs/*.yaml`` → papers: a grid, recipes by column, switches; strict, every value with source and status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

import baselines
from benchmark.errors import UsageError, nearest
from benchmark.paper import DIMENSIONS, OTHERWISE, Block, Column, Paper, Printed, Switch, Value
from benchmark.recipe import STATUSES, Recipe
from benchmark.yamlfile import Section, load

CONFIG_DIR = Path(__file__).resolve().parent.parent / "paper_configs"
CLAIMS = CONFIG_DIR / "claims.yaml"
"""Beside the papers, and none: `tables.claims` reads it."""


@cache
def _adapter(field: str) -> TypeAdapter[Any]:
    info = Recipe.model_fields[field]
    kind: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    return TypeAdapter(kind, config=ConfigDict(strict=True))


def _checked(section: Section, field: str | None, value: Any) -> Any:
    """A leaf value, of the type that the recipe's field has (None: a model's argument, any scalar)."""
    if field is None:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise section.fail("expected a number, a word, true, false or null")
    try:
        checked = _adapter(field).validate_python(tuple(value) if isinstance(value, list) else value)
    except ValidationError as error:
        first = error.errors()[0]
        raise section.fail(f"{first['msg'][0].lower()}{first['msg'][1:]}, found {first['input']!r}") from None
    return checked


class _Reader:
    """Parses one paper's YAML; knows the data sets and columns that keys of tables may name."""

    def __init__(self, datasets: tuple[str, ...], overriding: bool = False) -> None:
        self.datasets = datasets
        self.columns: tuple[str, ...] = ()
        self.overriding = overriding

    def value(self, section: Section, field: str | None) -> Value:
        """A block, a list of blocks, or (in an override, whose source is the user's file) a plain value."""
        if isinstance(section.data, list) and section.data and all(isinstance(b, dict) for b in section.data):
            return Value(tuple(self._block(child, field) for child in section.children().values()))
        if not isinstance(section.data, dict):
            if self.overriding:
                line = section.line
                return Value((Block(_checked(section, field, section.data), (), f"{section.file}:{line}", "ours"),))
            raise section.fail("expected {value: …, source: …, status: …}: no number without its source")
        return Value((self._block(section, field),))

    def _block(self, section: Section, field: str | None) -> Block:
        part = section.known(["value", "by", "values", "source", "status", "note"])
        if ("value" in part) == ("values" in part) or ("by" in part) != ("values" in part):
            raise section.fail("expected either 'value', or 'by' with 'values'")
        source, status = self.provenance(section, part)
        if "value" in part:
            return Block(_checked(part["value"], field, part["value"].data), (), source, status)
        names = part["by"].data if isinstance(part["by"].data, list) else [part["by"].data]
        for name in names:
            if name not in DIMENSIONS:
                raise part["by"].fail(f"unknown dimension '{name}'{nearest(str(name), DIMENSIONS)}")
        return Block(self._table(part["values"], list(names), field), tuple(names), source, status)

    def provenance(self, section: Section, part: Mapping[str, Section]) -> tuple[str, str]:
        """`source` and `status` of a block; both have to be there, but in a user's own file (status: ours)."""
        line = section.line
        if self.overriding and "source" not in part and "status" not in part:
            return f"{section.file}:{line}", "ours"
        for key in ("source", "status"):
            if key not in part:
                raise section.fail(f"'{key}' is missing: every value says where it was read")
        status = part["status"].of(str, "a status")
        if status not in STATUSES:
            raise part["status"].fail(f"unknown status '{status}'{nearest(status, STATUSES)}")
        return part["source"].of(str, "a text"), status

    def _table(self, section: Section, names: list[str], field: str | None) -> Any:
        if not names:
            return _checked(section, field, section.data)
        keys: dict[str, tuple[Any, ...]] = {"dataset": self.datasets, "model": self.columns, "sam": (True, False)}
        table = {}
        for key, child in section.mapping().children().items():
            allowed = keys.get(names[0])
            wrong = key not in allowed if allowed else (isinstance(key, bool) or not isinstance(key, int))
            if wrong and key != OTHERWISE:
                raise child.fail(f"unknown {names[0]} '{key}'{nearest(str(key), map(str, allowed or ()))}")
            table[key] = self._table(child, names[1:], field)
        return table

    def values(self, section: Section, fields: tuple[str, ...]) -> dict[str, Value]:
        """The values of a recipe section, by name."""
        return {name: self.value(child, name) for name, child in section.known(fields).items()}


def _arguments(reader: _Reader, section: Section, model: str) -> dict[str, Value]:
    known = baselines.MODELS[model].arguments
    return {name: reader.value(child, None) for name, child in section.known(known).items()}


def _column(reader: _Reader, section: Section, name: str, earlier: Mapping[str, Column]) -> Column:
    part = section.known(["like", "model", "main", "what", "sam", "printed_as", "arguments", "recipe"])
    base: Column | None = None
    if "like" in part:
        like = part["like"].of(str, "a column")
        if like not in earlier:
            raise part["like"].fail(f"no column '{like}' above this one{nearest(like, earlier)}")
        base = earlier[like]
    elif "model" not in part:
        raise section.fail("'model' (or 'like') is missing")
    model = part["model"].of(str, "a model") if "model" in part else base.model if base else ""
    if model not in baselines.MODELS:
        raise part["model"].fail(f"unknown model '{model}'{nearest(model, baselines.MODELS)}")
    own_args = _arguments(reader, part["arguments"], model) if "arguments" in part else {}
    own_recipe = reader.values(part["recipe"], tuple(Recipe.model_fields)) if "recipe" in part else {}
    inherits = base is not None and base.model == model
    return Column(
        name=name,
        model=model,
        main=part["main"].of(bool, "true or false") if "main" in part else False,
        what=part["what"].of(str, "a text") if "what" in part else "",
        sam=part["sam"].of(bool, "true or false") if "sam" in part else base.sam if base else False,
        printed_as=part["printed_as"].of(str, "a text") if "printed_as" in part else None,
        arguments=(dict(base.arguments) if base and inherits else {}) | own_args,
        recipe=(dict(base.recipe) if base else {}) | own_recipe,
    )


def _switch(section: Section, name: str) -> Switch:
    part = section.known(["what", "source", "status", "when", "set"])
    for key in ("what", "source", "status", "set"):
        if key not in part:
            raise section.fail(f"'{key}' is missing")
    return Switch(
        name=name,
        what=part["what"].of(str, "a text"),
        source=part["source"].of(str, "a text"),
        status=part["status"].of(str, "a status"),
        when=_settings(part["when"]) if "when" in part else {},
        sets=_settings(part["set"]),
    )


def _settings(section: Section) -> dict[str, Any]:
    """Recipe fields and ``arguments.NAME`` with their values."""
    settings = {}
    for key, child in section.mapping().children().items():
        name = str(key)
        if name not in (*Recipe.model_fields, "dataset", "model", "sam") and not name.startswith("arguments."):
            raise child.fail(f"unknown recipe value{nearest(name, Recipe.model_fields)}")
        settings[name] = _checked(child, name if name in Recipe.model_fields else None, child.data)
    return settings


def _printed(section: Section) -> Printed:
    part = section.known(["file", "tables", "metrics"])
    for key in ("file", "tables", "metrics"):
        if key not in part:
            raise section.fail(f"'{key}' is missing")
    metrics = part["metrics"].of(list, "a list of metrics")
    for metric in metrics:
        if metric not in ("mse", "mae"):
            raise part["metrics"].fail(f"unknown metric '{metric}'; known: mse, mae")
    file = part["file"].of(str, "a file name")
    if Path(file).name != file:
        raise part["file"].fail("expected the name of a file in paper_configs/published, without a folder")
    tables = part["tables"].of(list, "a list of tables' names")
    return Printed(file, tuple(map(str, tables)), tuple(metrics))


KEYS = ("paper", "title", "venue", "links", "synthetic", "printed", "datasets", "horizons", "seeds", "recipe",
        "columns", "switches", "released")  # fmt: skip


def parse_paper(root: Section, datasets: tuple[str, ...]) -> Paper:
    """One paper's YAML → Paper. `datasets`: every data set that is registered.

    Raises UsageError (file, line, what was expected, the nearest known key) for anything that is not as it should be.
    """
    part = root.known(KEYS)
    for key in ("paper", "title", "datasets", "horizons", "seeds", "recipe", "columns"):
        if key not in part:
            raise root.fail(f"'{key}' is missing")
    name = part["paper"].of(str, "a name")
    if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
        raise part["paper"].fail("expected a name of letters, digits, '-' and '_'")
    reader = _Reader(datasets)
    names = []
    for child in _items(part["datasets"]):
        if child.data not in datasets:
            raise child.fail(f"unknown data set '{child.data}'{nearest(str(child.data), datasets)}")
        names.append(child.data)
    reader.columns = tuple(str(k) for k in part["columns"].mapping().data)
    columns: dict[str, Column] = {}
    for key, child in part["columns"].children().items():
        columns[str(key)] = _column(reader, child, str(key), columns)
    switches = {}
    if "switches" in part:
        switches = {str(k): _switch(c, str(k)) for k, c in part["switches"].mapping().children().items()}
    released = tuple(part["released"].of(list, "a list of switches")) if "released" in part else ()
    for switch in released:
        if switch not in switches:
            raise part["released"].fail(f"unknown switch '{switch}'{nearest(str(switch), switches)}")
    return Paper(
        name=name,
        title=part["title"].of(str, "a text"),
        venue=part["venue"].of(str, "a text") if "venue" in part else "",
        synthetic=part["synthetic"].of(bool, "true or false") if "synthetic" in part else False,
        printed=_printed(part["printed"]) if "printed" in part else None,
        datasets=tuple(names),
        horizons=_list_value(reader, part["horizons"], count=False),
        seeds=_list_value(reader, part["seeds"], count=True),
        recipe=reader.values(part["recipe"], tuple(Recipe.model_fields)),
        columns=columns,
        switches=switches,
        released=released,
    )


def _items(section: Section) -> list[Section]:
    section.of(list, "a list")
    return list(section.children().values())


def _list_value(reader: _Reader, section: Section, *, count: bool) -> Value:
    """Horizons or seeds: a block whose value is a list of whole numbers (or, for seeds, how many)."""
    part = section.known(["value", "by", "values", "source", "status", "note"])
    source, status = reader.provenance(section, part)

    def numbers(leaf: Section) -> Any:
        if count and isinstance(leaf.data, int) and not isinstance(leaf.data, bool) and leaf.data > 0:
            return leaf.data
        least = 0 if count else 1
        leaf.of(list, "a list of whole numbers" + (" or how many" if count else ""))
        if not leaf.data or len(set(map(str, leaf.data))) < len(leaf.data):
            raise leaf.fail(f"expected at least one, none twice, found {leaf.data!r}")
        for item in leaf.data:
            if isinstance(item, bool) or not isinstance(item, int) or item < least:
                raise leaf.fail(f"expected whole numbers from {least}, found {item!r}")
        return tuple(leaf.data)

    if "value" in part:
        return Value((Block(numbers(part["value"]), (), source, status),))
    if count or "values" not in part or part.get("by", section).data != "dataset":
        raise section.fail("expected 'value'" + ("" if count else ", or 'by: dataset' with 'values'"))
    table = {key: numbers(child) for key, child in part["values"].mapping().children().items()}
    for key in table:
        if key not in reader.datasets and key != OTHERWISE:
            raise part["values"].fail(f"unknown data set '{key}'{nearest(str(key), reader.datasets)}")
    return Value((Block(table, ("dataset",), source, status),))


def override(paper: Paper, section: Section, datasets: tuple[str, ...]) -> Paper:
    """A paper with recipe values of the user's own file before its own; they count as `ours`, in every column.

    A plain value is taken everywhere; a table by data set or horizon where it has an entry, else the paper's own value.
    Below `arguments`, a model's argument goes to every column whose model has it.
    """
    reader = _Reader(datasets, overriding=True)
    reader.columns = tuple(paper.columns)
    part = section.known([*Recipe.model_fields, "arguments"])
    values = {name: reader.value(child, name) for name, child in part.items() if name != "arguments"}
    known = {a: None for column in paper.columns.values() for a in baselines.MODELS[column.model].arguments}
    found = part["arguments"].known(known) if "arguments" in part else {}
    arguments = {name: reader.value(child, None) for name, child in found.items()}
    columns = {name: _overridden(column, values, arguments) for name, column in paper.columns.items()}
    own = {name: _before(value, paper.recipe.get(name)) for name, value in values.items()}
    names = (*paper.overridden, *values, *(f"arguments.{name}" for name in arguments))
    return replace(paper, recipe=dict(paper.recipe) | own, columns=columns, overridden=tuple(dict.fromkeys(names)))


def _overridden(column: Column, values: Mapping[str, Value], arguments: Mapping[str, Value]) -> Column:
    taken = [name for name in arguments if name in baselines.MODELS[column.model].arguments]
    return replace(
        column,
        recipe={name: _before(values.get(name), value) for name, value in column.recipe.items()},
        arguments=dict(column.arguments) | {n: _before(arguments[n], column.arguments.get(n)) for n in taken},
    )


def _before(first: Value | None, second: Value | None) -> Value:
    return Value((*(first.blocks if first else ()), *(second.blocks if second else ())))


def load_papers(datasets: tuple[str, ...], own: tuple[Path, ...] = (), folder: Path = CONFIG_DIR) -> dict[str, Paper]:
    """Every paper of ``paper_configs``, then the user's files: a paper of one's own, or ``recipes: {paper: {…}}``.

    Raises UsageError for the first thing that is not as it should be.
    """
    papers: dict[str, Paper] = {}
    for path in sorted(set(folder.glob("*.yaml")) - {CLAIMS}):
        paper = parse_paper(load(path, f"paper_configs/{path.name}"), datasets)
        papers[paper.name] = paper
    for path in own:
        root = load(path)
        if isinstance(root.data, dict) and {"paper", "title", "columns"} & root.data.keys():
            paper = parse_paper(root, datasets)
            if paper.name in papers:
                raise root.fail(f"paper '{paper.name}' exists; to change its recipe write 'recipes: {{{paper.name}: …}}'")
            papers[paper.name] = paper
            continue
        part = root.known(["recipes", "datasets"])  # data sets: see `benchmark.data.own`
        overrides = part["recipes"].mapping().children() if "recipes" in part else {}
        for paper_name, child in ((str(k), c) for k, c in overrides.items()):
            if paper_name not in papers:
                raise child.fail(f"unknown paper '{paper_name}'{nearest(paper_name, papers)}")
            papers[paper_name] = override(papers[paper_name], child.mapping(), datasets)
    if not papers:
        raise UsageError(f"no recipe in {folder}; expected at least one YAML file")
    return papers
