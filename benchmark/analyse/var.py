"""``python -m benchmark.analysis var KEY``: the VAR weights of SAMoVAR and FixedVAR."""

from __future__ import annotations

import argparse
from functools import partial

from benchmark.analyse.cell import Command, opened
from benchmark.console import whole
from benchmark.errors import counted


def options(parser: argparse.ArgumentParser) -> None:
    """Adds its own."""
    parser.add_argument("cell", metavar="KEY|DIGEST", help="a cell of SAMoVAR or FixedVAR")
    parser.add_argument("--windows", type=partial(whole, least=1), default=3, metavar="N",
                        help="test windows, evenly over the segment; default 3")  # fmt: skip
    parser.add_argument("--released", action="store_true", help="beside them what the released notebook takes for weights")


def run(options: argparse.Namespace) -> None:
    """The weights of some windows; of a VAR process the coefficients that they come to, beside the true ones."""
    from benchmark.analysis.probes.coefficients import WINDOWS, coefficients
    from benchmark.analysis.probes.varweights import var
    from tables.figures.probes import varweights as drawn

    cell = opened(options, options.cell)
    x, dataset = cell.test_windows(options.windows), cell.task.experiment.dataset
    arrays = dict(var(cell.model, x, options.released))
    print(
        f"{cell.key}: VAR weights of {counted(len(x), 'test window')}; weights times keys against the model's own output, "
        f"worst relative error {float(arrays['error_own']):.1e}, of the forecast {float(arrays['error_forecast']):.1e}"
    )
    if options.released:
        print(
            f"what the released notebook takes for weights misses the last token by {float(arrays['error_released']):.0%}"
        )
    figures = list(drawn.figures(arrays, cell.title))
    if dataset.reader == "var":
        found = coefficients(cell.model, cell.test_windows(WINDOWS), dataset, cell.test.scale)
        arrays |= {f"process_{name}": array for name, array in found.items()}
        figures.append(("process", drawn.coefficients(found, cell.key)))
        print(
            f"coefficients beside the process's own, relative error: {float(found['error_held']):.1%} with the VAR weights "
            f"held, {float(found['error_whole']):.1%} of the whole model; of the first step alone "
            f"{float(found['first_held']):.1%} and {float(found['first_whole']):.1%}"
        )
    cell.write("var", arrays, figures)


COMMAND = Command(
    "VAR weights of SAMoVAR and FixedVAR, beside the truth where it is known",
    "Of SAMoVAR and FixedVAR: the exact matrices that take the model's keys to its output, by lag, head and channel; "
    "influence paths, the structural matrix. Of the synthetic set var the coefficients that the model comes to, "
    "beside the process's own.",
    options, run,
)  # fmt: skip
