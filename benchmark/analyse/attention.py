"""``python -m benchmark.analysis attention KEY …``: SAMformer's attention over channels."""

from __future__ import annotations

import argparse

from benchmark.analyse.cell import Command, opened
from benchmark.errors import counted


def options(parser: argparse.ArgumentParser) -> None:
    """Adds its own."""
    parser.add_argument("cells", metavar="KEY|DIGEST", nargs="+", help="several share the figure by epoch")


def run(options: argparse.Namespace) -> None:
    """Each cell's matrices, and entropy and rank by epoch of all of them in one figure, which stands with the first."""
    import numpy as np

    from benchmark.analysis.probes.attention import WINDOWS, attention
    from tables.figures.probes.attention import by_epoch, matrices

    found = []
    for text in options.cells:
        cell = opened(options, text)
        x = cell.test_windows(WINDOWS)
        selected = attention(cell.model, x)
        epochs = {number: attention(cell.model, x) for number in cell.epochs()}
        arrays = {f"selected_{name}": array for name, array in selected.items()} | {
            "count": np.array(len(x)), "channels": np.array(x.shape[-1])
        }  # fmt: skip
        for name, array in selected.items():
            arrays[name] = np.array([each[name] for each in epochs.values()]).reshape(-1, *array.shape)
        arrays["epochs"] = np.array(list(epochs), dtype=np.int64)
        found.append((cell, arrays))
    together = by_epoch([(cell.title, arrays) for cell, arrays in found])
    for place, (cell, arrays) in enumerate(found):
        values = {name: float(arrays[f"selected_{name}"]) for name in ("entropy", "rank", "diagonal")}
        channels = int(arrays["channels"])
        print(
            f"{cell.key}: row entropy {values['entropy']:.3f} (at most {np.log(channels):.3f}), effective rank "
            f"{values['rank']:.2f} of {channels}, diagonal {values['diagonal']:.3f}; mean of "
            f"{counted(int(arrays['count']), 'test window')}"
        )
        if not len(arrays["epochs"]):
            print(f"{cell.key}: no epochs are kept; run_all.py --keep weights,epochs keeps them, for a figure by epoch")
        cell.write("attention", arrays, [("", matrices(arrays, cell.title)), ("epochs", None if place else together)])


COMMAND = Command(
    "attention over channels: matrices, row entropy, effective rank, by epoch",
    "Of SAMformer and Transformer: the attention matrices on test windows, the entropy of their rows, their effective "
    "rank; by epoch where a run has kept the epochs (run_all.py --keep weights,epochs).",
    options, run,
)  # fmt: skip
