"""What there is to choose from: every paper and data set, the user's own files included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmark.config.models.columns import before, with_columns, with_variant
from benchmark.config.models.own import OwnModel, load_models
from benchmark.config.own import idle_targets, join, load_own
from benchmark.config.paper import Column, Paper, Value
from benchmark.config.reader import CLAIMS, CONFIG_DIR, parse_paper
from benchmark.config.values import Reader, recipe_fields
from benchmark.config.yamlfile import Section, load
from benchmark.data.registry import DATASETS, GROUPS, DataSet
from benchmark.errors import UsageError, nearest


def override(
    paper: Paper, section: Section, datasets: tuple[str, ...], models: Mapping[str, OwnModel] = MappingProxyType({})
) -> Paper:
    """A paper with recipe values of the user's own file before its own; they count as `ours`, in every column; and with the
    columns that the file has below `columns`, which take part in that and have what they say themselves.

    A plain value is taken everywhere; a table by data set or horizon where it has an entry, else the paper's own value.
    Below `arguments`, a model's argument goes to every column whose model has it; a model of the user's own has its own.
    """
    reader = Reader(datasets, paper.workload, overriding=True, models=models)
    part = section.known([*recipe_fields(paper.workload), "arguments", "columns"])
    added = part.pop("columns").named() if "columns" in part else {}
    reader.columns = (*paper.columns, *added)
    values = {name: reader.value(child, name) for name, child in part.items() if name != "arguments"}
    ours = [column.info.arguments for column in paper.columns.values() if column.own is None]
    found = part["arguments"].known({name: None for each in ours for name in each}) if "arguments" in part else {}
    arguments = {name: reader.value(child, f"arguments.{name}") for name, child in found.items()}
    columns = {name: _overridden(column, values, arguments) for name, column in paper.columns.items()}
    own = {name: before(value, paper.recipe.get(name)) for name, value in values.items()}
    names = (*paper.overridden, *values, *(f"arguments.{name}" for name in arguments))
    changed = replace(paper, recipe=dict(paper.recipe) | own, columns=columns, overridden=tuple(dict.fromkeys(names)))
    return with_columns(changed, added, reader)


def _overridden(column: Column, values: Mapping[str, Value], arguments: Mapping[str, Value]) -> Column:
    taken = [name for name in arguments if column.own is None and name in column.info.arguments]
    return replace(
        column,
        recipe={name: before(values.get(name), value) for name, value in column.recipe.items()},
        arguments=dict(column.arguments) | {n: before(arguments[n], column.arguments.get(n)) for n in taken},
    )


def load_papers(
    datasets: tuple[str, ...],
    own: tuple[Path, ...] = (),
    folder: Path = CONFIG_DIR,
    models: Mapping[str, OwnModel] = MappingProxyType({}),
) -> dict[str, Paper]:
    """Every paper of ``paper_configs``, then the user's files: a paper of one's own, or ``recipes: {paper: {…}}`` and, when
    all of these are in, ``variants: {NAME: {paper: {…}}}``. models: the user's own.

    Raises UsageError for the first thing that is not as it should be.
    """
    papers: dict[str, Paper] = {}
    variants: list[tuple[str, Section]] = []
    for path in sorted(set(folder.glob("*.yaml")) - {CLAIMS}):
        paper = parse_paper(load(path, f"paper_configs/{path.name}"), datasets)
        papers[paper.name] = paper
    for path in own:
        root = load(path)
        if _is_paper(root):
            paper = parse_paper(root, datasets, models, path.absolute().parent)
            if paper.name in papers:
                raise root.fail(f"paper '{paper.name}' exists; to change its recipe write 'recipes: {{{paper.name}: …}}'")
            papers[paper.name] = paper
            continue
        part = root.known(["recipes", "variants", "datasets", "models", "run"])  # the last three are read elsewhere
        for paper_name, child in _of_papers(part.get("recipes"), papers):
            papers[paper_name] = override(papers[paper_name], child.mapping(), datasets, models)
        variants += part["variants"].named().items() if "variants" in part else []
    for name, section in variants:
        for paper_name, child in _of_papers(section, papers):
            papers[paper_name] = with_variant(papers[paper_name], name, child, datasets)
    if not papers:
        raise UsageError(f"no recipe in {folder}; expected at least one YAML file")
    return papers


def _of_papers(section: Section | None, papers: Mapping[str, Paper]) -> list[tuple[str, Section]]:
    """What a section says of each of some papers. Raises UsageError for a paper that is none."""
    found = section.named() if section is not None else {}
    for name, child in found.items():
        if name not in papers:
            raise child.fail(f"unknown paper '{name}'{nearest(name, papers)}")
    return list(found.items())


def _is_paper(root: Section) -> bool:
    return isinstance(root.data, dict) and bool({"paper", "title", "columns"} & root.data.keys())


@dataclass(frozen=True)
class Given:
    """What a file of the user's gives.

    papers, datasets, models, columns: by name. file: as its places have it. sources: of its recipe values, by which they
    are known in a resolved recipe.
    """

    papers: frozenset[str]
    datasets: frozenset[str]
    models: frozenset[str]
    columns: frozenset[str]
    file: str
    sources: frozenset[str]

    def has(self, source: str) -> bool:
        """Whether a recipe value of this source is the file's: it names its place, or the source that the file gives."""
        return source.startswith(f"{self.file}:") or source in self.sources


def given_by(path: Path) -> Given:
    """What a file gives that `catalogue` has taken. Raises UsageError where it cannot be read."""
    root = load(path)
    data: dict[str, Any] = root.data if isinstance(root.data, dict) else {}
    papers = {str(data.get("paper"))} if _is_paper(root) else set()
    datasets = data.get("datasets", {}) if not papers else {}
    of_papers = [] if papers else [recipe for recipe in data.get("recipes", {}).values() if isinstance(recipe, dict)]
    columns = {str(name) for recipe in of_papers for name in recipe.get("columns", {})}
    models = frozenset(map(str, data.get("models", {})))
    return Given(
        frozenset(papers), frozenset(map(str, datasets)), models, frozenset(columns), root.file, frozenset(_sources(data))
    )


def _sources(data: Any) -> Iterator[str]:
    """Every text that stands under `source`, at any depth."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if key == "source":
            yield str(value)
        yield from _sources(value)


@dataclass(frozen=True)
class Catalogue:
    """What there is to choose from.

    papers, datasets: by name. groups: of data sets. notes: sentences on the user's own files. models: the user's own, by
    name. run: by option of the command line, what the user's files choose where that chooses nothing.
    """

    papers: Mapping[str, Paper]
    datasets: Mapping[str, DataSet]
    groups: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    models: Mapping[str, OwnModel] = field(default_factory=dict)
    run: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def catalogue(own: Sequence[Path] = ()) -> Catalogue:
    """All papers and data sets, the user's own files included. Raises UsageError for a file that cannot be used."""
    sets = load_own(own)
    datasets = DATASETS | {name: entry.dataset for name, entry in sets.items()}
    models = load_models(own)
    papers = join(load_papers(tuple(datasets), tuple(own), models=models), sets)
    return Catalogue(papers, datasets, GROUPS, idle_targets(papers, sets), models, _run(own, papers, datasets))


def _run(own: Sequence[Path], papers: Mapping[str, Paper], datasets: Mapping[str, DataSet]) -> dict[str, tuple[str, ...]]:
    """What the files name below `run`, all together. Raises UsageError for a name that there is not."""
    columns = [name for paper in papers.values() for name in paper.columns]
    known = {"papers": [*papers], "subset": [*datasets, *GROUPS, *papers, "all"], "models": [*columns, "all"]}
    found: dict[str, tuple[str, ...]] = {}
    for path in own:
        data = load(path).mapping().children()
        for option, section in data["run"].known(known).items() if "run" in data else ():
            names = (each.one_of(known[option], "name") for each in section.items("a list of names"))
            found[option] = tuple(dict.fromkeys((*found.get(option, ()), *names)))
    return found
