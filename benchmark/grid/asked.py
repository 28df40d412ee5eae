"""What one invocation is asked for, and what of it no cell of its plan shows: switches of other papers, idle files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.config.catalogue import Catalogue, given_by
from benchmark.config.paper import Paper
from benchmark.console import AUTO, spelt
from benchmark.errors import UsageError
from benchmark.grid.cells import Planned
from benchmark.grid.plan import own_protocol, switches_of
from benchmark.store.kept import KINDS


@dataclass(frozen=True)
class Request:
    """What the command line asks for; one field an option, named as it is. None: not given.

    subset, papers, models, horizons, seeds (`auto` too), sam, protocol, profile: what of the grid. config: files of the
    user's. jobs: None for `auto`; replicas: cells of one program, likewise. device, backend, scheduler: where it is
    trained. shard: (I, N). timeout: seconds of one cell. retry, force: which Results are made anew. keep: what of a trained
    cell stands beside its Result. offline: download nothing. no_mlflow: log nothing there. dry_run, json: the plan alone.
    no_figures: tables and page alone. verbose: name every file that is written. data_dir, results_dir: folders.
    """

    subset: tuple[str, ...] | None
    papers: tuple[str, ...] | None
    models: tuple[str, ...] | None
    horizons: tuple[int, ...] | None
    seeds: tuple[int, ...] | str | None
    sam: str | None
    protocol: str
    profile: str
    config: list[Path]
    jobs: int | None
    replicas: int | None
    device: str
    backend: str
    scheduler: str | None
    shard: tuple[int, int] | None
    timeout: float | None
    retry: str | None
    force: bool
    keep: tuple[str, ...] | None
    offline: bool
    no_mlflow: bool
    dry_run: bool
    json: bool
    no_figures: bool
    verbose: bool
    data_dir: str | None
    results_dir: Path

    @property
    def auto_seeds(self) -> bool:
        """Whether each column gets as many seeds as its spread asks for."""
        return self.seeds == AUTO

    @property
    def own_seeds(self) -> tuple[int, ...] | None:
        """The seeds that are asked for one by one; None: the recipe's, or `auto`."""
        return self.seeds if isinstance(self.seeds, tuple) else None

    def words(self, changes: Mapping[str, object]) -> list[str]:
        """The command line that asks for this, with some fields changed; what is not said is as it is without."""
        out: list[str] = []
        for name, value in {**vars(self), **changes}.items():
            if value is not None and value not in (False, USUAL.get(name)):
                option = "--" + name.replace("_", "-")
                several = value if name == "config" and isinstance(value, list) else [value]
                out += [word for each in several for word in (option, *([] if each is True else [_word(name, each)]))]
        return out

    def check(self) -> None:
        """Raises UsageError for options that do not go together."""
        spelt("--keep", self.keep or (), KINDS)
        if self.backend == "dask" and self.scheduler is None:
            raise UsageError("--backend dask needs the address of a running scheduler: --scheduler tcp://host:8786")
        if self.backend != "dask" and self.scheduler is not None:
            raise UsageError("--scheduler is for --backend dask, which was not given")
        if self.backend == "dask" and (self.replicas or 1) > 1:
            raise UsageError(
                f"--replicas {self.replicas} is for --backend local; on Dask workers each cell is trained alone"
            )
        if self.force and self.retry:
            raise UsageError("--force runs every cell again, --retry only some: give one of them")
        if self.auto_seeds and self.shard:
            raise UsageError("--seeds auto looks at whole columns, --shard trains parts of them: give one of them")


USUAL = {"protocol": "paper", "profile": "paper", "device": "auto", "backend": "local", "results_dir": Path("results")}
"""Of options that are never None: what they are without a word."""


def _word(name: str, value: object) -> str:
    """An option's value as it is typed."""
    if name == "timeout" and isinstance(value, float):
        return f"{value:.0f}s"
    if name == "shard" and isinstance(value, tuple):
        return "/".join(map(str, value))
    if name == "seeds" and isinstance(value, tuple):
        whole = value == tuple(range(len(value)))
        return str(len(value)) if whole else ",".join(map(str, value)) + ("," if len(value) == 1 else "")
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class Shown:
    """What of a store a run tells of at its end. kinds: paper, protocol (by its name among the paper's own) and profile.
    columns: those that were asked for by name, which then stand in the tables. figures: whether pictures are drawn."""

    kinds: tuple[tuple[str, str, str], ...]
    columns: tuple[str, ...] = ()
    figures: bool = True

    @classmethod
    def of(cls, request: Request, cells: Sequence[Planned], papers: Mapping[str, Paper]) -> Shown:
        """As an invocation's cells have it."""
        kinds = dict.fromkeys((p.cell.paper, p.cell.protocol, p.cell.profile) for p in cells)
        own = dict.fromkeys((paper, own_protocol(papers[paper], protocol), kind) for paper, protocol, kind in kinds)
        columns = tuple(dict.fromkeys(p.cell.model for p in cells)) if request.models is not None else ()
        return cls(tuple(own), columns, not request.no_figures)

    def words(self, results_dir: Path, config: Sequence[Path]) -> list[str]:
        """The options of `python -m tables render` that write the same tables."""
        own = [word for path in config for word in ("--config", str(path))]
        also = ["--also", ",".join(self.columns)] if self.columns else []
        return ["--results-dir", str(results_dir), *own, *also, *([] if self.figures else ["--no-figures"])]


def chosen(request: Request, there: Catalogue) -> tuple[Request, Catalogue]:
    """The request with what the user's files choose (`run:`), where it chooses nothing of that itself; and the catalogue
    with a sentence that says so."""
    if not there.run or any(getattr(request, option) is not None for option in ("papers", "subset", "models")):
        return request, there
    said = " ".join(f"--{option} {','.join(names)}" for option, names in there.run.items())
    note = f"--config: its 'run' chooses {said}; options of your own take its place"
    return replace(request, **there.run), replace(there, notes=(*there.notes, note))  # type: ignore[arg-type]


def idle(cells: Sequence[Planned], protocol: str, papers: Mapping[str, Paper], files: Iterable[Path]) -> list[str]:
    """One sentence for each part of the protocol, and for each file of `--config`, that changes nothing in these cells.

    Raises UsageError where no paper of these cells has any of the switches that the protocol names.
    """
    return [*_switches(cells, protocol, papers), *_files(cells, files)]


def _switches(cells: Sequence[Planned], protocol: str, papers: Mapping[str, Paper]) -> Iterator[str]:
    if protocol == "paper":
        return
    there = sorted({planned.cell.paper for planned in cells})
    named = protocol.split("+")[1:]
    lacking = [name for name in named if not any(name in papers[paper].switches for paper in there)]
    for name in lacking:
        owners = ", ".join(paper.name for paper in papers.values() if name in paper.switches)
        if lacking == named and protocol.startswith("paper"):
            raise UsageError(f"--protocol: no selected paper has the switch '{name}', which is of {owners}")
        yield f"--protocol: no selected paper has the switch '{name}', which is of {owners}: it changes nothing"
    without = [paper for paper in there if not switches_of(papers[paper], protocol)]
    if without:
        yield f"--protocol {protocol} is as protocol paper in {', '.join(without)}: no such switches there"
    acting = {(p.cell.paper, name) for p in cells if p.recipe for name in p.recipe.switches}
    for paper in there:
        for name in named:
            if name in papers[paper].switches and (paper, name) not in acting:
                yield f"--protocol: the switch {name} changes no cell of {paper} that is selected"


def _files(cells: Sequence[Planned], files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        given = given_by(path)
        if any(
            p.cell.paper in given.papers or p.cell.dataset in given.datasets or p.cell.model in given.columns for p in cells
        ):
            continue
        recipes = {id(planned.recipe): planned.recipe for planned in cells if planned.recipe is not None}
        sources = (value.source for recipe in recipes.values() for value in recipe.values.values())
        models = (recipe.model for recipe in recipes.values() if recipe.source is not None)
        if not any(map(given.has, sources)) and given.models.isdisjoint(models):
            yield f"--config {path}: it changes no cell that is selected"
