"""The files of a cell as artifacts of its run: its log, its Result, a picture of its forecast."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

Picture = Callable[[Path, str], bytes | None]
"""From a cell's file of kept forecasts, and the cell's key, to a PNG of them; None where there is nothing to draw."""
ATTACHED, ALL, BUT_PICTURES = "attached", "yes", "yes, but for pictures"
"""The tag of a run that has its files, and what it says: an invocation with `--no-figures` draws none."""


@dataclass(frozen=True)
class Shown:
    """A run that shows a Result: the run's id, the Result's key and digest, which files the run says it has."""

    run_id: str
    key: str
    digest: str
    attached: str


def attach(
    client: MlflowClient, shown: Iterable[Shown], results_dir: Path, picture: Picture | None, seconds: float = float("inf")
) -> int:
    """Gives runs their files, as far as there are any and they have not got them; returns how many were left out because
    `seconds` were over. picture: None where none are wanted. Raises what MLflow raises."""
    end, left = time.monotonic() + seconds, 0
    enough = (ALL,) if picture is not None else (ALL, BUT_PICTURES)
    for run in shown:
        if run.attached in enough:
            continue
        if time.monotonic() > end:
            left += 1
            continue
        with tempfile.TemporaryDirectory() as folder:
            if _collect(Path(folder), results_dir, run, picture):
                client.log_artifacts(run.run_id, folder)
        client.set_tag(run.run_id, ATTACHED, enough[-1])
    return left


def _collect(folder: Path, results_dir: Path, run: Shown, picture: Picture | None) -> bool:
    """Puts a cell's files into a folder, by names that say what they are; whether there is any."""
    for name, place in (("log.txt", f"logs/{run.digest}.log"), ("result.json", f"cells/{run.digest}.json")):
        if (results_dir / place).is_file():
            copyfile(results_dir / place, folder / name)
    kept = results_dir / "forecasts" / f"{run.digest}.npz"
    drawn = picture(kept, run.key) if picture is not None and kept.is_file() else None
    if drawn is not None:
        (folder / "forecast.png").write_bytes(drawn)
    return any(folder.iterdir())
