"""``python -m benchmark.perf``: how fast the suite is here, beside plain implementations measured in the same run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmark.console import Parser, command, names, spelt
from benchmark.errors import UsageError
from benchmark.files import write_atomically

PARTS = ("steps", "replicas", "kernels", "harness", "store")


def parser() -> Parser:
    """The options."""
    main = Parser(prog="python -m benchmark.perf", description=__doc__)
    main.add_argument("--parts", type=names, default=PARTS, metavar="P[,P…]",
                      help="steps (training), replicas (several trainings as one program), kernels (what a CUDA "
                           "device has to do for such a step, counted without one), harness (around a cell), store (20,000 "
                           "Results); default: all")  # fmt: skip
    main.add_argument("--models", type=names, metavar="M[,M…]",
                      help="columns to measure; default: all that have a reference")  # fmt: skip
    main.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    main.add_argument("--turns", type=int, default=7, metavar="N", help="how often ours and plain take turns; default 7")
    main.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    main.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints, writes; returns the exit status: 0, or 2 for what cannot be asked."""
    with command("python -m benchmark.perf") as ended:
        _measure(parser().parse_args(arguments))
    return ended.status


def _measure(options: argparse.Namespace) -> None:
    parts = spelt("--parts", options.parts, PARTS)
    if options.turns < 1:
        raise UsageError(f"--turns: expected at least 1, found {options.turns}")
    import torch

    from benchmark.machine import processor
    from benchmark.perf import cases, harness, kernels, replicas, steps
    from benchmark.perf.report import Report

    torch.set_num_threads(1)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: no CUDA device is usable here; use --device cpu")
    columns = [case.column for case in cases.CASES]
    wanted = spelt("--models", options.models, columns) if options.models else columns
    # First: where this torch cannot count, no measurement is lost.
    counted = kernels.counted(replicas.stacked_cases(wanted), replicas.COUNTS["cuda"]) if "kernels" in parts else ()
    measured = []
    for case in cases.CASES:
        if "steps" in parts and case.column in wanted:
            print(f"measuring {case.column} …", file=sys.stderr)
            measured.append(steps.measure(case, options.device, options.turns))
    together, table = replicas.report(wanted if "replicas" in parts else (), options.device, options.turns)
    report = Report(
        options.device, torch.cuda.get_device_name() if device.type == "cuda" else processor(),
        steps.matmul_speed(device), tuple(measured), together, table,
        kernels=counted,
        cell_seconds=harness.cell_seconds() if "harness" in parts else None,
        two_workers=harness.two_workers() if "harness" in parts else None,
        full_store=harness.full_store() if "store" in parts else None,
    )  # fmt: skip
    print(report.markdown(), end="")
    if options.markdown:
        write_atomically(options.markdown, report.markdown())
    if options.json:
        write_atomically(options.json, json.dumps(report.as_object(), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
