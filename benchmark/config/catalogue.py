"""What there is to choose from: every paper and data set, the user's own files included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import baselines
from benchmark.config.own import idle_targets, join, load_own
from benchmark.config.paper import Column, Paper, Value
from benchmark.config.reader import CLAIMS, CONFIG_DIR, parse_paper
from benchmark.config.values import Reader, recipe_fields
from benchmark.config.yamlfile import Section, load
from benchmark.data.registry import DATASETS, GROUPS, DataSet
from benchmark.errors import UsageError, nearest


def override(paper: Paper, section: Section, datasets: tuple[str, ...]) -> Paper:
    """A paper with recipe values of the user's own file before its own; they count as `ours`, in every column.

    A plain value is taken everywhere; a table by data set or horizon where it has an entry, else the paper's own value.
    Below `arguments`, a model's argument goes to every column whose model has it.
    """
    reader = Reader(datasets, paper.workload, overriding=True)
    reader.columns = tuple(paper.columns)
    part = section.known([*recipe_fields(paper.workload), "arguments"])
    values = {name: reader.value(child, name) for name, child in part.items() if name != "arguments"}
    known = {a: None for column in paper.columns.values() for a in baselines.MODELS[column.model].arguments}
    found = part["arguments"].known(known) if "arguments" in part else {}
    arguments = {name: reader.value(child, f"arguments.{name}") for name, child in found.items()}
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
        if _is_paper(root):
            paper = parse_paper(root, datasets)
            if paper.name in papers:
                raise root.fail(f"paper '{paper.name}' exists; to change its recipe write 'recipes: {{{paper.name}: …}}'")
            papers[paper.name] = paper
            continue
        part = root.known(["recipes", "datasets"])  # data sets: see `benchmark.config.own`
        overrides = part["recipes"].named() if "recipes" in part else {}
        for paper_name, child in overrides.items():
            if paper_name not in papers:
                raise child.fail(f"unknown paper '{paper_name}'{nearest(paper_name, papers)}")
            papers[paper_name] = override(papers[paper_name], child.mapping(), datasets)
    if not papers:
        raise UsageError(f"no recipe in {folder}; expected at least one YAML file")
    return papers


def _is_paper(root: Section) -> bool:
    return isinstance(root.data, dict) and bool({"paper", "title", "columns"} & root.data.keys())


@dataclass(frozen=True)
class Given:
    """What a file of the user's gives: papers and data sets by name, and the sources of its recipe values, by which they
    are known in a resolved recipe."""

    papers: frozenset[str]
    datasets: frozenset[str]
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
    return Given(frozenset(papers), frozenset(map(str, datasets)), root.file, frozenset(_sources(data)))


def _sources(data: Any) -> Iterator[str]:
    """Every text that stands under `source`, at any depth."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if key == "source":
            yield str(value)
        yield from _sources(value)


@dataclass(frozen=True)
class Catalogue:
    """What there is to choose from: papers, data sets and groups of them. notes: sentences on the user's own files."""

    papers: Mapping[str, Paper]
    datasets: Mapping[str, DataSet]
    groups: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def catalogue(own: Sequence[Path] = ()) -> Catalogue:
    """All papers and data sets, the user's own files included. Raises UsageError for a file that cannot be used."""
    sets = load_own(own)
    datasets = DATASETS | {name: entry.dataset for name, entry in sets.items()}
    papers = join(load_papers(tuple(datasets), tuple(own)), sets)
    return Catalogue(papers, datasets, GROUPS, idle_targets(papers, sets))
