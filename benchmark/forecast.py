"""``python -m benchmark.forecast KEY --input FILE.csv``: what a trained model says of the steps after a file's last row."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.console import Parser, add_places_of_a_cell, command, place
from benchmark.errors import DataError, UsageError, counted
from benchmark.files import write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from baselines.base import Forecaster
    from benchmark.data.text.dates import Stamps
    from benchmark.load import Task

    Array = NDArray[np.float64]

PROGRAM = "python -m benchmark.forecast"
MOST_NAMED = 5


@dataclass(frozen=True)
class Given:
    """A file's rows. values [T, C]: on their own scale, the channels as the model has them, by `names`. stamps [T]. date:
    the name of the column of dates. written: the channels in the order of the file."""

    values: Array
    stamps: Stamps
    names: Sequence[str]
    date: str
    written: Sequence[str]


def read(path: Path, task: Task) -> Given:
    """The rows of a CSV as a task's data file has its own: dates first, the same columns in any order, no holes but those
    that the data set's YAML has filled.

    Raises DataError for a file that is not so, UsageError for one that is not there or has other columns or too few rows.
    """
    from benchmark.data import readers, series
    from benchmark.data.text import dates

    dataset, recipe = task.experiment.dataset, task.experiment.recipe
    if not path.is_file():
        raise UsageError(f"--input {path}: expected a CSV, found {'a folder' if path.is_dir() else 'no such file'}")
    of_csv = dataset.reader == "csv"
    target, rules = (dataset.options.get("target"), readers.rules_of(dataset)) if of_csv else (None, None)
    date, written = readers.header(path)
    known = None
    if of_csv and task.experiment.data_path is not None:
        known = readers.in_order(task.experiment.data_path, readers.header(task.experiment.data_path)[1], target)
    if date in (known or ()):
        raise UsageError(f"--input {path}: expected dates in its first column, found the channel '{date}'")
    _check_columns(path, written, known, dataset.channels, dataset.name)
    table = readers.read_csv(path, target, rules)
    found = readers.in_order(path, written, target)
    names = known or found
    values = table.values[:, [found.index(name) for name in names]]
    values = series.masked(values) if recipe.task.mask_sentinels else values
    if recipe.task.features == "S":
        values, names = values[:, -1:], names[-1:]
    if len(values) < recipe.lookback:
        least = counted(recipe.lookback, "row")
        raise UsageError(f"--input {path}: expected at least {least}, the look-back of the model, found {len(values)}")
    stamps = readers.axis_of(dataset, path) if rules is not None else dates.column(path).stamps
    return Given(values, stamps, names, date, written)


def _check_columns(path: Path, found: Sequence[str], known: Sequence[str] | None, channels: int | None, name: str) -> None:
    """Raises UsageError for other columns than those of the data set of that name, or another number of them."""
    if known is None:
        if channels is not None and len(found) != channels:
            raise UsageError(f"--input {path}: expected {counted(channels, 'channel')}, as {name} has, found {len(found)}")
        return
    lacks, more = ([n for n in these if n not in those] for these, those in ((known, found), (found, known)))
    if lacks or more:
        said = [f"{what} {', '.join(map(repr, which[:MOST_NAMED]))}{', …' if len(which) > MOST_NAMED else ''}"
                for what, which in (("it lacks", lacks), ("it has besides", more)) if which]  # fmt: skip
        raise UsageError(f"--input {path}: expected the {counted(len(known), 'channel')} of {name}; {', and '.join(said)}")


def forecast(model: Forecaster, task: Task, given: Given) -> tuple[Array, Stamps]:
    """The forecast [H, C'] of the steps after the last row, on the file's own scale, and their moments [H].

    Raises DataError where the rows of the last window have no constant step, so that nothing tells these.
    """
    import numpy as np
    import pandas as pd
    import torch

    from benchmark.data import readers, series
    from benchmark.data.text import gaps
    from benchmark.problems.forecasting import HeldWindows

    assert isinstance(task.test, HeldWindows) and task.test.scale is not None
    windows, scale = task.test.windows, task.test.scale
    rules = readers.rules_of(task.experiment.dataset) or gaps.Rules()
    moments = gaps.following(given.stamps[-max(windows.lookback, LEAST_ROWS) :], rules, windows.horizon)
    last = series.standardise(given.values, scale.mean, scale.deviation)
    last = gaps.previous(pd.DataFrame(last)).to_numpy(np.float64)[-windows.lookback :]
    x = torch.from_numpy(last.astype(np.float32))[None].to(windows.series.device)  # [1, L, C]
    marks = None
    if windows.marks is not None:
        seconds = given.stamps[-windows.lookback :].astype("datetime64[s]").astype(np.int64)
        marks = torch.from_numpy(series.marks(seconds))[None].to(x.device)  # [1, L, F]
    channels = windows.asked.shape[0]
    with torch.no_grad():
        standardised = model(x, marks).flatten(0, -3)[0, :, -channels:].double().cpu().numpy()  # [H, C']
    return standardised * scale.deviation[-channels:] + scale.mean[-channels:], moments


LEAST_ROWS = 3
"""Of a file, from which its step is told."""


def other_step(task: Task, moments: Stamps) -> str | None:
    """What to know of a file whose step is not that of the data that the model was trained on; None where it is, or where
    nothing says so."""
    from benchmark.data.text import steps

    trained = steps.parse(task.experiment.dataset.step)
    if trained is None or trained.microseconds is None or len(moments) < 2:
        return None
    found = int((moments[1] - moments[0]).astype("timedelta64[us]").astype(int))
    return (
        None
        if found == trained.microseconds
        else f"its step is {steps.in_words(found)}, the model was trained on {trained}"
    )


def as_csv(given: Given, values: Array, moments: Stamps) -> str:
    """The forecast [H, C'] as a CSV with the columns of the file, in its order."""
    import pandas as pd

    names = list(given.names[-values.shape[1] :])
    frame = pd.DataFrame(values, columns=names)[[name for name in given.written if name in names]]
    frame.insert(0, given.date, moments)
    return frame.to_csv(index=False, float_format="%.7g", lineterminator="\n")


def picture(cell: str, given: Given, values: Array) -> bytes:
    """The end of the file and the forecast [H, C'] after it, as a PNG. cell: as a picture of it is headed."""
    from tables.figures import forecast as figures
    from tables.figures.matplotlib_renderer import pictures

    channels, last = values.shape[1], str(given.stamps[-1]).replace("T", " ").removesuffix(".000000")
    past = given.values[-2 * len(values) :, -channels:]
    return pictures(figures.ahead(past, values, given.names[-channels:], f"{cell}: after {last}"))["png"]


def parser() -> Parser:
    """The cell, the file and where the forecast goes."""
    main = Parser(prog=PROGRAM, description="A trained model's forecast of the steps after the last row of a CSV.")
    main.add_argument("cell", metavar="KEY|DIGEST", help="a cell that was trained with --keep weights")
    main.add_argument("--input", type=place, required=True, metavar="FILE",
                      help="a CSV with the columns of the cell's data set, dates first")  # fmt: skip
    main.add_argument("--output", type=place, metavar="FILE",
                      help="default: here, the name of the CSV and .forecast.csv; the picture has .png")  # fmt: skip
    main.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    add_places_of_a_cell(main)
    return main


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, 1 (the disk does not take the forecast), 2 (usage, a file that is none), 130."""
    with command(PROGRAM) as ended:
        options = parser().parse_args(arguments)
        path: Path = options.output or Path(f"{options.input.name.partition('.')[0]}.forecast.csv")
        beside = path.with_suffix(".png")
        if path.resolve() == options.input.resolve() or path == beside:
            raise UsageError(f"--output {path}: give another name, which ends in .csv")
        from benchmark.load import load

        model, task = load(options.cell, options.results_dir, device=options.device, data_dir=options.data_dir,
                           config=options.config)  # fmt: skip
        try:
            given = read(options.input, task)
            values, moments = forecast(model, task, given)
        except DataError as error:
            raise UsageError(f"--input {error}") from None
        if said := other_step(task, moments):
            print(f"{PROGRAM}: --input {options.input}: {said}", file=sys.stderr)
        write_atomically(path, as_csv(given, values, moments))
        write_atomically(beside, picture(task.result.title, given, values))
        print(f"written: {path}\nwritten: {beside}")
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
