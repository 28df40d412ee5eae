"""``python -m benchmark.analysis landscape KEY [KEY2]``: the loss around trained weights, between two, along a training."""

from __future__ import annotations

import argparse
import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.analyse.cell import SPLITS, Cell, Command, opened, whole_or_all
from benchmark.analysis.probes.landscape import (
    BIASES,
    DIR_TYPES,
    NORMS,
    between,
    cosine,
    directions,
    plane_of,
    surface,
    trained,
)
from benchmark.console import whole
from benchmark.errors import UsageError, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmark.analysis.probes.landscape import Measure

    Arrays = dict[str, NDArray[Any]]

GRID, BEYOND, MARGIN = 20, 0.5, 0.2
"""Places along an axis. How far the line between two cells goes beyond each, in its own length; a path's plane, in the
path's extent."""


def _reach(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found > 0):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found '{text}'")
    return found


def options(parser: argparse.ArgumentParser) -> None:
    """Adds its own."""
    parser.add_argument("cells", metavar="KEY|DIGEST", nargs="+", help="one cell, or two")
    parser.add_argument("--grid", type=partial(whole, least=2), default=GRID, metavar="N",
                        help=f"places along each axis; default {GRID}")  # fmt: skip
    parser.add_argument(
        "--range", type=_reach, default=1.0, metavar="A", help="from −A to A in units of a direction; default 1"
    )
    parser.add_argument("--split", choices=SPLITS, default="validation",
                        help="whose windows or images the loss is over; train: all that it was trained on, without "
                             "augmentation, as loss-landscape has it; default validation")  # fmt: skip
    parser.add_argument("--windows", type=whole_or_all, default=None, metavar="N|all",
                        help="so many of them, evenly over the split; default all")  # fmt: skip
    parser.add_argument("--seed", type=partial(whole, least=0), default=0, metavar="N",
                        help="of the directions, which two models of one shape have in common; default 0")  # fmt: skip
    parser.add_argument("--dir-type", choices=DIR_TYPES, default="weights",
                        help="what the directions move: trained parameters, or all of the state, running statistics too; "
                             "default weights")  # fmt: skip
    parser.add_argument("--norm", choices=NORMS, default="filter",
                        help="each filter or layer (tensor) of a direction as long as the weights' own, or of length 1 "
                             "(dfilter, dlayer); each number times the weight; none: as drawn; default filter")  # fmt: skip
    parser.add_argument("--biases", choices=BIASES, default="zero",
                        help="biases, norms and all else of one axis stay (zero; loss-landscape: biasbn), or are a copy of "
                             "the weights in both directions (as it has them without); default zero")  # fmt: skip
    parser.add_argument("--line", choices=DIR_TYPES, default="states",
                        help="what goes from the first of two cells to the second: all of the state, or parameters alone, "
                             "with the first's running statistics; default states")  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Measures and draws; what is of two cells stands with the first."""
    from tables.figures.probes.landscape import line, paths, surfaces

    if len(options.cells) > 2:
        raise UsageError(f"landscape: expected one cell or two, found {len(options.cells)}")
    if len(options.cells) == 1 and options.line != "states":
        raise UsageError(f"landscape: --line {options.line} is about the line between two cells, found one cell")
    cells = [opened(options, text) for text in options.cells]
    if len({cell.key for cell in cells}) < len(cells):
        raise UsageError(f"landscape: expected two cells between which to draw a line, found {cells[0].title} twice")
    found = [_around(cell, options) for cell in cells]
    if len(cells) == 2:
        found[0] |= _between(cells[0], cells[1], options)
    named = [(cell.title, arrays) for cell, arrays in zip(cells, found, strict=True)]
    for place, (cell, arrays) in enumerate(zip(cells, found, strict=True)):
        own = [("", surfaces(named)), ("line", line(cells[0].title, cells[-1].title, arrays))] if not place else []
        cell.write("landscape", arrays, [*own, ("path", paths(cell.title, arrays))])


def _measure(cell: Cell, options: argparse.Namespace) -> Measure:
    examples, setting, values = cell.examples(options.split, options.windows), cell.setting, cell.loss.values
    return lambda model: values(model, examples, setting)


def _around(cell: Cell, options: argparse.Namespace) -> Arrays:
    """The surface around one cell's weights, and along its path."""
    begun, measure = time.perf_counter(), _measure(cell, options)
    x, y = directions(cell.model, options.seed, options.norm, options.biases, options.dir_type)
    at, here = np.linspace(-options.range, options.range, options.grid), measure(cell.model)
    arrays = surface(cell.model, measure, x, y, (at, at)) | {
        "x": at, "y": at, "centre": np.array(here["loss"]), "cosine": np.array(cosine(x, y)),
        "windows": np.array(len(cell.examples(options.split, options.windows))),
        "measure": np.array(cell.loss.title), "example": np.array(cell.loss.example),
        **{name: np.array(getattr(options, name)) for name in ("seed", "split", "norm", "biases", "dir_type")},
    }  # fmt: skip
    over = counted(int(arrays["windows"]), f"{options.split} {cell.loss.example}")
    said = f"{cell.loss.title} {here['loss']:.4f} over {over} at its own weights, "
    said += f"{_ends(arrays['loss'], '.4f')} on the grid"
    if "accuracy" in here:
        arrays["centre_accuracy"] = np.array(here["accuracy"])
        said += f"; accuracy {here['accuracy']:.2f} % and {_ends(arrays['accuracy'], '.2f')} %"
    lost = int((~np.isfinite(arrays["loss"])).sum())
    said += f"; at {counted(lost, 'place')} the loss is no finite number" if lost else ""
    print(f"{cell.key}: {said}; {time.perf_counter() - begun:.0f} s")
    return arrays | _path(cell, options, measure)


def _ends(around: NDArray[Any], form: str) -> str:
    there = around[np.isfinite(around)]
    return f"{there.min():{form}} to {there.max():{form}}" if there.size else "nowhere a finite number"


def _path(cell: Cell, options: argparse.Namespace, measure: Measure) -> Arrays:
    """The kept epochs in their plane, and the loss on it; nothing where fewer than three are kept."""
    epochs, path = [], []
    for number in cell.epochs():
        epochs.append(number)
        path.append(trained(cell.model))
    if len(path) < 3:
        print(f"{cell.key}: {counted(len(path), 'epoch')} kept; a path takes three (run_all.py --keep weights,epochs)")
        return {}
    (x, y), found = plane_of(path, trained(cell.model))
    at = [_axis(found["path"][:, axis], options.grid) for axis in (0, 1)]
    around = surface(cell.model, measure, x, y, (at[0], at[1]))
    return {
        "epochs": np.array(epochs), "path": found["path"], "path_explained": found["explained"], "path_x": at[0],
        "path_y": at[1], **{f"path_{name}": each for name, each in around.items()},
    }  # fmt: skip


def _axis(places: NDArray[Any], count: int) -> NDArray[Any]:
    """From a little below the least place to a little above the greatest, 0, the selected weights, among them."""
    least, most = min(0.0, float(places.min())), max(0.0, float(places.max()))
    beyond = MARGIN * ((most - least) or 1.0)
    return np.linspace(least - beyond, most + beyond, count)


def _between(first: Cell, second: Cell, options: argparse.Namespace) -> Arrays:
    """The loss on the line between two cells' weights; nothing, and a line that says why, where there is none."""
    here, there = first.model.state_dict(), second.model.state_dict()
    if {n: v.shape for n, v in here.items()} != {n: v.shape for n, v in there.items()}:
        print(f"no line between {first.key} and {second.key}: their weights are not of one shape")
        return {}
    if _task(first) != _task(second):
        print(f"no line between {first.key} and {second.key}: they are not of one data set and horizon")
        return {}
    at = np.linspace(-BEYOND, 1 + BEYOND, 4 * (options.grid // 2) + 1)  # 0 and 1 are among them
    found = between(first.model, _measure(first, options), there, at, options.line)
    return {"line_at": at, "line": np.array(options.line), **{f"line_{name}": each for name, each in found.items()}}


def _task(cell: Cell) -> Sequence[Any]:
    own = cell.task.experiment.cell
    return own.dataset, own.horizon, own.lookback


COMMAND = Command(
    "the loss around the weights, between two cells' weights, and along a training",
    "The mean squared error (of images the cross-entropy, and the accuracy) on a grid around the weights, along two random "
    "directions whose filters are as long as the weights' own, biases and norms left as they are, unless options say "
    "otherwise; with two cells, both on one scale, and on the line between their weights; where epochs were kept "
    "(run_all.py --keep weights,epochs), the training's path in the plane in which it lies best.",
    options, run,
)  # fmt: skip
