"""What is kept of a trained cell beside its Result: its weights, all test forecasts, the weights of each epoch.

Only where the files stand and whose they are: `benchmark.analysis.kept` writes them, `benchmark.load` reads them.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError
from benchmark.files import write_atomically
from benchmark.store.result import Result

WEIGHTS, PREDICTIONS, EPOCHS = KINDS = ("weights", "predictions", "epochs")
"""What may be kept, as `--keep` has it."""
ABOUT = "about.json"
"""Of a file of predictions, the member that says whose they are."""
OBJECTS = ("recipe", "metrics", "epoch")
"""Of what a header says of weights, what is JSON; all else is plain text."""


@dataclass(frozen=True)
class Kept:
    """The kept files of one cell. root: the results folder. digest: the cell's."""

    root: Path
    digest: str

    @property
    def weights(self) -> Path:
        """The weights that the recipe selects, by name."""
        return self.root / "weights" / f"{self.digest}.safetensors"

    @property
    def predictions(self) -> Path:
        """The forecasts of all test windows."""
        return self.root / "predictions" / f"{self.digest}.npz"

    @property
    def folder(self) -> Path:
        """Of the weights by epoch."""
        return self.root / "weights" / self.digest

    def epoch(self, number: int) -> Path:
        """The weights after an epoch, from 1."""
        return self.folder / f"epoch-{number}.safetensors"

    @property
    def analysis(self) -> Path:
        """The folder of what `python -m benchmark.analysis` has found in its weights."""
        return self.root / "analysis" / self.digest

    def lacks(self, wanted: tuple[str, ...], result: Result) -> bool:
        """Whether something of what is wanted is not there, or is of another training than a done Result."""
        last = len(result.epochs)
        if EPOCHS in wanted and last:
            if not all(self.epoch(number).is_file() for number in range(1, last + 1)):
                return True
            if about_weights(self.epoch(last)).get("epoch") != of_epoch(result.epochs[-1]):
                return True
        weights = about_weights(self.weights) if WEIGHTS in wanted else None
        predictions = about_predictions(self.predictions) if PREDICTIONS in wanted else None
        said = [about.get("metrics") for about in (weights, predictions) if about is not None]
        return any(metrics != dict(result.metrics) for metrics in said)

    def begin_epochs(self) -> None:
        """Takes away the epochs of an earlier training: one that begins anew may have fewer."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def files(self) -> dict[str, bytes]:
        """All that is there, by its place below the results folder, to be sent."""
        paths = [self.weights, self.predictions, *sorted(self.folder.glob("epoch-*.safetensors"))]
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths if path.is_file()}

    def take(self, files: Mapping[str, bytes]) -> None:
        """Puts files that were sent where they belong. Raises OSError where the disk does not take one."""
        if any(name.startswith(f"weights/{self.digest}/") for name in files):
            self.begin_epochs()
        for name, content in files.items():
            write_atomically(self.root / name, content)

    def clear(self) -> None:
        """Takes all of it away."""
        self.begin_epochs()
        for path in (self.weights, self.predictions):
            path.unlink(missing_ok=True)


def of_epoch(entry: Mapping[str, float]) -> dict[str, float]:
    """What is the same again of an epoch of a Result's history."""
    return {name: value for name, value in entry.items() if name != "seconds"}


def about_weights(path: Path) -> dict[str, Any]:
    """What the header of a file of weights says: key, digest, recipe, metrics, … Nothing, where there is no such file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return {}
    try:
        with safe_open(path, "np") as file:
            said = file.metadata() or {}
        return {name: json.loads(value) if name in OBJECTS else value for name, value in said.items()}
    except (OSError, SafetensorError, ValueError):
        return {}


def about_predictions(path: Path) -> dict[str, Any]:
    """The same of a file of predictions."""
    if not path.is_file():
        return {}
    try:
        with zipfile.ZipFile(path) as file:
            said = json.loads(file.read(ABOUT))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def check_folders(root: Path, wanted: tuple[str, ...]) -> None:
    """Raises UsageError where a folder for what is to be kept cannot be written to."""
    for name in sorted({"predictions" if kind == PREDICTIONS else "weights" for kind in wanted}):
        path = root / name
        if os.path.lexists(path) and not (path.is_dir() and os.access(path, os.W_OK)):
            raise UsageError(
                f"--keep: {path} is no folder that can be written to; move it away, or give another --results-dir"
            )


def drafts(root: Path) -> Iterator[Path]:
    """What killed processes may have left half-written of kept files."""
    for folder in (root / "weights", root / "predictions"):
        yield from folder.glob(".*.tmp")
    yield from (root / "weights").glob("*/.*.tmp")
