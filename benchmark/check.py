"""``python -m benchmark.check FILE.yaml``: do a user's own models keep the contract, and what does their grid take."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.config.models.own import OwnModel
from benchmark.config.recipe import Measured, Recipe, Training
from benchmark.config.values import Reader
from benchmark.console import Parser, command
from benchmark.data.registry import DataSet
from benchmark.errors import UsageError, counted
from benchmark.grid import cost
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.plan import plan
from benchmark.machine import size_in_words, time_in_words
from benchmark.trial import Sizes, case_of, sizes
from benchmark.workloads import FORECASTING, WORKLOADS

if TYPE_CHECKING:
    from benchmark.analysis.contract import Case

PATIENCE_SECONDS = 60.0
"""That steps are timed for the projection of one column; sizes beyond are taken by their windows."""
ALONE = {"lookback": 96, "horizon": 24, "channels": 7}
"""Sizes of a model that stands in no column."""


@dataclass(frozen=True)
class Subject:
    """What is tried: a model, as one column of a paper has it or by itself; kinds: its cells by their sizes."""

    model: OwnModel
    title: str
    case: Case
    kinds: Mapping[Sizes, Sequence[Planned]]


def subjects(there: Catalogue, device: str) -> Iterator[Subject]:
    """Every column of the user's own models, at the smallest of its sizes; a model without one by itself."""
    for name, model in there.models.items():
        columns = [(paper.name, column.name) for paper in there.papers.values() for column in paper.columns.values()
                   if column.own is not None and column.model == name]  # fmt: skip
        for paper, column in columns:
            kinds = _kinds(there, paper, column)
            if not kinds:
                continue
            first = min(kinds, key=lambda key: math.prod(key[2:]))
            recipe = kinds[first][0].recipe
            assert recipe is not None
            yield Subject(model, f"{column} of {paper}", case_of(first, recipe, device), kinds)
        if not columns:
            yield Subject(model, "in no column", _by_itself(model, device), {})


def _kinds(there: Catalogue, paper: str, column: str) -> dict[Sizes, list[Planned]]:
    """The cells of a column by their sizes, those that cannot be aside."""
    found: dict[Sizes, list[Planned]] = {}
    for planned in plan(there, Selection(papers=(paper,), models=(column,)), lambda dataset: None):
        key = sizes(planned, there.datasets[planned.cell.dataset]) if planned.refused is None else None
        if key is not None:
            found.setdefault(key, []).append(planned)
    return found


def _by_itself(model: OwnModel, device: str) -> Case:
    from benchmark.analysis.contract import Case

    given = model.values(Reader((), FORECASTING.name, overriding=True))
    arguments = {name: value.blocks[0].table for name, value in given.items() if not value.blocks[0].by}
    training = None if model.signature.closed_form else Training(
        batch_size=32, accumulation=1, epochs=1, patience=None, optimizer="adam", learning_rate=1e-3, betas=(0.9, 0.999),
        eps=1e-8, weight_decay=0.0, schedule="constant", minimum_learning_rate=0.0, restart_period=1, clip_norm=None,
        rho=None, selection="best_validation", evaluation_batch=None, precision="float32",
    )  # fmt: skip
    return Case(model.signature.source, arguments, **ALONE, training=training, device=device)


def heading(subject: Subject) -> str:
    """What is tried, and at which sizes."""
    case = subject.case
    batch = f", batch {case.training.batch_size}" if case.training is not None else ", not trained"
    at = f"look-back {case.lookback}, horizon {case.horizon}, {counted(case.channels, 'channel')}{batch}"
    return f"{subject.model.name} ({case.source.name}), {subject.title}: {at}"


def report(subject: Subject, datasets: Mapping[str, DataSet]) -> tuple[list[str], bool]:
    """What was found, line by line, and whether the model keeps the contract."""
    from benchmark.analysis.contract import CHECKS, NOTED, told

    case, lines, kept = subject.case, list[str](), True
    for number, (name, check) in enumerate(CHECKS.items()):
        wrong = told(check, case)
        kept &= wrong is None
        lines.append(f"  ok      {name}" if wrong is None else f"  BROKEN  {name}: {wrong}")
        if wrong is not None and number < 2:
            return [*lines, "          the rest was not tried"], False
    for name, check in NOTED.items():
        note = told(check, case)
        lines.append(f"  ok      {name}" if note is None else f"  note    {name}: {note}")
    try:
        return lines + _takes(subject, datasets), kept
    except (Exception, SystemExit) as error:  # the user's code, at another of its sizes
        from benchmark.analysis.contract import said

        return [*lines, f"  BROKEN  a step: {said(error)}"], False


def _takes(subject: Subject, datasets: Mapping[str, DataSet]) -> list[str]:
    """What a step takes, and what the grid of the column would."""
    from benchmark.analysis.taken import measured, seconds

    case, what = subject.case, measured(subject.case)
    each = seconds(case)
    unit = "step" if case.training is not None else "forecast"
    lines = [f"  a {unit}: {each * 1000:.3g} ms; {what.parameters:,} parameters"]
    if not subject.kinds:
        return lines
    memory = _memory(subject, what, datasets)
    lines[0] += f"; a cell takes about {size_in_words(memory)}" if memory is not None else ""
    if case.training is None:
        return lines
    total, begun = 0.0, time.perf_counter()
    known = {(case.lookback, case.horizon, case.channels): each}
    for key, cells in sorted(subject.kinds.items(), key=lambda of: math.prod(of[0][2:])):
        shape, recipe = key[2:], cells[0].recipe
        assert recipe is not None
        if shape not in known and time.perf_counter() - begun < PATIENCE_SECONDS:
            known[shape] = seconds(case_of(key, recipe, case.device))
        of_step = known.get(shape) or each * math.prod(shape) / (case.lookback * case.horizon * case.channels)
        total += sum(of_step * _steps(planned, recipe, datasets[planned.cell.dataset]) for planned in cells)
    count = sum(map(len, subject.kinds.values()))
    timed = "" if len(known) > 1 or len(subject.kinds) == 1 else ", by the size of its windows"
    patience = ", less where patience ends it sooner" if case.training.patience is not None else ""
    lasts = f"at most {time_in_words(total)} of training on one such device{timed}{patience}"
    return [*lines, f"  its grid: {counted(count, 'cell')}, {lasts}"]


def _steps(planned: Planned, recipe: Recipe, dataset: DataSet) -> float:
    assert recipe.training is not None
    examples = WORKLOADS[recipe.workload].train_examples(dataset, recipe.lookback, planned.cell.horizon)
    per_epoch = math.ceil(examples / (recipe.training.batch_size * recipe.training.accumulation))
    return float(min(per_epoch * recipe.training.epochs, recipe.bounds.max_steps or math.inf))


def _memory(subject: Subject, what: Measured, datasets: Mapping[str, DataSet]) -> int | None:
    case = subject.case
    cells = next(c for k, c in subject.kinds.items() if k[2:] == (case.lookback, case.horizon, case.channels))
    recipe = cells[0].recipe
    assert recipe is not None
    return cost.estimate(datasets[cells[0].cell.dataset], case.horizon, replace(recipe, measured=what))


def parser() -> Parser:
    """The file and the options."""
    main = Parser(
        prog="python -m benchmark.check",
        description="Builds every model of your own that a YAML file names, which runs its code, and tries whether it "
        "keeps the contract of a model: shapes, a forecast of its own window alone, seeds, modes, gradients.",
    )
    main.add_argument("file", type=Path, metavar="FILE.yaml", help="as for --config of run_all.py")
    main.add_argument("--config", action="append", type=Path, default=[], metavar="FILE",
                      help="another file that it goes with; repeatable")  # fmt: skip
    main.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="default cpu")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 every model keeps the contract, 1 one does not, 2 usage, 130 interrupted."""
    with command("python -m benchmark.check") as ended:
        options: Any = parser().parse_args(arguments)
        there = catalogue([*options.config, options.file])
        if not there.models:
            raise UsageError(
                f"{options.file}: it names no model of your own; write 'models: {{NAME: {{file: …, class: …}}}}'"
            )
        from benchmark.runner.pool import usable_device

        for subject in subjects(there, usable_device(options.device)):
            print(heading(subject), flush=True)  # before its code is run, which may end the process
            lines, kept = report(subject, there.datasets)
            print("\n".join(lines), flush=True)
            ended.status |= not kept
    return int(ended.status)


if __name__ == "__main__":
    sys.exit(main())
