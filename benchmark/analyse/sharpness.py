"""``python -m benchmark.analysis sharpness KEY …``: how sharp the loss is where a training has ended."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmark.analyse.cell import SPLITS, Cell, Command, of_each, whole_or_all
from benchmark.console import whole
from benchmark.errors import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOWS, VECTORS = 1024, 30


def options(parser: argparse.ArgumentParser) -> None:
    """Adds its own."""
    parser.add_argument("cells", metavar="KEY|DIGEST", nargs="+", help="several share a figure")
    parser.add_argument("--split", choices=SPLITS, default="train", help="whose windows or images; default train")
    parser.add_argument("--windows", type=whole_or_all, default=WINDOWS, metavar="N|all",
                        help=f"so many of them, evenly over the split; default {WINDOWS}")  # fmt: skip
    parser.add_argument("--vectors", type=partial(whole, least=2), default=VECTORS, metavar="N",
                        help=f"random vectors of the trace; default {VECTORS}")  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Measures each cell and says what it comes to; the figure of all of them stands with the first."""
    from tables.figures.probes.sharpness import sharpness

    of_each(
        options, "sharpness", lambda cell: measured(cell, options.split, options.windows, options.vectors),
        lambda found: sharpness([(cell.key, arrays) for cell, arrays in found]),
    )  # fmt: skip


def measured(cell: Cell, split: str, most: int | None, vectors: int) -> dict[str, NDArray[Any]]:
    """The arrays of one cell, which it says in a few lines, too."""
    import numpy as np

    from benchmark.analysis.probes.curvature import ends, released_sharpness, trace

    begun, loss = time.perf_counter(), cell.loss
    examples = cell.examples(split, most)
    of = loss.objective(cell.model, examples, cell.setting)
    arrays = {**ends(of), **trace(of, vectors)}
    arrays |= {
        "loss": np.array(of.value()), "gradient_norm": np.array(np.linalg.norm(of.gradient())),
        "windows": np.array(len(examples)), "split": np.array(split),
        "measure": np.array(loss.title), "example": np.array(loss.example),
    }  # fmt: skip
    said = {name: float(each) for name, each in arrays.items() if each.ndim == 0 and each.dtype.kind in "fi"}
    whole_split = counted(len(cell.examples(split, None)), f"{split} {loss.example}")
    print(
        f"{cell.key}: λmax {said['lambda_max']:.6g} (residual {said['max_residual']:.1e}), λmin {said['lambda_min']:.6g} "
        f"(residual {said['min_residual']:.1e}), trace {said['trace']:.4g} ± {said['trace_error']:.2g} "
        f"({counted(vectors, 'vector')}); {len(examples):,} of {whole_split}, {loss.title} {said['loss']:.4f}, "
        f"{of.size:,} parameters; {time.perf_counter() - begun:.0f} s"
    )
    if loss.summed is None:
        return arrays
    start = np.random.default_rng(0).standard_normal(of.size)
    released = released_sharpness(of, loss.summed(examples), start)
    print(
        f"{cell.key}: SAMformer's released power_iteration gives {released:.6g} at these weights and windows: it is "
        "|⟨gradient, Hv⟩| of the loss summed over windows and steps, which is no eigenvalue and is 0 where the gradient is"
    )
    return arrays | {"released": np.array(released)}


COMMAND = Command(
    "both ends of the Hessian's spectrum, with residuals, and its trace",
    "The largest and the smallest eigenvalue of the Hessian of the mean squared error (images: cross-entropy) over all "
    "trained parameters, by the Lanczos method in float64, each with its residual; the trace by Hutchinson, with its "
    "standard error; and, of windows, what the released power_iteration of SAMformer gives, which is no eigenvalue.",
    options, run,
)  # fmt: skip
