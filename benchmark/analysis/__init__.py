"""Probes: what is looked at in a trained model. Each is a function (model, test examples) → arrays by name."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.forecasts import worst_median_best
from benchmark.files import write_atomically

Arrays = Mapping[str, NDArray[Any]]
Probe = Callable[[Any, Any], Arrays]

PROBES: Mapping[str, Mapping[str, Probe]] = {"forecasting": {"forecasts": worst_median_best}, "images": {}}
"""By workload, those that every cell keeps, by the folder below the results where their arrays stand."""


def keep(workload: str, model: Any, held: Any, results_dir: Path, digest: str) -> None:
    """Writes what the workload's probes see to ``FOLDER/<digest>.npz``.

    It is a picture beside the Result: a disk that does not take it fails no cell.
    """
    for folder, probe in PROBES[workload].items():
        out = io.BytesIO()
        arrays: dict[str, Any] = dict(probe(model, held))
        np.savez_compressed(out, **arrays)
        with suppress(OSError):
            write_atomically(results_dir / folder / f"{digest}.npz", out.getvalue())
