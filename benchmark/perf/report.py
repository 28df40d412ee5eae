"""What was measured, as Markdown and as JSON."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from tabulate import tabulate

from benchmark.errors import counted
from benchmark.perf import kernels
from benchmark.perf.kernels import Counted, Work
from benchmark.perf.replicas import Table, Together
from benchmark.perf.steps import Measured


@dataclass(frozen=True)
class Report:
    """One run of `benchmark.perf`. None: not measured.

    device: cpu or cuda. processor: its name. matmul: FLOP/s of a matrix product there. steps: what was measured of each
    model's step. together: of steps of several trainings as one program. table: of SAMformer's table by such. kernels: what
    a CUDA device has to do for such a step. cell_seconds: around one cell. two_workers: cells an hour, over those of one.
    full_store: seconds of a plan and of all tables with 20,000 Results.
    """

    device: str
    processor: str
    matmul: float
    steps: tuple[Measured, ...]
    together: tuple[Together, ...] = ()
    table: Table | None = None
    kernels: tuple[Counted, ...] = ()
    cell_seconds: float | None = None
    two_workers: float | None = None
    full_store: Mapping[str, float] | None = None

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        plain = asdict(self)
        for entry, step in zip(plain["steps"], self.steps, strict=True):
            entry["floor"] = step.floor(self.matmul)
        return plain | {"torch": torch.__version__, "python": platform.python_version()}

    def markdown(self) -> str:
        """Tables, each with a sentence that says what stands in it."""
        clock = "this process's CPU time" if self.device == "cpu" else "the clock"
        parts = [
            f"Measured on {self.processor}, one thread, torch {torch.__version__}, by `python -m benchmark.perf`: ours and "
            f"the plain reference (`benchmark/perf/reference.py`) in turns, by {clock}; ours in a worker of the suite's, "
            "which keeps freed memory, the reference in a process as it comes.",
        ]
        if self.steps:
            parts += [
                "## A training step",
                self._steps(),
                "Ratio: plain over ours, the median of the turns and their range. Floor: the step's matrix products "
                f"(forward, backward, SAM's second pass) at {self.matmul / 1e9:.0f} GFLOP/s, which a product of two 1024 × "
                "1024 float32 matrices reaches here. Outside: the share of the loop that is not forward, backward, SAM's "
                "moves, clipping or optimizer. Memory: the peak of the whole process, torch included.",
                "## What is left of a step",
                self._left(),
            ]
        if self.together:
            parts += ["## Several trainings as one program", self._together()]
            parts += [f"{each.case.name}: {line}." for each in self.together for line in each.said]
        if self.table is not None:
            parts.append(self._table(self.table))
        if self.kernels:
            parts += ["## What a CUDA device has to do for a step", self._kernels(), KERNELS]
            parts += [f"No CUDA graph of {each.case.name}: {line}." for each in self.kernels for line in refused(each)]
        around = self._around()
        if around:
            head = ["what", "measured"]
            align = ("left", "right")
            table = tabulate(around, head, tablefmt="pipe", disable_numparse=True, colalign=align)
            parts += ["## Around the training", str(table)]
        return "\n\n".join(parts) + "\n"

    def _steps(self) -> str:
        head = ["model", "shape", "ours, ms", "plain, ms", "ratio", "floor, ms", "of the machine's FLOP/s", "outside",
                "memory, MB"]  # fmt: skip
        return str(tabulate([self._row(m) for m in self.steps], head, tablefmt="pipe", disable_numparse=True,
                            colalign=("left", "left", *["right"] * 7)))  # fmt: skip

    def _row(self, m: Measured) -> list[str]:
        name = f"{m.case.column} ({m.case.paper})" + (", SAM" if m.sam else "")
        shape = f"L {m.lookback}, H {m.case.horizon}, C {m.channels}"
        memory = "–" if m.memory is None else f"{m.memory / 1e6:.0f}"
        share = m.floor(self.matmul) / m.ours
        return [name, shape, f"{m.ours:.1f}", f"{m.plain:.1f}", f"{m.ratio:.2f} ({min(m.ratios):.2f}–{max(m.ratios):.2f})",
                f"{m.floor(self.matmul):.1f}", f"{share:.0%}", f"{m.overhead:.1%}", memory]  # fmt: skip

    def _together(self) -> str:
        counts = sorted({count for each in self.together for count in each.step})
        groups = sorted({count for each in self.together for count in each.at_once})
        head = ["model, ms a step", "alone", *(f"as one: {count}" for count in counts), "CUDA graphs",
                *(f"programs of 5: {count}" for count in groups)]  # fmt: skip
        rows = [
            [f"{each.case.name}{', SAM' if each.sam else ''}, L {each.lookback}", f"{each.alone:.2f}",
             *(f"{each.step[count]:.2f}" for count in counts), "yes" if each.graphs else "no",
             *(f"{each.at_once[count]:.2f}" for count in groups)] for each in self.together
        ]  # fmt: skip
        return str(tabulate(rows, head, tablefmt="pipe", disable_numparse=True))

    def _table(self, table: Table) -> str:
        each = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in table.parts.items())
        cells = counted(table.cells, "cell")
        more = "".join(
            f"; {count} at a time, as its first column takes them: {s:.0f} s" for count, s in table.at_once.items()
        )
        return (
            f"SAMformer's table on the four ETT sets, {cells}, five seeds as one program, one program at a time: "
            f"{table.seconds:.0f} s of training and validation ({each}){more}; estimated from steps and validations at "
            "horizon 96 and from the epochs that cells have taken; starting the command, tests and tables are not in it."
        )

    def _kernels(self) -> str:
        counts = sorted({count for each in self.kernels for count in each.step})
        head = ["model", *(f"{what}: {count}" for count in counts for what in ("kernels", "GB", "estimated ms"))]
        rows = [
            [f"{each.case.name}{', SAM' if each.sam else ''}, L {each.lookback}",
             *(cell for count in counts for cell in work_cells(each.step[count]))] for each in self.kernels
        ]  # fmt: skip
        return str(tabulate(rows, head, tablefmt="pipe", disable_numparse=True))

    def _left(self) -> str:
        rows = [[m.case.column, f"{m.ours / m.floor(self.matmul):.1f} ×", *(f"{n} {share:.0%}" for n, share in m.costliest)]
                for m in self.steps]  # fmt: skip
        head = ["model", "from its floor", "costliest operation", "second"]
        return str(tabulate(rows, head, tablefmt="pipe", disable_numparse=True))

    def _around(self) -> Sequence[Sequence[str]]:
        rows = []
        if self.cell_seconds is not None:
            what = "a cell in a warm worker, outside its training loop, MLflow included"
            rows.append([what, f"{self.cell_seconds:.2f} s"])
        if self.two_workers is not None:
            rows.append(["cells an hour of two workers, over those of one", f"{self.two_workers:.2f} ×"])
        if self.full_store is not None:
            found = self.full_store
            count = f"with {found['results']:,.0f} Results"
            rows.append([f"`run_all.py --dry-run` of {found['planned']:,.0f} cells {count}", f"{found['dry_run']:.2f} s"])
            rows.append([f"`python -m tables render --no-figures` {count}", f"{found['tables']:.1f} s"])
            rows.append([f"`python -m tables render` {count}", f"{found['with_figures']:.1f} s"])
        return rows


KERNELS = (
    "Counted without a device, a step of so many trainings as one program, in float32: an operation is a kernel, GB is "
    "what they read and write. Estimated: each kernel takes the longest of "
    f"{kernels.LAUNCH * 1e6:.1f} µs, its bytes at {kernels.BANDWIDTH / 1e12:.1f} TB/s and its products at "
    f"{kernels.SPEED / 1e12:.0f} TFLOP/s; no measurement."
)


def work_cells(work: Work) -> list[str]:
    """Kernels, gigabytes, estimated milliseconds."""
    return [str(work.kernels), f"{work.bytes / 1e9:.2f}", f"{work.seconds * 1e3:.2f}"]


def refused(counted: Counted) -> list[str]:
    """What keeps a step or a validation from being recorded, each once."""
    return list(dict.fromkeys(line for work in (*counted.step.values(), counted.validation) for line in work.refused))
