"""``python -m benchmark.analysis training KEY …``: sharpness and attention after each kept epoch of a training."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmark.analyse.cell import SPLITS, Cell, Command, of_each, whole_or_all
from benchmark.console import whole
from benchmark.errors import UsageError, counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOWS = 256


def options(parser: argparse.ArgumentParser) -> None:
    """Adds its own."""
    parser.add_argument("cells", metavar="KEY|DIGEST", nargs="+", help="several share the figure")
    parser.add_argument("--split", choices=SPLITS, default="train", help="whose windows λmax is over; default train")
    parser.add_argument("--windows", type=whole_or_all, default=WINDOWS, metavar="N|all",
                        help=f"so many of them, evenly over the split; default {WINDOWS}")  # fmt: skip
    parser.add_argument("--every", type=partial(whole, least=1), default=1, metavar="N",
                        help="only every so many epochs, and the last one; default 1")  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Measures each cell's epochs; the figure of all of them stands with the first."""
    from tables.figures.probes.training import by_epoch

    of_each(
        options, "training", lambda cell: followed(cell, options.split, options.windows, options.every),
        lambda found: by_epoch([(cell.title, arrays) for cell, arrays in found]),
    )  # fmt: skip


def followed(cell: Cell, split: str, most: int | None, every: int) -> dict[str, NDArray[Any]]:
    """The arrays of one cell, of which it says the first and the last epoch, too.

    Raises UsageError where no epochs are kept.
    """
    import numpy as np

    from benchmark.analysis.probes.attention import WINDOWS, attention
    from benchmark.analysis.probes.curvature import largest
    from benchmark.analysis.probes.windows import objective

    begun, history = time.perf_counter(), cell.task.result.epochs
    windows, seen = cell.windows(split, most), cell.test_windows(WINDOWS)
    epochs: dict[int, dict[str, float]] = {}
    for number in cell.epochs():
        if (number - 1) % every and number != len(history):
            continue
        found = largest(objective(cell.model, windows, cell.training.setting))
        try:
            seen_entropy = float(attention(cell.model, seen)["entropy"])
        except UsageError:  # another kind of model: its attention is not read
            seen_entropy = float("nan")
        epochs[number] = {"lambda_max": float(found["lambda_max"]), "max_residual": float(found["max_residual"]),
                          "entropy": seen_entropy, "val_mse": history[number - 1].get("val_mse", float("nan"))}  # fmt: skip
    if not epochs:
        raise UsageError(f"{cell.key}: no epochs are kept; run_all.py --keep weights,epochs trains it again")
    arrays = {name: np.array([each[name] for each in epochs.values()]) for name in next(iter(epochs.values()))}
    has_attention = bool(np.isfinite(arrays["entropy"]).any())
    arrays |= {
        "epochs": np.array(list(epochs), dtype=np.int64), "windows": np.array(len(windows)), "split": np.array(split),
        "channels": np.array(seen.shape[-1]), "count": np.array(len(seen) if has_attention else 0),
    }  # fmt: skip
    sharp, entropy = arrays["lambda_max"], arrays["entropy"]
    ends = f"row entropy {entropy[0]:.3f} and {entropy[-1]:.3f} (at most {np.log(seen.shape[-1]):.3f}); "
    print(
        f"{cell.key}: λmax {sharp[0]:.4g} after epoch {min(epochs)}, {sharp[-1]:.4g} after epoch {max(epochs)} (largest "
        f"residual {arrays['max_residual'].max():.1e}); {ends if has_attention else ''}"
        f"{counted(len(windows), f'{split} window')}, {counted(len(epochs), 'epoch')}; {time.perf_counter() - begun:.0f} s"
    )
    return arrays


COMMAND = Command(
    "sharpness and attention by epoch",
    "After each epoch whose weights are kept (run_all.py --keep weights,epochs): the largest eigenvalue of the Hessian of "
    "the mean squared error, as the command sharpness has it of the selected weights, and of SAMformer and Transformer the "
    "row entropy of their attention, beside the validation error.",
    options, run,
)  # fmt: skip
