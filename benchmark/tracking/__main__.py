"""``python -m benchmark.tracking sync``: MLflow rebuilt from the store."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmark.console import Parser, command
from benchmark.errors import UsageError
from benchmark.store import judged
from benchmark.store.store import Store
from benchmark.tracking import server
from benchmark.tracking.sync import Rebuild, rebuild_all

PROGRAM = "python -m benchmark.tracking"
TIMEOUT_SECONDS = 60
LOCK_SECONDS = 60.0


def parser() -> Parser:
    """The one command and its option."""
    main = Parser(prog=PROGRAM, description="MLflow as a view of the store.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sync = commands.add_parser(
        "sync",
        help="every Result gets the one run that shows it; runs whose process is gone end as KILLED",
    )  # fmt: skip
    sync.add_argument("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="default: results/")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, 1 (MLflow could not be used), 2 (usage), 130 (interrupted)."""
    with command(PROGRAM) as ended:
        ended.status = _sync(parser().parse_args(arguments).results_dir)
    return ended.status


def _sync(results_dir: Path) -> int:
    store = Store(results_dir)
    if not store.cells.is_dir():
        raise UsageError(f"--results-dir: no Results below {results_dir}; it is the folder that run_all.py wrote to")
    uri = server.tracking_uri(results_dir)
    try:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))  # nothing waits for us
        papers = sorted({str(result.cell["paper"]) for result in store.results()})
        with server.locked(uri, results_dir, "sync", LOCK_SECONDS):
            experiments = server.prepare(uri, results_dir, papers)
            found = judged.by_digest(judged.read(results_dir))
            rebuild = Rebuild(server.connect(uri), results_dir, experiments, judged=found)
            report = rebuild_all(rebuild, store.results)
    except Exception as error:
        why = f"MLflow at {server.shown(uri)} cannot be used ({server.reason(error)}); the store is whole"
        print(f"{PROGRAM}: {why}", file=sys.stderr)
        return 1
    print(f"{server.shown(uri)}: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
