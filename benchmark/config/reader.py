"""``paper_configs/*.yaml`` → papers: a grid, recipes by column, switches; strict, every value with source and status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import baselines
from baselines.arguments import REQUIRED
from benchmark.config.models.own import OwnModel
from benchmark.config.paper import (
    HORIZONS,
    LAST,
    OTHERWISE,
    Block,
    Column,
    Last,
    Layout,
    Paper,
    Printed,
    Switch,
    Value,
)
from benchmark.config.values import Reader, checked, recipe_fields
from benchmark.config.yamlfile import Section
from benchmark.errors import nearest
from benchmark.workloads import DECIDING, FORECASTING, WORKLOADS

CONFIG_DIR = Path(__file__).resolve().parents[2] / "paper_configs"
CLAIMS = CONFIG_DIR / "claims.yaml"
"""Beside the papers, and none: `tables.claims.reader` reads it."""


NO_HORIZONS = Value((Block((0,), (), "its task has none", "ours"),))
"""Of a paper whose task has no horizon: one, which stands nowhere."""


def column_of(reader: Reader, section: Section, name: str, earlier: Mapping[str, Column]) -> Column:
    """A column of a paper. Raises UsageError for one that is not as it should be. earlier: those that it may be `like`."""
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
    own = reader.models.get(model)
    if own is None and model not in baselines.MODELS:
        known = (*baselines.MODELS, *reader.models)
        raise part["model"].fail(f"unknown model '{model}'{nearest(model, known)}")
    if own is not None and reader.workload != FORECASTING.name:
        raise section.fail(f"a model of your own forecasts; the task of this paper is {reader.workload}")
    info = own.signature if own is not None else baselines.MODELS[model]
    if own is None and baselines.MODELS[model].task != reader.workload:
        raise section.fail(f"{model} is a model for {baselines.MODELS[model].task}; this paper's task is {reader.workload}")
    of_model = own.values(reader) if own is not None else {}
    own_args = reader.arguments(part["arguments"], info) if "arguments" in part else {}
    own_recipe = reader.recipe(part["recipe"]) if "recipe" in part else {}
    inherited = {k: v for k, v in base.arguments.items() if k in info.arguments} if base else {}
    arguments = of_model | inherited | own_args
    lacking = [name for name, each in info.arguments.items() if each.default is REQUIRED and name not in arguments]
    if lacking and (own is not None or reader.overriding):
        raise section.fail(f"{model} needs {', '.join(lacking)}; say it under 'arguments'")
    of_base = base is not None and (own is None or base.model == model) and base.sam
    return Column(
        name=name,
        model=model,
        main=part["main"].of(bool, "true or false") if "main" in part else own is not None or reader.overriding,
        what=part["what"].of(str, "a text") if "what" in part else "",
        sam=part["sam"].of(bool, "true or false") if "sam" in part else of_base,
        printed_as=part["printed_as"].of(str, "a text") if "printed_as" in part else None,
        arguments=arguments,
        recipe=(dict(base.recipe) if base else {}) | own_recipe,
        own=own.signature if own is not None else None,
    )


def _switch(reader: Reader, section: Section, name: str) -> Switch:
    part = section.known(["what", "source", "status", "when", "set"])
    for key in ("what", "source", "status", "set"):
        if key not in part:
            raise section.fail(f"'{key}' is missing")
    source, status, workload = part["source"].of(str, "a text"), part["status"].of(str, "a status"), reader.workload
    return Switch(
        name=name,
        what=part["what"].of(str, "a text"),
        source=source,
        status=status,
        when=tuple(_conditions(c, workload) for c in _alternatives(part["when"])) if "when" in part else ({},),
        sets={n: reader.setting(child, field, source, status) for n, field, child in _named(part["set"], workload, ())},
    )


def _alternatives(section: Section) -> list[Section]:
    """One mapping of conditions, or a list of them of which any will do."""
    return list(section.children().values()) if isinstance(section.data, list) and section.data else [section]


def _conditions(section: Section, workload: str) -> dict[str, tuple[Any, ...]]:
    """What a switch asks of a cell's recipe, data set, model or SAM: one value, or a list of which any will do."""
    found = {}
    for name, field, child in _named(section, workload, ("dataset", "model", "sam")):
        leaves = list(child.children().values()) if isinstance(child.data, list) else [child]
        found[name] = tuple(checked(leaf, workload, field, leaf.data) for leaf in leaves)
    return found


def _named(section: Section, workload: str, also: tuple[str, ...]) -> Iterator[tuple[str, str | None, Section]]:
    """The entries of a switch's table: name, the field that `checked` knows, if it is one, the value's section."""
    for key, child in section.mapping().children().items():
        name = str(key)
        arguments = dict.fromkeys(argument for model in baselines.MODELS.values() for argument in model.arguments)
        fields = [*recipe_fields(workload), *(f"arguments.{argument}" for argument in arguments)]
        if name not in (*fields, *also):
            raise child.fail(f"unknown recipe value{nearest(name, [*fields, *also])}")
        yield name, name if name in fields else None, child


def _printed(section: Section, folder: Path | None) -> Printed:
    """folder: that of the user's YAML; its file may lie there, or among those of the suite."""
    part = section.known(["file", "tables", "metrics", *(("other_tables", "other_models", "large") if folder else ())])
    for key in ("file", "tables", "metrics"):
        if key not in part:
            raise section.fail(f"'{key}' is missing")
    metrics = part["metrics"].of(list, "a list of metrics")
    for metric in metrics:
        if metric not in DECIDING:
            raise part["metrics"].fail(f"unknown metric '{metric}'; known: {', '.join(DECIDING)}")
    file = part["file"].of(str, "a file name")
    if Path(file).name != file:
        where = "in paper_configs/published" if folder is None else "beside this one"
        raise part["file"].fail(f"expected the name of a file {where}, without a folder")
    beside = folder is not None and ((folder / file).exists() or not (CONFIG_DIR / "published" / file).is_file())
    if folder is not None and beside and not (folder / file).exists():
        raise part["file"].fail(f"there is no file {folder / file}; write the printed numbers there (docs/own_paper.md)")
    named = {key: tuple(map(str, part[key].of(list, "a list of names"))) for key in _NAMED if key in part}
    large = part["large"].of(bool, "true or false") if "large" in part else False
    return Printed(file, metrics=tuple(metrics), folder=folder if beside else None, large=large, **named)


_NAMED = ("tables", "other_tables", "other_models")


def _claims(section: Section, folder: Path) -> Path:
    """The file of a paper's claims, beside the YAML."""
    name = str(section.of(str, "a file name"))
    if Path(name).name != name or not (folder / name).is_file():
        raise section.fail(f"expected the name of a file in {folder}, without a folder, found '{name}'")
    return folder / name


OF_USERS = ("claims", "run")
"""Keys that a paper's YAML has where it is the user's; of `run`: `benchmark.config.catalogue`."""
KEYS = ("paper", "title", "venue", "links", "synthetic", "workload", "printed", "datasets", "horizons", "seeds", "recipe",
        "columns", "switches", "released", "layout")  # fmt: skip


def parse_paper(
    root: Section,
    datasets: tuple[str, ...],
    models: Mapping[str, OwnModel] = MappingProxyType({}),
    folder: Path | None = None,
) -> Paper:
    """One paper's YAML → Paper. `datasets`: every data set that is registered. `models`: the user's own. `folder`: where
    the YAML lies, if it is the user's.

    Raises UsageError (file, line, what was expected, the nearest known key) for anything that is not as it should be.
    """
    part = root.known((*KEYS, *(("models",) if models else ()), *(OF_USERS if folder else ())))
    workload = part["workload"].one_of(WORKLOADS, "kind of task") if "workload" in part else FORECASTING.name
    axes = ["horizons"] if "horizon" in WORKLOADS[workload].axes else []
    for key in ("paper", "title", "datasets", *axes, "seeds", "recipe", "columns"):
        if key not in part:
            raise root.fail(f"'{key}' is missing")
    if "horizons" in part and not axes:
        raise part["horizons"].fail(f"a paper of the task {workload} has no horizons; leave them out")
    name = part["paper"].of(str, "a name")
    if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
        raise part["paper"].fail("expected a name of letters, digits, '-' and '_'")
    reader = Reader(datasets, workload, models=models)
    names = [child.one_of(datasets, "data set") for child in part["datasets"].items()]
    reader.columns = tuple(part["columns"].named())
    columns: dict[str, Column] = {}
    for key, child in part["columns"].named().items():
        columns[key] = column_of(reader, child, key, columns)
    switches = {}
    if "switches" in part:
        switches = {key: _switch(reader, child, key) for key, child in part["switches"].named().items()}
    released = tuple(part["released"].of(list, "a list of switches")) if "released" in part else ()
    for switch in released:
        if switch not in switches:
            raise part["released"].fail(f"unknown switch '{switch}'{nearest(str(switch), switches)}")
    return Paper(
        name=name,
        title=part["title"].of(str, "a text"),
        venue=part["venue"].of(str, "a text") if "venue" in part else "",
        workload=workload,
        synthetic=part["synthetic"].of(bool, "true or false") if "synthetic" in part else False,
        printed=_printed(part["printed"], folder) if "printed" in part else None,
        claims=_claims(part["claims"], folder) if folder and "claims" in part else None,
        datasets=tuple(names),
        horizons=_list_value(reader, part["horizons"], count=False) if axes else NO_HORIZONS,
        seeds=_list_value(reader, part["seeds"], count=True),
        recipe=reader.recipe(part["recipe"]),
        columns=columns,
        switches=switches,
        released=released,
        layout=parse_layout(part["layout"], tuple(names), workload) if "layout" in part else (),
    )


def _list_value(reader: Reader, section: Section, *, count: bool) -> Value:
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


def parse_layout(section: Section, datasets: Sequence[str], workload: str) -> tuple[Layout, ...]:
    """The `layout` of a paper's YAML: a list of tables. Raises UsageError for what is not as it should be."""
    metrics = [metric.name for metric in WORKLOADS[workload].metrics if not metric.extra]
    return tuple(_layout(child, datasets, metrics) for child in section.items("a list of tables"))


def _layout(section: Section, datasets: Sequence[str], metrics: Sequence[str]) -> Layout:
    part = section.known(["table", "metrics", "horizons", "datasets", "columns", "last"])
    if "table" not in part:
        raise section.fail("'table' is missing: the table's name")
    own = [c.one_of(metrics, "metric") for c in part["metrics"].items()] if "metrics" in part else metrics
    return Layout(
        table=part["table"].of(str, "a name"),
        metrics=tuple(own),
        horizons=part["horizons"].one_of(HORIZONS, "way of showing horizons") if "horizons" in part else "each",
        datasets=tuple(c.one_of(datasets, "data set") for c in part["datasets"].items()) if "datasets" in part else (),
        columns=tuple(c.one_of(None, "column") for c in part["columns"].items()) if "columns" in part else (),
        last=tuple(_last(child) for child in part["last"].items()) if "last" in part else (),
    )


def _last(section: Section) -> Last:
    part = section.known(["row", "table", "metric"])
    if "row" not in part or ("table" in part) != ("metric" in part):
        raise section.fail("expected 'row', alone or with the 'table' and 'metric' where the paper's numbers are")
    of = {key: part[key].of(str, "a text") for key in ("table", "metric") if key in part}
    return Last(part["row"].one_of(LAST, "line below a table"), of.get("table"), of.get("metric"))
