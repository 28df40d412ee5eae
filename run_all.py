"""The command line: which cells, then hand over. ``python run_all.py --help``."""

from __future__ import annotations

import argparse
import gc
import re
import sys
from pathlib import Path

from benchmark import __version__
from benchmark.config.catalogue import catalogue
from benchmark.console import Parser, command, names, numbers, place, seeds_or_auto, whole
from benchmark.errors import UsageError
from benchmark.grid.asked import Request
from benchmark.grid.contents import contents
from benchmark.grid.digest import TRAINING_SEMANTICS
from benchmark.machine import git_commit
from benchmark.session import Session
from tables.handover import check_claims, judge, picture, render


def several(text: str) -> int | None:
    """A number of workers or of replicas, or None for `auto`."""
    return None if text == "auto" else whole(text, 1)


def shard(text: str) -> tuple[int, int]:
    """``I/N`` with 1 ≤ I ≤ N."""
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", text, re.ASCII)
    index, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if 1 <= index <= count:
        return index, count
    raise argparse.ArgumentTypeError(f"expected I/N with 1 ≤ I ≤ N, such as 1/4 to 4/4, found '{text}'")


def duration(text: str) -> float:
    """Seconds of a duration such as ``90s``, ``10m``, ``2h``, ``1h30m``."""
    found = re.fullmatch(r"(?:([0-9]{1,4})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?", text.strip())
    seconds = sum(int(n or 0) * unit for n, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"expected a duration such as 90s, 10m, 2h or 1h30m, found '{text}'")
    return float(seconds)


def address(text: str) -> str:
    """Where a Dask scheduler listens."""
    if not re.fullmatch(r"(tcp|tls|ws|wss)://([\w.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}", text.strip()):
        raise argparse.ArgumentTypeError(f"expected an address such as tcp://host:8786, found '{text}'")
    return text.strip()


class _Version(argparse.Action):
    """Prints which code this is, and ends."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *read: object) -> None:
        commit = git_commit() or "not known: no git repository of its own"
        print(f"forecast-benchmark {__version__}, commit {commit}, training semantics {TRAINING_SEMANTICS}")
        parser.exit()


def parser() -> Parser:
    """The options, grouped as in the README."""
    main = Parser(
        prog="run_all.py", wordless="every choice is an option, such as --subset",
        description="Trains a grid of forecasting models as their papers say, and writes the papers' tables with a verdict "
        "beside every printed number.",
    )  # fmt: skip
    _grid(main.add_argument_group("grid: which cells (every option is a filter)"))
    _running(main.add_argument_group("running"))
    places = main.add_argument_group("places")
    places.add_argument("--data-dir", metavar="DIR", help="default: $BENCHMARK_DATA_DIR, else data/")
    places.add_argument("--results-dir", type=place, default=Path("results"), metavar="DIR", help="default: results/")
    return main


def _grid(grid: argparse._ArgumentGroup) -> None:
    grid.add_argument("--subset", type=names, metavar="S[,S…]",
                      help="names of data sets, ETT, PEMS, a paper (its sets), toy, var, all; default all")  # fmt: skip
    grid.add_argument("--papers", type=names, metavar="P[,P…]", help="default: every paper that has the data set")
    grid.add_argument("--models", type=names, metavar="M[,M…]",
                      help="columns of the papers' recipes, or all; default: those of the main tables")  # fmt: skip
    grid.add_argument("--horizons", type=numbers, metavar="H[,H…]", help="steps; default: the recipe's")
    grid.add_argument("--seeds", type=seeds_or_auto, metavar="N|N,N…|auto",
                      help="n: seeds 0 … n−1; a list has a comma ('3,' is seed 3); auto: 3, then 5 and 10 in columns "
                      "whose spread asks for them; default: the recipe's")  # fmt: skip
    grid.add_argument("--sam", choices=("on", "off", "both"), help="default: as the recipe has it, column by column")
    grid.add_argument("--protocol", default="paper", metavar="paper|released[+SWITCH…]",
                      help="as the paper says (default), or as its code does; with single switches besides")  # fmt: skip
    grid.add_argument("--profile", choices=("paper", "quick"), default="paper",
                      help="quick: one seed, look-back ≤ 512, ≤ 60 steps, judged by ≤ 64 windows (256 images)")  # fmt: skip
    grid.add_argument("--config", action="append", type=place, default=[], metavar="FILE",
                      help="a YAML of your own: a paper, data sets, recipe overrides; repeatable")  # fmt: skip


def _running(run: argparse._ArgumentGroup) -> None:
    run.add_argument("--jobs", type=several, default=None, metavar="N|auto", help="cells at once; default auto: one a core")
    run.add_argument("--replicas", type=several, default=None, metavar="N|auto",
                     help="seeds of a cell trained as one program; default auto: all on CUDA, 1 on a CPU")  # fmt: skip
    run.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto")
    run.add_argument("--backend", choices=("local", "dask"), default="local",
                     help="dask: on the workers of a running dask.distributed scheduler; default local")  # fmt: skip
    run.add_argument(
        "--scheduler", type=address, metavar="ADDRESS", help="with --backend dask: where it is, such as tcp://host:8786"
    )
    run.add_argument("--shard", type=shard, metavar="I/N", help="the I-th of N equal parts of the grid")
    run.add_argument(
        "--timeout",
        type=duration,
        metavar="DURATION",
        help="of one cell, such as 90s or 1h30m: past it the cell ends as 'timeout'; default: none",
    )
    run.add_argument("--retry", choices=("failed", "stale"), help="run cells again. failed: that failed, diverged or were "
                     "ended; stale: whose Result other code than today's has made")  # fmt: skip
    run.add_argument("--force", action="store_true", help="run every cell again, done or not")
    run.add_argument("--keep", type=names, metavar="weights,predictions,epochs",
                     help="beside each Result: the trained weights, all test forecasts, the weights of every epoch; a done "
                     "cell that lacks one is trained again; default: none")  # fmt: skip
    run.add_argument("--offline", action="store_true", help="download nothing")
    run.add_argument("--no-mlflow", action="store_true",
                     help="log nothing to MLflow; `python -m benchmark.tracking sync` does it later")  # fmt: skip
    run.add_argument("--no-figures", action="store_true", help="draw no pictures: tables and the page alone")
    run.add_argument("--verbose", action="store_true", help="name every file that is written")
    run.add_argument("--list", action="store_true",
                     help="show the papers, columns, switches and data sets that there are, and end")  # fmt: skip
    run.add_argument("--version", action=_Version, help="show version, commit and training semantics, and end")
    run.add_argument("--dry-run", action="store_true", help="show the plan and end")
    run.add_argument("--json", action="store_true", help="with --dry-run: the plan as one JSON object")


def main(arguments: list[str] | None = None) -> int:
    """Parses, plans, runs, renders. Returns the exit status: 0, 1 (a cell failed), 2 (usage), 130 (interrupted)."""
    there = parser()
    with command("run_all.py") as ended:
        asked = vars(there.parse_args(arguments))
        if asked.pop("list"):
            others = [name for name, value in asked.items() if value != there.get_default(name) and name not in WITH_LIST]
            if others:
                option = "--" + others[0].replace("_", "-")
                raise UsageError(f"--list shows all that there is to choose from; {option} does not go with it")
            print(contents(catalogue(asked["config"])))
            return 0
        if asked["json"] and not asked["dry_run"]:
            raise UsageError("--json goes with --dry-run")
        session = Session(Request(**asked), picture)
        check_claims(session.catalogue)
        ended.status = session.go(render, judge)
    return ended.status


WITH_LIST = ("config", "data_dir", "results_dir")
"""Options that go with --list: files of the user's, and places that are not looked at."""


if __name__ == "__main__":
    status = main()
    gc.freeze()  # what MLflow has imported is not searched for garbage at the end, which takes a second
    sys.exit(status)
