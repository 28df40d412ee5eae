"""``python -m benchmark.analysis attention|var KEY``: what a trained model does inside, from its kept weights.

The one file of this folder that stands above it: it loads a cell, has a probe look at it, writes the arrays to
``analysis/<digest>/`` and has the tables' renderer draw them. A probe is a function in `benchmark.analysis.probes`, its
figure one in `tables.figures.probes`, and a command here the few lines between them.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.console import Parser, command, whole
from benchmark.errors import counted
from benchmark.files import write_atomically
from benchmark.store.kept import Kept

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from baselines.base import Forecaster
    from benchmark.load import Task
    from benchmark.problems.forecasting import HeldWindows
    from tables.figures.data import Figure


@dataclass(frozen=True)
class Cell:
    """A trained cell. model: with its selected weights, in eval mode. task: its windows. kept: where its files stand."""

    model: Forecaster
    task: Task
    kept: Kept

    @property
    def key(self) -> str:
        """Its key."""
        return self.task.result.key

    @property
    def test(self) -> HeldWindows:
        """Its test windows."""
        from benchmark.problems.forecasting import HeldWindows

        assert isinstance(self.task.test, HeldWindows)
        return self.task.test

    def test_windows(self, most: int) -> Tensor:
        """So many test windows x [N, L, C], evenly over the segment; all, where there are fewer."""
        return self.test.windows.evenly(most).batch(slice(None)).x

    def epochs(self) -> Iterator[int]:
        """The epochs whose weights are kept, from 1; within an iteration the model has these, and afterwards its own."""
        from benchmark.load import with_weights

        for number in range(1, len(self.task.result.epochs) + 1):
            if self.kept.epoch(number).is_file():
                with_weights(self.model, self.kept.epoch(number))
                yield number
        with_weights(self.model, self.kept.weights)

    def write(self, name: str, arrays: Mapping[str, NDArray[Any]], figures: Sequence[tuple[str, Figure | None]]) -> None:
        """Writes ``<name>.npz``, and of each figure (suffix, figure) ``<name>.<suffix>.png`` and ``.svg``; says where."""
        import numpy as np

        from tables.figures.matplotlib_renderer import pictures

        result, out = self.task.result, io.BytesIO()
        about = {"key": result.key, "digest": result.digest, "metrics": dict(result.metrics)}
        named: dict[str, Any] = {"about": np.array(json.dumps(about)), **arrays}
        np.savez_compressed(out, **named)
        files = {f"{name}.npz": out.getvalue()}
        for suffix, figure in figures:
            if figure is not None:
                files |= {f"{'.'.join(filter(None, (name, suffix)))}.{k}": v for k, v in pictures(figure).items()}
        for file, content in files.items():
            write_atomically(self.kept.analysis / file, content)
        print(f"written: {self.kept.analysis}/{', '.join(files)}")


def opened(options: argparse.Namespace, cell: str) -> Cell:
    """A cell of the command line. Raises UsageError where it cannot be loaded, as `benchmark.load` says."""
    from benchmark.load import load

    model, task = load(cell, options.results_dir, data_dir=options.data_dir, config=options.config)
    return Cell(model, task, Kept(options.results_dir, task.result.digest))


def _attention_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cells", metavar="KEY|DIGEST", nargs="+", help="several share the figure by epoch")


def _attention(options: argparse.Namespace) -> None:
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
        arrays = {f"selected_{name}": array for name, array in selected.items()} | {"count": np.array(len(x))}
        for name, array in selected.items():
            arrays[name] = np.array([each[name] for each in epochs.values()]).reshape(-1, *array.shape)
        arrays["epochs"] = np.array(list(epochs), dtype=np.int64)
        found.append((cell, arrays))
    together = by_epoch([(cell.task.result.title, arrays) for cell, arrays in found])
    for place, (cell, arrays) in enumerate(found):
        values = {name: float(arrays[f"selected_{name}"]) for name in ("entropy", "rank", "diagonal")}
        channels = arrays["selected_mean"].shape[-1]
        print(
            f"{cell.key}: row entropy {values['entropy']:.3f} (at most {np.log(channels):.3f}), effective rank "
            f"{values['rank']:.2f} of {channels}, diagonal {values['diagonal']:.3f}; mean of "
            f"{counted(int(arrays['count']), 'test window')}"
        )
        if not len(arrays["epochs"]):
            print(f"{cell.key}: no epochs are kept; run_all.py --keep weights,epochs keeps them, for a figure by epoch")
        cell.write(
            "attention", arrays, [("", matrices(arrays, cell.task.result.title)), ("epochs", None if place else together)]
        )


def _var_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cell", metavar="KEY|DIGEST", help="a cell of SAMoVAR or FixedVAR")
    parser.add_argument("--windows", type=partial(whole, least=1), default=3, metavar="N",
                        help="test windows, evenly over the segment; default 3")  # fmt: skip
    parser.add_argument("--released", action="store_true", help="beside them what the released notebook takes for weights")


def _var(options: argparse.Namespace) -> None:
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
    figures = list(drawn.figures(arrays, cell.key))
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


@dataclass(frozen=True)
class Command:
    """A subcommand. summary: its line of the help. about: more of it. options: adds its own. run: does it."""

    summary: str
    about: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


COMMANDS: Mapping[str, Command] = {
    "attention": Command(
        "attention over channels: matrices, row entropy, effective rank, by epoch",
        "Of SAMformer and Transformer: the attention matrices on test windows, the entropy of their rows, their effective "
        "rank; by epoch where a run has kept the epochs (run_all.py --keep weights,epochs).",
        _attention_options, _attention,
    ),
    "var": Command(
        "VAR weights of SAMoVAR and FixedVAR, beside the truth where it is known",
        "Of SAMoVAR and FixedVAR: the exact matrices that take the model's keys to its output, by lag, head and channel; "
        "influence paths, the structural matrix. Of the synthetic set var the coefficients that the model comes to, "
        "beside the process's own.",
        _var_options, _var,
    ),
}  # fmt: skip


def parser() -> Parser:
    """The commands and their options."""
    main = Parser(prog="python -m benchmark.analysis", description="Looks into a trained model with kept weights.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, each in COMMANDS.items():
        one = commands.add_parser(name, help=each.summary, description=each.about)
        each.options(one)
        one.add_argument("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="default: results/")
        one.add_argument("--data-dir", metavar="DIR", help="default: $BENCHMARK_DATA_DIR, else data/")
        one.add_argument("--config", action="append", type=Path, default=[], metavar="FILE",
                         help="the YAML of your own that the cell was run with; repeatable")  # fmt: skip
    return main


def main(arguments: list[str] | None = None) -> int:
    """Probes and writes; returns the exit status: 0, or 2 for what cannot be asked."""
    with command("python -m benchmark.analysis") as ended:
        options = parser().parse_args(arguments)
        COMMANDS[options.command].run(options)
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
