"""A disk that is full, a folder that cannot be written: a line says so, the status is right, and no Result is lost."""

from __future__ import annotations

import errno
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from frozen import seams
from test_code import planned_cells, stored
from test_runner import finish, start, table, trainings

import run_all
from benchmark.cell import Attempt
from benchmark.errors import UsageError
from benchmark.files import write_atomically
from benchmark.runner.job import Job, Unwritten
from benchmark.runner.queue import Queue, last_words
from benchmark.runner.worker import train, under_lease
from benchmark.store import judged
from benchmark.store.store import Store
from benchmark.tracking.server import Unusable, check_free
from tables import __main__ as tables_command
from tables.__main__ import main as tables
from tables.figures import forecast

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def done(tmp_path: Path) -> tuple[Path, list[str]]:
    """A results folder in which every cell that is asked for is done, and the options that ask."""
    folder = tmp_path / "results"
    for planned in planned_cells():
        stored(folder, planned, {})
    options = ["--papers", "toy", "--models", "SAMformer,Transformer", "--seeds", "2", "--no-mlflow"]
    return folder, [*options, "--results-dir", str(folder)]


def check_that_it_is_said(capsys: pytest.CaptureFixture[str], options: list[str], why: str, status: int = 1) -> None:
    """Of a run and of `tables render`."""
    capsys.readouterr()
    assert run_all.main(options) == status
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("run_all.py: cannot write the tables (") and why in line and "None" not in line
    assert "every Result is kept" in line and "python -m tables render --results-dir" in line
    assert said.out.splitlines()[-1] == "cells=4 done=4 refused=0 failed=0"
    assert tables(["render", "--no-figures", "--results-dir", options[-1]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m tables: cannot write ") and why in line and "None" not in line


def test_tables_that_is_a_file(done: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    (done[0] / "tables").write_text("mine")
    check_that_it_is_said(capsys, done[1], "tables: a file is where a folder has to be")
    assert (done[0] / "tables").read_text() == "mine"


def test_tables_that_hold_a_folder_in_a_files_place(
    done: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (done[0] / "tables" / "toy.md").mkdir(parents=True)
    check_that_it_is_said(capsys, done[1], "toy.md: Is a directory")


def test_a_run_ends_with_the_page_or_says_why_not(done: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_all.main(done[1]) == 0
    page, said = done[0] / "report.html", capsys.readouterr().out
    assert f"all of it in one page: {page}; " in said and "written: " not in said and b"Does the paper" in page.read_bytes()
    assert run_all.main([*done[1], "--verbose"]) == 0
    assert f"written: {page}" in capsys.readouterr().out.splitlines()
    page.unlink()
    page.mkdir()
    check_that_it_is_said(capsys, done[1], "report.html: Is a directory")


@pytest.mark.parametrize("error", [FULL, OSError(errno.EPERM, "Operation not permitted"), OSError("odd"), OSError()])
def test_a_disk_that_does_not_take_them(
    done: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("benchmark.files.os.replace", fails)
    check_that_it_is_said(capsys, done[1], f"toy.md: {error.strerror or str(error) or 'OSError'}")
    assert not list((done[0] / "tables").iterdir())


def test_an_immutable_folder(done: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    folder = done[0] / "tables"
    folder.mkdir()
    if subprocess.run(["chattr", "+i", str(folder)], capture_output=True).returncode:
        pytest.skip("no right to make a folder immutable here (chattr +i)")
    try:
        check_that_it_is_said(capsys, done[1], "Operation not permitted")
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)


def a_job(tiny: Callable[[int], Path], folder: Path, number: int = 0) -> Job:
    cells = seams.planned(seams.checksums({}, Path()), (tiny(2),), papers=("tiny",))
    return seams.job(cells[number], folder)


@pytest.mark.parametrize("where", ["cells", "logs", "leases"])
def test_a_cell_whose_result_the_disk_does_not_take(
    where: str, tmp_path: Path, tiny: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no failure of the cell: nothing is stored, and what was kept to go on with stays. A log line that is lost costs
    nothing."""
    each = a_job(tiny, tmp_path / "results")
    Store(each.results_dir).prepare()
    each.checkpoint_path.parent.mkdir(parents=True)
    each.checkpoint_path.write_bytes(b"kept")
    if where == "cells":
        monkeypatch.setattr(Store, "write", lambda self, result: write_fails(str(self.path(result.digest))))
        monkeypatch.setattr("benchmark.runner.worker.train_and_test", nothing_done)
    else:
        (each.results_dir / where).write_text("a file in the folder's place")
    with under_lease(each) as turn:
        if turn.is_ours:
            train([turn])
    assert isinstance(turn.outcome, Unwritten) and not turn.outcome.alone
    assert turn.outcome.why.startswith(f"cannot write {each.results_dir / where}")
    assert Store(each.results_dir).digests() == set() and each.checkpoint_path.exists()


def test_a_pipe_in_the_place_of_a_log_costs_that_cell_alone(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    """Opening it to write would wait for somebody who reads."""
    each = a_job(tiny, tmp_path / "results")
    each.log_path.parent.mkdir(parents=True)
    os.mkfifo(each.log_path)
    with under_lease(each) as turn:
        train([turn])
    assert isinstance(turn.outcome, Unwritten) and turn.outcome.alone
    assert turn.outcome.why == f"cannot write {each.log_path}: it is no regular file, and is left alone"
    assert last_words(each) is None


def test_a_pipe_beside_the_results_is_passed_over(tmp_path: Path) -> None:
    """What is not needed (judged.json) is not known; what is asked for is named."""
    os.mkfifo(tmp_path / judged.NAME)
    assert judged.read(tmp_path) is None
    os.mkfifo(tmp_path / "kept.npz")
    with pytest.raises(UsageError, match=r"kept\.npz: not a file of kept forecasts .* found a pipe"):
        forecast.read(tmp_path / "kept.npz")


def nothing_done(attempts: Sequence[Attempt], *others: object) -> None:
    for attempt in attempts:
        attempt.end(attempt.blank)


def write_fails(path: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", path)


class AtOnce:
    """A pool whose every cell is through at once, as `outcomes` say."""

    alone = True

    def __init__(self, outcomes: Callable[[Job], Any]) -> None:
        self.outcomes, self.begun, self.stopped = outcomes, 0, False

    def room(self) -> int:
        return 1

    def takes(self, job: Job) -> bool:
        return True

    def submit(self, job: Job) -> Future[Any]:
        self.begun += 1
        future: Future[Any] = Future()
        future.set_result([self.outcomes(job)])
        return future

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        pass


def test_no_further_cell_is_begun_on_a_full_disk(
    tmp_path: Path, tiny: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [a_job(tiny, tmp_path, number) for number in range(4)]
    told: list[Any] = []
    folder = OSError(errno.EISDIR, "Is a directory", "x.json")

    def outcome(job: Job) -> Any:
        if job is jobs[0]:
            return job.without_result("done", "")
        return Unwritten.of(job.digest, folder if job is jobs[1] else FULL)

    pool = AtOnce(outcome)
    queue = Queue(jobs, pool, tmp_path, told.append)
    assert queue.run() == 1 and pool.begun == 3 and pool.stopped
    assert [result.status for result in told] == ["done", "failed", "failed"]
    assert told[1].reason == "cannot write x.json: Is a directory"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "run_all.py: cannot write No space left on device; 3 of 4 cells are left, what has ended is kept"
    )


def test_what_is_written_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="a file is where a folder has to be") as caught:
        write_atomically(tmp_path / "file" / "x", "text")
    assert caught.value.filename == str(tmp_path / "file")
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(IsADirectoryError) as folder:
        write_atomically(tmp_path / "x", "text")
    assert folder.value.filename == str(tmp_path / "x")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of a size (anew: of another size, with what is on it), in memory."""
    folder, mounted = tmp_path / "disk", False

    def mount(size: str) -> Path:
        nonlocal mounted
        folder.mkdir(exist_ok=True)
        options = f"remount,size={size}" if mounted else f"size={size}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"SKIPPED: no right to mount a small disk here ({done.stderr.strip()})")
        mounted = True
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import TINY

    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.yaml").write_text(TINY.replace("EPOCHS", "12"))
    assert finish(start(folder / "results", folder / "tiny.yaml", "--jobs", "2"))[0] == 0
    return folder / "results"


@pytest.mark.long
@pytest.mark.parametrize("size", ["16k", "64k", "128k", "192k", "320k"])
def test_a_full_disk(size: str, small_disk: Callable[[str], Path], tiny: Callable[[int], Path], undisturbed: Path) -> None:
    """At five sizes: the run says so and ends; with room, the same command goes on. Nothing that has ended is lost or
    trained anew, and the tables are the same to the byte."""
    folder, config = small_disk(size) / "results", tiny(12)
    first = start(folder, config, "--jobs", "2", TMPDIR=str(config.parent))
    out, err = first.communicate(timeout=240)
    assert first.returncode in (1, 2) and "Traceback" not in err + out and "None" not in err, err
    ended = {p.name: p.read_bytes() for p in (folder / "cells").glob("*.json")} if folder.exists() else {}
    begun: Counter[str] = trainings(folder)
    if first.returncode == 1:
        assert "No space left on device" in err, err
        assert out.splitlines()[-1].startswith(f"cells=12 done={len(ended)} refused=0 failed="), out
    assert all(Store(folder).status(name.removesuffix(".json")) == "done" for name in ended)
    small_disk("64m")
    code, out = finish(start(folder, config, "--jobs", "2"))
    assert code == 0 and out.splitlines()[-1] == "cells=12 done=12 refused=0 failed=0", out
    assert ended.items() <= {p.name: p.read_bytes() for p in (folder / "cells").glob("*.json")}.items()
    again = Counter({key: count for key, count in trainings(folder).items() if count > 1})
    assert sum(again.values()) <= 2 * 2 and sum(begun.values()) <= len(ended) + 2, "no more than what was under way"
    assert table(folder) == table(undisturbed)
    with suppress(FileNotFoundError):
        assert list((folder / "leases").iterdir()) == [] and os.listdir(folder / "cells")


def test_a_full_output_is_named_as_such(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(options: object) -> None:
        raise FULL

    monkeypatch.setitem(tables_command._COMMANDS, "claims", full)
    assert tables(["claims"]) == 2
    assert capsys.readouterr().err == "python -m tables: cannot write to the output: No space left on device\n"


def test_a_folder_where_the_database_has_to_be_is_named_with_a_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "mlflow.db"
    folder.mkdir()
    with pytest.raises(Unusable, match=r"mlflow\.db is a folder, and not a database; move .* away, and .*sync"):
        check_free(f"sqlite:///{folder}")
