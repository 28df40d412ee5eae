"""Reaching MLflow: where it is, a client that is quiet and gives up soon, the database made once and by one process."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import uuid
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmark import files
from benchmark.machine import host, process_start
from benchmark.tracking import view

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Unusable(Exception):
    """MLflow cannot be used; the message says why, in one line."""


def tracking_uri(results_dir: Path) -> str:
    """MLFLOW_TRACKING_URI, else a SQLite file in the results folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _uri_of(results_dir.resolve() / "mlflow.db")


def _uri_of(path: Path) -> str:
    """The URI that leads to a SQLite file; where its path holds what means something in a URI, by SQLAlchemy's own rules,
    and with the driver's name, since MLflow would make a folder of the quoted path's name beside it."""
    if not set("%?#") & set(str(path)):
        return f"sqlite:///{path}"
    from sqlalchemy import URL

    return URL.create("sqlite+pysqlite", database=str(path)).render_as_string()


def shown(uri: str) -> str:
    """A URI that may be printed: without user and password."""
    return re.sub(r"//[^/@]*@", "//", uri)


def reason(error: BaseException) -> str:
    """Why MLflow failed, in one line and without passwords."""
    if isinstance(error, Unusable):  # our own words
        return shown(str(error))
    text = " ".join(str(error).split()) or type(error).__name__
    refused = re.search(r"Connection refused|timed out|database is locked|No space left on device|readonly database", text)
    return refused[0] if refused else shown(text[:200])


def database(uri: str) -> Path | None:
    """The file behind a SQLite URI."""
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy import make_url

    path = make_url(uri).database
    return Path(path).resolve() if path else None


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

    Under a lock, and never by a worker: several processes that create the tables at once corrupt the database. One whose
    making was broken off is made anew, if it is the results folder's own.
    Raises Unusable, and what MLflow raises.
    """
    with locked(uri, results_dir, "create", lock_seconds):
        path = database(uri)
        made = path is not None and (not path.exists() or not path.stat().st_size)
        if path is not None and made:
            _create(path)
        check_free(uri)
        has_runs = path is not None and _has_runs(path)
        is_ours = path == results_dir.resolve() / "mlflow.db"  # and nobody else's
        if path is not None and is_ours and not made and not has_runs:
            _mend(path)
        try:
            client = connect(uri)
        except Exception as error:
            if not has_runs:
                raise
            assert path is not None
            raise Unusable(f"{reason(error)[:120]} …: {_remedy(path)}") from None
        experiments = {paper: _experiment(client, uri, results_dir, paper) for paper in papers}
        for experiment in experiments.values():
            said = client.get_experiment(experiment).tags
            for name, value in view.experiment_tags().items():
                if said.get(name) != value:
                    client.set_experiment_tag(experiment, name, value)
        return experiments


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A name beside a database that no process had before: MLflow keeps what it once opened. Cleared of what was left by
    killed processes, journals too; under the lock alone."""
    pattern = f".{path.name}.*.new*"
    for left in path.parent.glob(pattern):
        left.unlink()
    try:
        yield path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.new")
    finally:
        for left in path.parent.glob(pattern):
            left.unlink()


def _create(path: Path) -> None:
    """Makes MLflow's tables aside and puts them in place when all are there: what is broken off in the seconds that it
    takes leaves nothing that MLflow cannot use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _draft(path) as draft:
        connect(_uri_of(draft))
        os.replace(draft, path)


def _mend(path: Path) -> None:
    """A new database in place of one without runs that MLflow cannot use, since its making was broken off; that one is kept
    under another name. It is tried on a copy, since MLflow keeps its connections to a file."""
    with _draft(path) as draft:
        shutil.copyfile(path, draft)
        try:
            connect(_uri_of(draft))
            return
        except Exception:
            os.replace(path, path.with_name(f"{path.name}.broken-off"))
    _create(path)


def _has_runs(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=3)) as connection:
        try:
            return connection.execute("SELECT 1 FROM runs").fetchone() is not None
        except sqlite3.OperationalError:  # no such table
            return False


def check_free(uri: str) -> None:
    """Raises for a SQLite file that is locked, and Unusable for what is no database: MLflow itself would try again for
    minutes."""
    path = database(uri)
    if path is None or not path.exists():
        return
    if not path.is_file():
        raise Unusable(f"{path} is {'a folder' if path.is_dir() else 'no file'}, and not a database; {_remedy(path)}")
    with closing(sqlite3.connect(path, timeout=3)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        except sqlite3.OperationalError:  # locked
            raise
        except sqlite3.DatabaseError as error:
            raise Unusable(f"{error}; {_remedy(path)}") from None


def _remedy(path: Path) -> str:
    return f"move {path} away, and `python -m benchmark.tracking sync` makes a new one of the store"


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
