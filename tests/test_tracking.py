"""MLflow shows what the store says: live, and after whatever befell it; and nothing that befalls it reaches a cell."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, TINY

from benchmark.machine import host
from benchmark.store.store import Store
from benchmark.tracking import runs, server
from benchmark.tracking.__main__ import main
from benchmark.tracking.attached import ALL, ATTACHED, BUT_PICTURES
from benchmark.tracking.sync import KIND, search

ARGUMENTS = [
    "--subset",
    "toy",
    "--papers",
    "tiny",
    "--horizons",
    "4",
    "--seeds",
    "1",
    "--jobs",
    "2",
    "--device",
    "cpu",
    "--no-figures",
]
OWN = {"process", runs.PARENT, "results_dir", ATTACHED}  # tags that two runs of one cell differ in, beside its times
EPOCH_METRICS = ("train_loss", "val_mse", "lr", "grad_norm")
MEASURED = {"train_loss", "val_mse", "lr", "grad_norm", "seconds", "peak_memory_bytes"}


def start(results: Path, uri: str = "", *more: str, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Two cells of 20 epochs, a worker each."""
    results.parent.mkdir(parents=True, exist_ok=True)
    config = results.parent / "tiny.yaml"
    config.write_text(TINY.replace("EPOCHS", "20"))
    places = ["--config", str(config), "--results-dir", str(results)]
    command = [*prefix, sys.executable, "run_all.py", *ARGUMENTS, *places, *more]
    env = os.environ | {"MLFLOW_TRACKING_URI": uri}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env, start_new_session=True
    )


def finish(process: subprocess.Popen[str], cells: int = 2) -> tuple[str, str]:
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0 and out.splitlines()[-1] == f"cells={cells} done={cells} refused=0 failed=0", err
    return out, err


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def sync(results: Path, uri: str = "") -> Outcome:
    """`python -m benchmark.tracking sync`, in this process: MLflow is imported already."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
        code = main(["sync", "--results-dir", str(results)])
    return Outcome(code, out.getvalue(), err.getvalue())


def client(results: Path) -> Any:
    return server.connect(server.tracking_uri(results))


def history(results: Path, run_id: str) -> dict[str, list[tuple[int, float]]]:
    there = client(results)
    return {k: sorted((m.step, m.value) for m in there.get_metric_history(run_id, k)) for k in EPOCH_METRICS}


def cells_shown(results: Path, ids: bool = False) -> list[Any]:
    """All of the cells' runs that is not an id, a time, or the process that wrote them; with ids, all that is there."""
    there = client(results)
    found = []
    for run in search(there, there.get_experiment_by_name("tiny").experiment_id):
        tags = {k: v for k, v in run.data.tags.items() if ids or k not in OWN | {"started", "ended"}}
        if "digest" not in tags:
            continue
        once = {k: v for k, v in run.data.metrics.items() if ids or k not in MEASURED}
        data = [(d.dataset.name, d.dataset.digest, d.dataset.source) for d in run.inputs.dataset_inputs]
        shown = [tags["key"], run.info.run_name, run.info.status, tags, run.data.params, once, data,
                 history(results, run.info.run_id)]  # fmt: skip
        found.append(shown + ([run.info.run_id, run.info.start_time, run.info.end_time] if ids else []))
    return sorted(found, key=lambda shown: shown[0])


def invocations(results: Path) -> list[Any]:
    there = client(results)
    experiment = there.get_experiment_by_name("tiny").experiment_id
    return list(search(there, experiment, f"tags.kind = '{KIND}'"))


def found(results: Path) -> list[dict[str, Any]]:
    return [result.comparable() for result in Store(results).results()]


@pytest.fixture(scope="module", autouse=True)
def _own_database() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without experiments: MLflow takes longer to create one than the rest of a short run takes."""
    folder = tmp_path_factory.mktemp("empty")
    server.prepare(server.tracking_uri(folder), folder, [])
    return folder / "mlflow.db"


@pytest.fixture
def begun(empty: Path, tmp_path: Path) -> Path:
    """A results folder that holds nothing but that. The runs of `fresh` and `left out` have theirs created by the suite."""
    (tmp_path / "results").mkdir()
    shutil.copy(empty, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workers that log at once, and nothing disturbed."""
    results = tmp_path_factory.mktemp("fresh") / "results"
    out, err = finish(start(results))
    assert err == "" and "INFO" not in out and "View run" not in out, (out, err)
    return results


@pytest.fixture
def copy(fresh: Path, tmp_path: Path) -> Path:
    """The fresh run's store and database, to be disturbed."""
    shutil.copytree(fresh, tmp_path / "results")
    return tmp_path / "results"


def test_a_run_shows_its_result(fresh: Path) -> None:
    stored = {r.key: r for r in Store(fresh).results()}
    shown = {cell[0]: cell for cell in cells_shown(fresh)}
    assert shown.keys() == stored.keys() and len(shown) == 2
    for key, (_, name, status, tags, params, once, data, epochs) in shown.items():
        result = stored[key]
        assert (name, status, tags["status"]) == (key.removeprefix("tiny/"), "FINISHED", "done")
        assert epochs == {k: [(n, epoch[k]) for n, epoch in enumerate(result.epochs, 1)] for k in EPOCH_METRICS}, (
            "every epoch once"
        )
        assert once["test_mse"] == result.metrics["test_mse"] and once["final_val_mse"] == result.metrics["val_mse"]
        assert once["windows_test"] == 512 and once["best_epoch"] == result.best_epoch and once["n_params"] > 0
        assert params["model"] == tags["model"] == result.cell["model"] and params["architecture"] == "samformer"
        assert params["learning_rate"] == "0.001" and params["betas"] == "0.9, 0.999" and params["horizon"] == "4"
        assert tags["rho"] == ("0.5" if result.cell["sam"] else "none") and tags["digest"] == result.digest
        assert tags["git_commit"] == result.environment["git_commit"]
        assert [(d[0], d[1]) for d in data] == [("toy", (result.data_sha256 or "")[:36])]


def test_the_readmes_search_finds_a_model_in_all_papers(begun: Path, fresh: Path) -> None:
    """It runs against MLflow as it stands in README.md, over the experiments of two papers."""
    (condition,) = re.findall(r"^params\.architecture = .*$", (ROOT / "README.md").read_text(), re.M)
    one = next(Store(fresh).results())
    recipe = one.recipe | {"model": "itransformer"}
    there = client(begun)
    experiments = server.prepare(server.tracking_uri(begun), begun, ["itransformer", "samovar"])
    wanted = [("itransformer", "ETTh1", 96, recipe), ("samovar", "ETTh1", 96, recipe)]
    others = [("samovar", "ETTh1", 192, recipe), ("samovar", "ETTh2", 96, recipe), ("samovar", "ETTh1", 96, one.recipe)]
    ids = []
    for paper, dataset, horizon, of in wanted + others:
        result = replace(one, cell=one.cell | {"paper": paper, "dataset": dataset, "horizon": horizon}, recipe=of)
        ids.append(runs.create(there, experiments[paper], "none", result, {}))
        runs.describe(there, ids[-1], result)
    found = there.search_runs(list(experiments.values()), condition)
    assert sorted(run.info.run_id for run in found) == sorted(ids[:2])
    there.set_tag(ids[0], "current", "no: superseded by another")
    assert [run.info.run_id for run in there.search_runs(list(experiments.values()), condition)] == [ids[1]]


def test_the_invocations_run_has_the_tables(fresh: Path) -> None:
    (parent,) = invocations(fresh)
    assert parent.info.status == "FINISHED"
    there = client(fresh)
    artifacts = {Path(a.path).name for a in there.list_artifacts(parent.info.run_id, "tables")}
    assert artifacts == {p.name for p in (fresh / "tables").iterdir()} >= {"tiny.md", "tiny.csv"}
    children = search(there, parent.info.experiment_id, f"tags.`{runs.PARENT}` = '{parent.info.run_id}'")
    assert len(list(children)) == 2


def test_sync_after_an_undisturbed_run_changes_nothing(fresh: Path) -> None:
    """But that it draws what a run with `--no-figures` has not."""
    before = cells_shown(fresh, ids=True)
    assert sync(fresh).out.endswith(": 2 whole already\n")
    after = cells_shown(fresh, ids=True)
    assert [shown[3].pop(ATTACHED) for shown in before] == 2 * [BUT_PICTURES]
    assert [shown[3].pop(ATTACHED) for shown in after] == 2 * [ALL]
    assert after == before and len(invocations(fresh)) == 1
    files = {Path(each.path).name for each in client(fresh).list_artifacts(after[0][-3])}
    assert files == {"log.txt", "result.json", "forecast.png"}


def test_what_is_lost_is_made_anew_and_doubles_go(fresh: Path, copy: Path) -> None:
    there, digests = client(copy), sorted(Store(copy).digests())
    one, other = (next(iter(search(there, "1", f"tags.digest = '{d}'"))) for d in digests)
    there.delete_run(one.info.run_id)
    dead = {"process": f"{host()} {2**22 + 1} 7", "results_dir": str(copy)}
    double = there.create_run("1", tags=dead | {"digest": other.data.tags["digest"]})
    lost = there.create_run("1", tags=dead | {"digest": "0" * 64})
    empty = there.create_experiment("killed before its first Result")
    early = there.create_run(empty, tags=dead)
    done = sync(copy)
    assert done.out.endswith(": 1 whole already, 1 made anew, 2 ended as KILLED, 1 doubles removed\n"), done
    assert there.get_run(double.info.run_id).info.lifecycle_stage == "deleted"
    assert there.get_run(lost.info.run_id).info.status == there.get_run(early.info.run_id).info.status == "KILLED"
    there.delete_run(lost.info.run_id)
    assert cells_shown(copy) == cells_shown(fresh)
    after = cells_shown(copy, ids=True)
    assert sync(copy).out.endswith(": 2 whole already\n") and cells_shown(copy, ids=True) == after


def test_a_run_that_broke_off_is_completed_and_one_that_says_otherwise_is_replaced(fresh: Path, begun: Path) -> None:
    from mlflow.entities import Metric

    folder = begun
    shutil.copytree(fresh / "cells", folder / "cells")
    experiment = server.prepare(server.tracking_uri(folder), folder, ["tiny"])["tiny"]
    there, dead = client(folder), {"process": f"{host()} {2**22 + 1} 7"}
    first, second = Store(folder).results()
    ids = [runs.create(there, experiment, "none", result, dead) for result in (first, second)]
    for run_id, result in zip(ids, (first, second), strict=True):
        runs.log_points(there, run_id, runs.points(result.epochs[:7]), runs.moments_of(result))
    there.log_batch(ids[1], metrics=[Metric("val_mse", 0.123, 1, 8)])
    assert sync(folder).out.endswith(": 1 completed, 1 made anew, 1 doubles removed\n")
    assert cells_shown(folder) == cells_shown(fresh)


@pytest.mark.parametrize("fate", ["killed", "removed", "locked"])
def test_after_a_disturbance_sync_gives_the_runs_of_an_undisturbed_run(fresh: Path, begun: Path, fate: str) -> None:
    results = begun
    process = start(results)
    database, deadline = results / "mlflow.db", time.monotonic() + 200
    while len(_histories(results)) < 2 or sum(len(h["lr"]) for h in _histories(results)) <= 2:  # both workers log
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.05)
    if fate == "killed":
        os.killpg(process.pid, 9)
        process.communicate()
        (its_own,) = (run.info.run_id for run in invocations(results))
        assert "ended as KILLED" in sync(results).out
        ended = {run.info.run_id: run.info.status for run in invocations(results)}
        assert ended.pop(its_own) == "KILLED" and set(ended.values()) <= {"FINISHED"}  # sync's, of Results without a run
        finish(start(results))
    elif fate == "removed":
        database.unlink()
        _, err = finish(process)
        assert err.count("\n") == 1 and "tracking sync --results-dir" in err
    else:
        with sqlite3.connect(database, isolation_level=None) as held:
            held.execute("BEGIN EXCLUSIVE")
            since = time.monotonic()
            _, err = finish(process)
            assert time.monotonic() - since < 60 and err.count("\n") == 1 and "tracking sync" in err, err
        held.close()
    assert found(results) == found(fresh)
    assert sync(results).code == 0
    assert cells_shown(results) == cells_shown(fresh)
    before = cells_shown(results, ids=True)
    assert sync(results).out.endswith(": 2 whole already\n") and cells_shown(results, ids=True) == before


def _histories(results: Path) -> list[dict[str, list[tuple[int, float]]]]:
    """As far as they are there; read without MLflow, which would create the database."""
    try:
        with sqlite3.connect(f"file:{results / 'mlflow.db'}?mode=ro", uri=True) as there:
            rows = there.execute("select run_uuid, step, value from metrics where key = 'lr'").fetchall()
    except sqlite3.Error:
        return []
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for run_id, step, value in rows:
        found.setdefault(run_id, {"lr": []})["lr"].append((step, value))
    return list(found.values())


@pytest.mark.parametrize("silent", [False, True])
def test_an_unreachable_mlflow_costs_one_warning_and_no_cell(fresh: Path, begun: Path, silent: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # the system accepts for it; it never answers
        uri = f"http://someone:secret@127.0.0.1:{mute.getsockname()[1] if silent else 9}"
        since = time.monotonic()
        out, err = finish(start(begun, uri, "--models", "Transformer"), 1)
        assert time.monotonic() - since < 90
        warning, remedy = err.splitlines()
        assert "the run goes on without it" in warning and "tracking sync" in remedy and "secret" not in out + err
        failed = sync(begun, uri) if not silent else None
    assert failed is None or (failed.code == 1 and failed.err.count("\n") == 1 and "secret" not in failed.err)
    assert sync(begun).out.endswith(": 1 made anew\n")
    assert cells_shown(begun) == cells_shown(fresh)[1:] and len(invocations(begun)) == 1


def test_left_out_it_is_not_touched_and_sync_makes_it_whole(fresh: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    _, err = finish(start(results, "http://127.0.0.1:9", "--no-mlflow"))  # nothing listens there
    assert "MLflow" not in err and not (results / "mlflow.db").exists()
    assert found(results) == found(fresh)
    assert sync(results).code == 0 and cells_shown(results) == cells_shown(fresh)


def test_a_database_that_may_not_grow_any_more_costs_no_cell(fresh: Path, begun: Path) -> None:
    """As on a full disk."""
    results = begun
    server.prepare(server.tracking_uri(results), results, ["tiny"])
    blocks = (results / "mlflow.db").stat().st_size // 1024 + 20
    process = start(results, "", prefix=["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "-"])
    _, err = finish(process)
    assert "tracking sync" in err and len(err.splitlines()) <= 2, err
    assert found(results) == found(fresh)
    assert sync(results).code == 0 and cells_shown(results) == cells_shown(fresh)


def test_a_hanging_database_holds_a_cell_up_once(fresh: Path, copy: Path) -> None:
    from benchmark.tracking.live import END_SECONDS, Target

    uri, result = server.tracking_uri(copy), next(Store(fresh).results())
    target = Target(uri, server.file_identity(uri), {"tiny": "1"}, {"tiny": "none"}, str(copy))
    held = sqlite3.connect(copy / "mlflow.db", isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    waited = []
    for _ in range(2):
        live = target.open(result)
        begun = time.monotonic()
        for epoch in result.epochs:
            live.epoch(epoch)
        assert time.monotonic() - begun < 0.5, "the training thread only hands over"
        live.ended(result)
        waited.append(time.monotonic() - begun)
    held.close()
    assert waited[0] < END_SECONDS + 3 and waited[1] < 0.5, "after that MLflow is left alone for a while"


def test_two_that_create_the_database_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from benchmark.tracking import server; folder = Path(sys.argv[1]);"
        "print(server.prepare(server.tracking_uri(folder), folder, ['b', 'a']))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env) for _ in range(3)]
    answers = {process.communicate(timeout=300)[0] for process in both}
    assert answers == {"{'b': '1', 'a': '2'}\n"} and {process.returncode for process in both} == {0}


def test_what_is_no_number_and_what_is_secret_is_not_said() -> None:
    found = runs.points([{"train_loss": float("nan"), "val_mse": 1.0, "lr": float("inf")}, {"grad_norm": 2.0}])
    assert found == [("val_mse", 1.0, 1), ("grad_norm", 2.0, 2)]
    assert server.shown("postgresql://me:secret@host/db") == "postgresql://host/db"
    assert server.database("sqlite:////a/b c/mlflow.db") == Path("/a/b c/mlflow.db")
    assert server.database("postgresql://host/sqlite") is None and server.database("http://host/") is None


@pytest.mark.parametrize("name", ["feature%2Fx", "what?", "a#b", "100% sure?", "a'b\"c"])
def test_a_results_folder_of_any_name(fresh: Path, name: str, tmp_path: Path) -> None:
    """Jenkins names a branch's folder feature%2Fx: the database stands in it, and nothing beside it."""
    results = tmp_path / name
    shutil.copytree(fresh / "cells", results / "cells")
    done = sync(results)
    assert done.code == 0 and f"{len(found(fresh))} made anew" in done.out, done
    assert {path.name for path in tmp_path.iterdir()} == {name} and (results / "mlflow.db").stat().st_size


MADE = {
    "aside": "server.prepare(server.tracking_uri(folder), folder, [])",
    "in place": "server.connect(server.tracking_uri(folder))",  # as it was made before
}


@pytest.mark.parametrize("how", MADE)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_database_whose_making_was_broken_off_is_made_anew(fresh: Path, how: str, number: int, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(fresh / "cells", results / "cells")
    program = f"""import sys
from pathlib import Path
from benchmark.tracking import server
folder = Path(sys.argv[1])
{MADE[how]}"""
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    process = subprocess.Popen([sys.executable, "-c", program, str(results)], cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    large = False
    while not large:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
        with suppress(FileNotFoundError):  # a journal comes and goes
            large = any(path.stat().st_size > 500_000 for path in results.glob("*mlflow.db*"))
    process.send_signal(number)
    process.wait(60)
    assert (results / "mlflow.db").exists() == (how == "in place")
    done = sync(results)
    assert done.code == 0 and f"{len(found(fresh))} made anew" in done.out, done


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_broken_off_at_ten_moments_of_its_making(fresh: Path, number: int, tmp_path: Path) -> None:
    """From before the file is there to after it is ready: `sync` always makes it whole."""
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    program = "import sys; from pathlib import Path; from benchmark.tracking import server; folder = Path(sys.argv[1])"
    began = "print('imported', flush=True)"
    for part in range(10):
        results = tmp_path / str(part)
        shutil.copytree(fresh / "cells", results / "cells")
        command = [sys.executable, "-c", f"{program}; import mlflow; {began}; {MADE['aside']}", str(results)]
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None and process.stdout.readline()
        time.sleep(part * 0.4)
        process.send_signal(number)
        process.wait(60)
        done = sync(results)
        assert done.code == 0 and f"{len(found(fresh))} made anew" in done.out, (part, done)


def test_a_database_with_runs_that_cannot_be_used_stays_and_is_named(copy: Path) -> None:
    database = copy / "mlflow.db"
    _nobody_knows(database)
    before = database.read_bytes()
    done = sync(copy)
    assert done.code == 1 and f"move {database} away" in done.err and done.err.count("\n") == 1
    assert database.read_bytes() == before
    database.rename(copy / "kept.db")
    remedy = [sys.executable, "-m", "benchmark.tracking", "sync", "--results-dir", str(copy)]
    assert subprocess.run(remedy, cwd=ROOT, capture_output=True).returncode == 0 and database.exists()


def test_a_file_that_is_no_database_stays_and_is_named(fresh: Path, begun: Path) -> None:
    shutil.copytree(fresh / "cells", begun / "cells")
    (begun / "mlflow.db").write_bytes(b"somebody's own notes" * 1000)
    done = sync(begun)
    assert done.code == 1 and f"move {begun / 'mlflow.db'} away" in done.err and done.err.count("\n") == 1
    assert (begun / "mlflow.db").read_bytes().startswith(b"somebody's own notes")


def test_one_without_runs_that_cannot_be_used_is_put_aside(fresh: Path, begun: Path) -> None:
    _nobody_knows(begun / "mlflow.db")
    before = (begun / "mlflow.db").read_bytes()
    shutil.copytree(fresh / "cells", begun / "cells")
    assert sync(begun).code == 0
    assert (begun / "mlflow.db.broken-off").read_bytes() == before


def _nobody_knows(database: Path) -> None:
    """Makes of a database one of another MLflow."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'nobody knows it'")


def test_sync_of_a_folder_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    done = sync(tmp_path / "nowhere")
    assert done.code == 2 and done.err.count("\n") == 1 and not (tmp_path / "nowhere").exists()


def test_the_ui_serves_the_database_and_none_of_mlflows_own_jobs(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which are eight processes more."""
    served, jobs = list[tuple[list[str], str]](), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
    for asked in (None, "true"):
        monkeypatch.setenv(jobs, asked or "")
        if asked is None:
            monkeypatch.delenv(jobs)
        monkeypatch.setattr(os, "execv", lambda program, words: served.append((words, os.environ[jobs])))
        main(["ui", "--results-dir", str(fresh), "--port", "5678"])
        assert "http://127.0.0.1:5678/#/experiments/" in capsys.readouterr().out
    assert [of_jobs for _, of_jobs in served] == ["false", "true"]
    assert all(server.tracking_uri(fresh) in words and "5678" in words for words, _ in served)
