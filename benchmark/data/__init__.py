"""What data sets there are, their files, and how a series becomes windows."""

from __future__ import annotations

from benchmark.data.registry import DATASETS, DataSet


def optimum(dataset: DataSet | str, lookback: int, horizon: int) -> float | None:
    """The least expected test MSE that is possible, on the scale of the metrics; None where it is not known.

    Imports neither torch nor, for a set of which none is known, numpy.
    """
    entry = DATASETS.get(dataset) if isinstance(dataset, str) else dataset
    if entry is None or entry.file is not None:
        return None
    from benchmark.data import synthetic

    return synthetic.optimum(entry, lookback, horizon)
