"""Reaching MLflow: where it is, a client that is quiet and gives up soon, the database made once and by one process."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmark import files
from benchmark.machine import host, process_start

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Unusable(Exception):
    """MLflow cannot be used; the message says why, in one line."""


def tracking_uri(results_dir: Path) -> str:
    """MLFLOW_TRACKING_URI, else a SQLite file in the results folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{results_dir.resolve() / 'mlflow.db'}"


def shown(uri: str) -> str:
    """A URI that may be printed: without user and password."""
    return re.sub(r"//[^/@]*@", "//", uri)


def reason(error: BaseException) -> str:
    """Why MLflow failed, in one line and without passwords."""
    text = " ".join(str(error).split()) or type(error).__name__
    refused = re.search(r"Connection refused|timed out|database is locked|No space left on device|readonly database", text)
    return refused[0] if refused else shown(text[:200])


def database(uri: str) -> Path | None:
    """The file behind a SQLite URI."""
    scheme, _, path = uri.partition("///")
    path = path.partition("?")[0]
    return Path(path).resolve() if scheme.partition("+")[0].rstrip(":") == "sqlite" and path else None


def file_identity(uri: str) -> tuple[int, int] | None:
    """Which file a SQLite URI leads to at this moment: one that was removed or replaced is another one."""
    path = database(uri)
    try:
        stat = path.stat() if path else None
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino) if stat else None


def this_process() -> str:
    """What names this process among all machines' and boots': the tag `process`."""
    return f"{host()} {os.getpid()} {process_start(os.getpid()) or '?'}"


def load() -> type[MlflowClient]:
    """Imports MLflow, which takes a second or more, and has it print nothing.

    A server has three seconds for an answer, unless the user's environment says otherwise.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    warnings.filterwarnings("ignore", module=r"(mlflow|pydantic|sqlalchemy|alembic)(\..*)?")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return MlflowClient


def connect(uri: str) -> MlflowClient:
    """A client of MLflow. For a database this reads it, and creates what is missing. Raises what MLflow raises."""
    return load()(uri)


@contextmanager
def locked(uri: str, results_dir: Path, purpose: str, seconds: float) -> Iterator[None]:
    """One process at a time; beside a SQLite file, else in the results folder. Raises Unusable after `seconds`."""
    path = database(uri) or results_dir / "leases" / "mlflow"
    with ExitStack() as held:
        try:
            held.enter_context(files.locked(path.with_name(f".{path.name}.{purpose}.lock"), seconds))
        except TimeoutError as error:
            raise Unusable(str(error)) from None
        yield


def prepare(uri: str, results_dir: Path, papers: Iterable[str], lock_seconds: float = 60) -> dict[str, str]:
    """Database and experiments, made where they are missing: paper → experiment's id.

    Under a lock, and never by a worker: several processes that create the tables at once corrupt the database.
    Raises Unusable, and what MLflow raises.
    """
    with locked(uri, results_dir, "create", lock_seconds):
        check_free(uri)
        client = connect(uri)
        return {paper: _experiment(client, uri, results_dir, paper) for paper in papers}


def check_free(uri: str) -> None:
    """Raises for a SQLite file that is locked or no database: MLflow itself would try again for minutes."""
    import sqlite3

    path = database(uri)
    if path is None or not path.exists():
        return
    connection = sqlite3.connect(path, timeout=3)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()
    finally:
        connection.close()


def _experiment(client: MlflowClient, uri: str, results_dir: Path, name: str) -> str:
    from mlflow.exceptions import MlflowException

    served = urlsplit(uri).scheme in ("http", "https")  # then the server knows where artifacts go
    place = None if served else (results_dir.resolve() / "mlartifacts" / name).as_uri()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, place))
        except MlflowException:  # another host was first
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise Unusable(f"its experiment '{name}' is deleted; restore it, or delete it for good with `mlflow gc`")
    return str(found.experiment_id)
