"""``python -m benchmark.tracking sync``: MLflow rebuilt from the store."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmark.console import Parser
from benchmark.store.store import Store
from benchmark.tracking import server
from benchmark.tracking.sync import Rebuild, rebuild_all

TIMEOUT_SECONDS = 60
LOCK_SECONDS = 60.0


def parser() -> Parser:
    """The one command and its option."""
    main = Parser(prog="python -m benchmark.tracking", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True, metavar="sync")
    sync = commands.add_parser(
        "sync",
        help="every Result gets the one run that shows it; runs whose process is gone end as KILLED",
    )  # fmt: skip
    sync.add_argument("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="default: results/")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, 1 (MLflow could not be used), 2 (usage)."""
    results_dir: Path = parser().parse_args(arguments).results_dir
    store = Store(results_dir)
    if not store.cells.is_dir():
        print(f"--results-dir: no Results below {results_dir}; it is the folder that run_all.py wrote to", file=sys.stderr)
        return 2
    uri = server.tracking_uri(results_dir)
    try:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))  # nothing waits for us
        papers = sorted({str(result.cell["paper"]) for result in store.results()})
        with server.locked(uri, results_dir, "sync", LOCK_SECONDS):
            experiments = server.prepare(uri, results_dir, papers)
            report = rebuild_all(Rebuild(server.connect(uri), results_dir, experiments), store.results)
    except Exception as error:
        print(f"MLflow at {server.shown(uri)} cannot be used ({server.reason(error)}); the store is whole", file=sys.stderr)
        return 1
    print(f"{server.shown(uri)}: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
