"""MLflow brought to what the store says: each Result has one run that shows it, none waits for a process that is gone."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.machine import host, process_start
from benchmark.store.judged import JudgedCell
from benchmark.store.leases import Leases
from benchmark.store.result import Result
from benchmark.tracking import runs
from benchmark.tracking.attached import ATTACHED, Picture, Shown, attach
from benchmark.tracking.parents import KIND, start_parent, sum_up

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 500


@dataclass
class Counts:
    """What was done, in numbers of runs.

    whole: nothing to do. completed: something was missing. created: made anew. killed: ended as KILLED, their process
    being gone. removed: doubles. at_work: left to their process.
    """

    whole: int = 0
    completed: int = 0
    created: int = 0
    killed: int = 0
    removed: int = 0
    at_work: int = 0

    def __str__(self) -> str:
        words = {
            "whole already": self.whole, "completed": self.completed, "made anew": self.created,
            "ended as KILLED": self.killed, "doubles removed": self.removed, "still at work": self.at_work,
        }  # fmt: skip
        return ", ".join(f"{count} {what}" for what, count in words.items() if count) or "nothing to do"


def search(client: MlflowClient, experiment: str, condition: str = "") -> Iterator[Run]:
    """The runs of an experiment that are not deleted, page by page."""
    token: str | None = None
    while True:
        page = client.search_runs([experiment], condition, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def is_whole(run: Run, result: Result) -> bool:
    """Whether a run shows this very Result: the tag `ended` is among the last things that are written."""
    said = run.data.tags
    same = said.get("started") == result.started and said.get("ended") == result.ended
    return same and run.info.status == runs.run_status(result)


def log_tables(client: MlflowClient, run_id: str, paper: str, folder: Path) -> None:
    """A paper's tables and figures, and those that belong to no paper, as artifacts of an invocation's run."""
    files = sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith("."))
    others = {p.name.split(".")[0] for p in files if p.suffix == ".csv"} - {paper}
    for path in files:
        if path.name.split(".")[0] not in others:
            client.log_artifact(run_id, str(path), "tables")


@dataclass
class Rebuild:
    """One reconciliation of what `client` reaches with a results folder (`results_dir`).

    experiments: by paper. parents: by paper, the invocations' runs that new child runs hang below. made: by paper, the
    Results whose runs were made anew. shown: the runs that show Results. judged: by digest, what
    came of its cell. report: what was done.

    A run whose process still lives is left to it. Raises what MLflow raises.
    """

    client: MlflowClient
    results_dir: Path
    experiments: Mapping[str, str]
    parents: dict[str, str] = field(default_factory=dict)
    made: dict[str, list[Result]] = field(default_factory=lambda: defaultdict(list))
    shown: list[Shown] = field(default_factory=list)
    judged: Mapping[str, JudgedCell] = field(default_factory=dict)
    report: Counts = field(default_factory=Counts)

    @property
    def place(self) -> str:
        """The results folder, as runs name it."""
        return str(self.results_dir.resolve())

    def cell(self, result: Result, found: Sequence[Run]) -> None:
        """Sees to it that one of the runs found for a Result's digest shows it, or else a new one."""
        whole = next((run for run in found if is_whole(run, result)), None)
        shows = whole.info.run_id if whole is not None else None
        unended = [run for run in found if "ended" not in run.data.tags]
        gone = [run for run in unended if run.info.status != "RUNNING" or self.is_gone(run)]
        if shows:
            self.report.whole += 1
        elif len(gone) < len(unended):
            self.report.at_work += 1
            return
        else:
            shows = self._show(result, gone)
        attached = whole.data.tags.get(ATTACHED, "") if whole is not None else ""
        self.shown.append(Shown(shows, result.key, result.digest, attached))
        self.say_standing(shows, result, whole)
        for run in found:
            if "ended" in run.data.tags and run.info.run_id != shows and not is_whole(run, result):
                self.say(run.info.run_id, run, runs.superseded(result))
        for run in gone:
            if run.info.run_id != shows:
                self.client.delete_run(run.info.run_id)
                self.report.removed += 1

    def say_standing(self, run_id: str, result: Result, run: Run | None) -> None:
        """Says of the run that shows a Result where it stands. run: as it was found; None: it says nothing of that."""
        self.say(run_id, run, {"kind": runs.KIND, "current": "yes", "order": runs.order(result)})
        self.say_verdict(run_id, result.digest, run)

    def say_verdict(self, run_id: str, digest: str, run: Run | None) -> None:
        """Says of a run what came of its cell over all its seeds. run: as for `say_standing`."""
        cell = self.judged.get(digest)
        if cell is not None:
            self.say(run_id, run, runs.verdict_tags(cell), runs.verdict_metrics(cell))

    def say(
        self, run_id: str, run: Run | None, tags: Mapping[str, str], metrics: Mapping[str, float] | None = None
    ) -> None:
        """Sets what a run does not say yet."""
        from mlflow.entities import Metric, RunTag

        has, measured = (run.data.tags, run.data.metrics) if run is not None else ({}, {})
        said = [RunTag(name, value) for name, value in tags.items() if has.get(name) != value]
        moment = int(time.time() * 1000)  # of two values the later one is the run's
        found = [Metric(name, value, moment, 0) for name, value in (metrics or {}).items() if measured.get(name) != value]
        if said or found:
            self.client.log_batch(run_id, metrics=found, tags=said)

    def attach(self, picture: Picture | None, seconds: float = float("inf")) -> int:
        """Gives the runs that show Results their files; returns how many were left out after `seconds`."""
        return attach(self.client, self.shown, self.results_dir, picture, seconds)

    def _show(self, result: Result, gone: Sequence[Run]) -> str:
        """Completes the first run that agrees with a Result as far as it goes, or makes one; returns its id."""
        for run in gone:
            lacking = self._lacking(run.info.run_id, result)
            if lacking is not None:
                run_id = run.info.run_id
                self.report.completed += 1
                break
        else:
            paper = str(result.cell["paper"])
            extra = {"results_dir": self.place}
            parent = self._parent(paper, result)
            run_id = runs.create(self.client, self.experiments[paper], parent, result, extra)
            self.made[paper].append(result)
            lacking = runs.points(result.epochs)
            self.report.created += 1
        runs.describe(self.client, run_id, result)
        runs.log_points(self.client, run_id, lacking, runs.moments_of(result))
        runs.end(self.client, run_id, result)
        return str(run_id)

    def _lacking(self, run_id: str, result: Result) -> list[runs.Point] | None:
        """The points of the history that a run has not got; None where it has others, or one twice.

        A Result that is not done may know less than its run: nobody was left to write down the epochs of a killed cell.
        """
        expected = {(key, step): value for key, value, step in runs.points(result.epochs)}
        lacking = dict(expected)
        for key in dict.fromkeys(key for key, _ in expected):
            for metric in self.client.get_metric_history(run_id, key):
                place = (key, metric.step)
                if place in lacking:
                    if not isclose(lacking.pop(place), metric.value, rel_tol=1e-12):
                        return None
                elif place in expected or result.status == "done":
                    return None
        return [(key, value, step) for (key, step), value in lacking.items()]

    def _parent(self, paper: str, result: Result) -> str:
        """The run that a new run hangs below: the invocation's, or one for all that this sync makes."""
        if paper not in self.parents:
            self.parents[paper] = start_parent(
                self.client, self.experiments[paper], result.started, {"results_dir": self.place}
            )
            log_tables(self.client, self.parents[paper], paper, self.results_dir / "tables")
            self.client.set_terminated(self.parents[paper], "FINISHED", runs.milliseconds(result.ended))
        return self.parents[paper]

    def is_gone(self, run: Run) -> bool:
        """Whether the process behind a run has ended for certain.

        Of another machine's process we know only what its lease says, and only in our own results folder.
        """
        said = run.data.tags
        place, _, process = said.get("process", "").rpartition(" ")
        place, _, pid = place.rpartition(" ")
        if place == host() and pid.isdigit():
            return process_start(int(pid)) != process
        if said.get("results_dir") != self.place:
            return False
        if place.partition("/")[0] == host().partition("/")[0]:
            return True  # this machine, before it was last booted
        return "digest" in said and not Leases(self.results_dir).path(said["digest"]).exists()

    def end_lost(self, found: Sequence[Run]) -> None:
        """Ends as KILLED the runs whose process is gone."""
        for run in found:
            if run.info.status == "RUNNING" and self.is_gone(run):
                self.client.set_tag(run.info.run_id, "status", "killed")
                self.client.set_terminated(run.info.run_id, "KILLED")
                self.report.killed += 1


def rebuild_all(rebuild: Rebuild, results: Callable[[], Iterator[Result]]) -> Counts:
    """Brings every experiment to what the store says; a second call finds nothing to do. Raises what MLflow raises."""
    by_digest: dict[str, list[Run]] = defaultdict(list)
    invocations: list[Run] = []
    for experiment in rebuild.experiments.values():
        for run in search(rebuild.client, experiment):
            digest = run.data.tags.get("digest")
            if digest:
                by_digest[digest].append(run)
            elif run.data.tags.get("kind") == KIND:
                invocations.append(run)
    for result in results():
        rebuild.cell(result, by_digest.pop(result.digest, []))
    for paper, made in rebuild.made.items():
        sum_up(rebuild.client, rebuild.parents[paper], made, rebuild.judged)
    for found in (*by_digest.values(), invocations, _of_papers_without_results(rebuild)):
        rebuild.end_lost(found)
    return rebuild.report


def _of_papers_without_results(rebuild: Rebuild) -> list[Run]:
    return [
        run
        for experiment in rebuild.client.search_experiments()
        if experiment.experiment_id not in rebuild.experiments.values()
        for run in search(rebuild.client, experiment.experiment_id, "attributes.status = 'RUNNING'")
        if run.data.tags.get("results_dir") == rebuild.place  # not in the condition: a path may hold both kinds of quotes
    ]
