"""What a run says while it trains: in a terminal of any width, in a log; tables renewed meanwhile."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.cell import Experiment
from benchmark.config.catalogue import catalogue
from benchmark.data.files import synthetic_sha256
from benchmark.grid.cells import Selection
from benchmark.grid.plan import plan
from benchmark.runner.job import Job
from benchmark.runner.progress import renewal, screen
from benchmark.runner.progress.epochs import TAIL_BYTES, Watched

EPOCH = "epoch {}: train_loss=0.5 val_mse=0.412345 lr=0.001 grad_norm=1 seconds=90\n"


@pytest.fixture
def jobs(tiny: Callable[[int], Path], tmp_path: Path) -> list[Job]:
    """Four jobs of a hundred epochs at most."""
    there = catalogue([tiny(100)])
    cells = plan(there, Selection(papers=("tiny",), seeds=(0,)), synthetic_sha256)
    (tmp_path / "logs").mkdir()
    return [
        Job(Experiment(p.cell, p.digest or "", p.recipe, there.datasets["toy"], None, "", None, "cpu", None), tmp_path)
        for p in cells if p.recipe is not None
    ]  # fmt: skip


def say(job: Job, text: str) -> None:
    with job.log_path.open("a") as log:
        log.write(text)


def test_a_worker_says_what_it_trains_its_epoch_and_the_time_left_at_any_width(jobs: list[Job]) -> None:
    job = jobs[0]
    say(job, f"{job.digest}\n" + EPOCH.format(77))
    watched = Watched()
    watched.look([(job, time.monotonic())])
    (one,) = watched.under_way()
    assert one.line(80).startswith("tiny/toy/4/SAMformer/sam/s0  begun "), "epoch 77 is an earlier attempt's"
    say(job, f"{job.digest}\n")
    watched.look([(job, time.monotonic())])
    assert one.line(80) == "tiny/toy/4/SAMformer/sam/s0  epoch 1 of 100"
    say(job, "".join(EPOCH.format(n) for n in range(1, 21)))
    watched.look([(job, time.monotonic())])
    assert one.line(200) == "tiny/toy/4/SAMformer/sam/s0  epoch 20 of 100, up to 2.0 h left  val_mse=0.412345"
    assert one.line(50) == "…Mformer/sam/s0  epoch 20 of 100, up to 2.0 h left"
    assert all(len(one.line(width)) <= width for width in range(20, 120)) and one.share == 0.2
    say(job, EPOCH.format(21) + "x" * TAIL_BYTES + "\n" + EPOCH.format(22)[:20])
    watched.look([(job, time.monotonic())])
    assert one.epoch == 20, "a line that is cut off says nothing"


def test_workers_keep_their_lines(jobs: list[Job]) -> None:
    watched, begun = Watched(), time.monotonic()
    a, b, c = jobs[:3]
    watched.look([(a, begun), (b, begun)])
    watched.look([(b, begun), (c, begun)])
    assert [one and one.job.digest for one in watched.places] == [c.digest, b.digest]
    watched.look([(c, begun)])
    assert [one and one.job.digest for one in watched.places] == [c.digest, None]


def test_without_a_terminal_a_line_a_minute_and_no_control_character(
    jobs: list[Job], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "LOOK_SECONDS", 0.0)
    shown = screen.Screen({job.digest: 100.0 for job in jobs}, workers=2)
    running = [(job, time.monotonic()) for job in jobs[:2]]
    shown.look(running)
    assert capsys.readouterr().out == "", "the first line comes after a minute"
    for job in jobs[:2]:
        say(job, f"{job.digest}\n" + EPOCH.format(1))
    monkeypatch.setattr(screen, "LOG_SECONDS", 0.0)
    shown.look(running)
    shown.close()
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    assert line[5:].startswith(" 0 of 4 ended, about ") and line.count("epoch 1 of 100, up to 2.5 h left") == 2
    assert said.err == "" and line.isprintable()


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_line_for_each_worker_and_none_a_minute(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(screen, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(screen, "LOG_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "60")
    shown = screen.Screen({job.digest: 100.0 for job in jobs}, workers=2)
    begun = time.monotonic()
    shown.look([(job, begun) for job in jobs[:2]])
    for job in jobs[:2]:
        say(job, f"{job.digest}\n" + EPOCH.format(1))
    shown.look([(job, begun) for job in jobs[:2]])
    shown.close()
    lines = err.getvalue().replace("\x1b[A", "\n").replace("\r", "\n").splitlines()
    for job in jobs[:2]:
        assert any("epoch 1 of 100, up to 2.5 h left" in line and job.experiment.cell.model in line for line in lines)
    assert all(len(line) < 60 for line in lines if "epoch" in line) and out.getvalue() == ""


class Process:
    """A render that goes on until it is told to end."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.command, self.status = command, None

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.status = -15  # type: ignore[assignment]

    def wait(self) -> None:
        assert self.status is not None


def test_tables_are_renewed_every_ten_minutes_in_which_a_cell_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Process] = []

    def start(command: list[str], **options: Any) -> Process:
        begun.append(Process(command, **options))
        return begun[-1]

    monkeypatch.setattr(renewal.subprocess, "Popen", start)
    now = [0.0]
    monkeypatch.setattr(renewal.time, "monotonic", lambda: now[0])
    one = renewal.Renewal(["--results-dir", "/x", "--also", "Ridge"])
    for moment, ended, many in ((599, 5, 0), (601, 5, 1), (1300, 6, 1), (1301, 6, 1)):
        now[0] = moment
        one.look(ended)
        assert len(begun) == many, "one at a time"
    begun[0].status = 0  # type: ignore[assignment]
    for moment, ended, many in ((1302, 5, 1), (1303, 6, 2)):
        now[0] = moment
        one.look(ended)
        assert len(begun) == many, "only where a cell has ended since"
    assert begun[0].command[1:] == ["-m", "tables", "render", "--results-dir", "/x", "--also", "Ridge"]
    one.close()
    assert begun[1].status == -15


def test_programs_of_several_seeds_say_so(jobs: list[Job]) -> None:
    watched = Watched()
    first = replace(jobs[0], companions=(jobs[1].experiment, jobs[2].experiment))
    watched.look([(first, time.monotonic())])
    assert watched.under_way()[0].line(80).startswith("tiny/toy/4/SAMformer/sam/s0 and 2 more seeds  ")
