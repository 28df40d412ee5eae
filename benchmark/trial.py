"""A dry pass of the user's own models in a worker, before the first cell is trained: so what is wrong is said at once."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import replace
from typing import Any

from benchmark.config.catalogue import Catalogue
from benchmark.config.recipe import Measured, Recipe
from benchmark.data.registry import DataSet
from benchmark.errors import UsageError, counted
from benchmark.grid import cost
from benchmark.grid.cells import Planned
from benchmark.grid.plan import too_big
from benchmark.runner.pool import KEEP_MEMORY, ONE_THREAD, how, process, usable_device

LIMIT_SECONDS = 900.0
"""That a dry pass of all own models of a plan may take."""
Sizes = tuple[str, str, int, int, int]
"""Model, its arguments and training in words, look-back, horizon, channels."""


def sizes(planned: Planned, dataset: DataSet) -> Sizes | None:
    """What one dry pass tells of a cell: the same for all cells that differ in data set and seed alone. None for a cell of
    the suite's own models, and where the channels are not known."""
    recipe = planned.recipe
    channels = cost.channels_of(dataset, recipe) if recipe is not None else None
    if recipe is None or recipe.source is None or channels is None:
        return None
    training = recipe.training.model_dump_json() if recipe.training is not None else ""
    said = f"{sorted(recipe.arguments.items())} {training}"
    return recipe.model, said, recipe.lookback, planned.cell.horizon, channels


def tried(
    cells: Sequence[Planned], todo: Sequence[Planned], there: Catalogue, device: str, memory: int | None
) -> list[Planned]:
    """The cells, those of own models with what a step of theirs takes; refused where that is more than `memory` (bytes).

    todo: those that are to be trained; one worker makes a dry pass of each kind among them. Raises UsageError, in one
    sentence with its place in the YAML, for a model that cannot be built or trained.
    """
    kinds = {key: planned.recipe for planned in todo
             if (key := sizes(planned, there.datasets[planned.cell.dataset])) is not None and planned.recipe}  # fmt: skip
    if not kinds:
        return list(cells)
    found = _pass(kinds, there, device)
    return [_with(planned, found, there.datasets[planned.cell.dataset], memory) for planned in cells]


def _with(planned: Planned, found: Mapping[Sizes, Measured], dataset: DataSet, memory: int | None) -> Planned:
    key = sizes(planned, dataset)
    if key is None or key not in found or planned.recipe is None:
        return planned
    recipe = replace(planned.recipe, measured=found[key])
    reason = planned.refused or too_big(dataset, planned.cell.horizon, recipe, memory)
    return replace(planned, recipe=recipe, refused=reason, digest=None if reason else planned.digest)


def _pass(kinds: Mapping[Sizes, Recipe], there: Catalogue, device: str) -> dict[Sizes, Measured]:
    device = usable_device(device)  # on Dask it may be `auto`; the pass is made here
    executor = process(ONE_THREAD | KEEP_MEMORY)
    first = next(iter(kinds.values())).model
    found: dict[Sizes, Measured] = {}
    try:
        future = executor.submit(_in_worker, [(key, recipe) for key, recipe in kinds.items()], device)
        outcomes = future.result(timeout=LIMIT_SECONDS)
    except BrokenExecutor as error:
        raise there.models[first].section.fail(f"the worker that tried the own models died {how(error)}") from None
    except TookTooLong:
        raise UsageError(
            f"trying the own models took longer than {LIMIT_SECONDS:.0f} s; python -m benchmark.check tries one"
        ) from None
    finally:
        executor.shutdown(wait=True, kill_workers=True)
    for key, outcome in zip(kinds, outcomes, strict=True):
        model, _, lookback, horizon, channels = key
        if isinstance(outcome, str):
            where = f"look-back {lookback}, horizon {horizon}, {counted(channels, 'channel')}"
            raise there.models[model].section.fail(f"{where}: {outcome}")
        found[key] = outcome
    return found


def _in_worker(kinds: Sequence[tuple[Sizes, Recipe]], device: str) -> list[Measured | str]:
    """In a worker: a dry pass of each kind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle, which ends this process
    import torch

    from benchmark.analysis.taken import tried as dry_pass

    torch.set_num_threads(1)
    return [dry_pass(case_of(key, recipe, device)) for key, recipe in kinds]


def case_of(key: Sizes, recipe: Recipe, device: str) -> Any:
    """The model of a kind as `benchmark.analysis.contract` tries it."""
    from benchmark.analysis.contract import Case

    assert recipe.source is not None
    return Case(recipe.source, recipe.arguments, *key[2:], recipe.training, device)
