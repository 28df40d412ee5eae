"""``python -m benchmark.tracking``: MLflow rebuilt from the store, and its UI on the cells."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmark.config.catalogue import catalogue
from benchmark.console import Parser, command, whole
from benchmark.errors import UsageError
from benchmark.store import judged
from benchmark.store.store import Store
from benchmark.tracking import server, view
from benchmark.tracking.sync import Rebuild, rebuild_all
from tables.figures.forecast import picture
from tables.render import judge

PROGRAM = "python -m benchmark.tracking"
TIMEOUT_SECONDS = 60
LOCK_SECONDS = 60.0


def parser() -> Parser:
    """The commands and their options."""
    main = Parser(prog=PROGRAM, description="MLflow as a view of the store.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sync = commands.add_parser(
        "sync",
        help="every Result gets the one run that shows it; runs whose process is gone end as KILLED",
    )  # fmt: skip
    ui = commands.add_parser("ui", help="MLflow's UI, with the addresses at which it shows the cells; Ctrl-C ends it")
    ui.add_argument("--port", type=lambda text: whole(text, 1), default=5000, metavar="N", help="default: 5000")
    for each in (sync, ui):
        each.add_argument("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="default: results/")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, 1 (MLflow could not be used), 2 (usage), 130 (interrupted)."""
    with command(PROGRAM) as ended:
        options = parser().parse_args(arguments)
        store = Store(options.results_dir)
        if not store.cells.is_dir():
            below = f"no Results below {options.results_dir}"
            raise UsageError(f"--results-dir: {below}; it is the folder that run_all.py wrote to")
        ended.status = _sync(options.results_dir, store) if options.command == "sync" else _ui(options, store)
    return ended.status


def _ui(options: argparse.Namespace, store: Store) -> int:
    """Says where the UI shows what, and becomes MLflow's server, unless there is one already; returns the exit status."""
    uri = server.tracking_uri(options.results_dir)
    papers = sorted({str(result.cell["paper"]) for result in store.results()})
    try:
        experiments = server.prepare(uri, options.results_dir, papers)
    except Exception as error:
        return _unusable(uri, error)
    served = uri.startswith("http")
    place = server.shown(uri).rstrip("/") if served else f"http://127.0.0.1:{options.port}"
    for paper, experiment in experiments.items():
        print(f"{paper}: {view.address(place, experiment)}")
    if len(experiments) > 1:
        print(f"all in one list: {view.across(place, experiments)}")
    if served:
        return 0
    sys.stdout.flush()
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # eight processes, 1.3 GB, not for us
    serve = [sys.executable, "-m", "mlflow", "ui", "--workers", "1"]  # for one reader; each worker takes 300 MB
    os.execv(sys.executable, [*serve, "--backend-store-uri", uri, "--port", str(options.port)])  # its signals are MLflow's


def _unusable(uri: str, error: Exception) -> int:
    why = f"MLflow at {server.shown(uri)} cannot be used ({server.reason(error)}); the store is whole"
    print(f"{PROGRAM}: {why}", file=sys.stderr)
    return 1


def _sync(results_dir: Path, store: Store) -> int:
    uri = server.tracking_uri(results_dir)
    try:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))  # nothing waits for us
        if judged.read(results_dir) is None:  # else it is as the last run or render has it, papers of the user's own too
            judge(catalogue(()), results_dir)
        papers = sorted({str(result.cell["paper"]) for result in store.results()})
        with server.locked(uri, results_dir, "sync", LOCK_SECONDS):
            experiments = server.prepare(uri, results_dir, papers)
            found = judged.by_digest(judged.read(results_dir))
            rebuild = Rebuild(server.connect(uri), results_dir, experiments, judged=found)
            report = rebuild_all(rebuild, store.results)
            rebuild.attach(picture)
    except Exception as error:
        return _unusable(uri, error)
    print(f"{server.shown(uri)}: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
