"""In the parent: MLflow made ready before any worker starts, and brought to what the store says when all have ended."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import counted, either
from benchmark.machine import bounded
from benchmark.store import judged
from benchmark.store.result import Result
from benchmark.store.store import Store
from benchmark.tracking import runs, server
from benchmark.tracking.attached import Picture
from benchmark.tracking.live import Target
from benchmark.tracking.parents import COMMAND, command_line, start_parent, sum_up
from benchmark.tracking.runs import PARENT
from benchmark.tracking.sync import Rebuild, is_whole, log_tables, search
from benchmark.tracking.view import CURRENT

if TYPE_CHECKING:
    from mlflow.entities import Run

START_SECONDS = 20.0
LOCAL_START_SECONDS = 120.0
"""Of a database on this machine, made at first use: seconds of computing, on a busy machine a minute."""
FINISH_SECONDS = 20.0
FINISH_SECONDS_A_CELL = 0.05
ATTACH_SECONDS = 60.0
"""For the files of cells, when all else is said; those that are left then get theirs from `sync`."""


@dataclass(frozen=True)
class Invocation:
    """MLflow's view of one invocation: its cells' papers by digest.

    `target` is what its tasks carry; None where MLflow could not be used. `picture` draws a cell's forecast.
    """

    results_dir: Path
    uri: str
    papers: Mapping[str, str]
    target: Target | None
    picture: Picture | None = None

    @classmethod
    def start(
        cls, results_dir: Path, papers: Mapping[str, str], commit: str | None, picture: Picture | None = None
    ) -> Invocation:
        """Database, experiments, and a run for this invocation in each paper's. Where MLflow is not to be had, a warning
        and an invocation without it: nothing is raised."""
        uri = server.tracking_uri(results_dir)
        names = sorted(set(papers.values()))
        try:
            limit = START_SECONDS if uri.startswith("http") else LOCAL_START_SECONDS
            target = bounded(lambda: _begin(uri, results_dir, names, commit), limit)
        except Exception as error:
            _warn(f"MLflow at {server.shown(uri)} cannot be used ({server.reason(error)}); the run goes on without it")
            target = None
        return cls(results_dir, uri, papers, target, picture)

    def finish(self, interrupted: bool) -> None:
        """Puts in what the workers could not log, attaches the tables, ends this invocation's runs.

        To be called when no worker is left. Raises nothing: what cannot be done is said, with the command that does it.
        """
        if self.target is None:
            _warn(f"MLflow has nothing of this run; {self._remedy()}")
            return
        target = self.target
        try:
            limit = FINISH_SECONDS + FINISH_SECONDS_A_CELL * len(self.papers)
            rebuild = bounded(lambda: _end(target, self.results_dir, self.papers, interrupted), limit)
            left = bounded(lambda: rebuild.attach(self.picture, ATTACH_SECONDS), ATTACH_SECONDS + FINISH_SECONDS)
            if left:
                _warn(f"MLflow has not got the files of {counted(left, 'run')} yet; {self._remedy('puts them in')}")
        except Exception as error:
            _warn(f"MLflow has not got all of this run ({server.reason(error)}); {self._remedy()}")

    def _remedy(self, does: str = "repairs it") -> str:
        place = "" if self.results_dir == Path("results") else f" --results-dir {self.results_dir}"
        return f"`python -m benchmark.tracking sync{place}` {does}"


def _warn(text: str) -> None:
    print(f"run_all.py: {text}", file=sys.stderr)


def _begin(uri: str, results_dir: Path, papers: list[str], commit: str | None) -> Target:
    experiments = server.prepare(uri, results_dir, papers)
    client = server.connect(uri)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    place = str(results_dir.resolve())
    tags = {"process": server.this_process(), "results_dir": place}
    if command := command_line():
        tags[COMMAND] = command
    if commit:
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit}
    parents = {paper: start_parent(client, experiments[paper], started, tags) for paper in papers}
    return Target(uri, server.file_identity(uri), experiments, parents, place)


def _end(target: Target, results_dir: Path, papers: Mapping[str, str], interrupted: bool) -> Rebuild:
    """Says in MLflow what the store says of an invocation's cells (`papers`: by digest), all but their files."""
    if server.file_identity(target.uri) != target.file:
        raise server.Unusable("its database was removed or replaced meanwhile")
    server.check_free(target.uri)
    client = server.connect(target.uri)
    found = judged.by_digest(judged.read(results_dir))
    rebuild = Rebuild(client, results_dir, target.experiments, dict(target.parents), judged=found)
    store = Store(results_dir)
    with server.locked(target.uri, results_dir, "sync", FINISH_SECONDS):
        ours: dict[str, list[Run]] = defaultdict(list)
        for paper, parent in target.parents.items():
            for run in search(client, target.experiments[paper], f"tags.`{PARENT}` = '{parent}'"):
                ours[run.data.tags.get("digest", "")].append(run)
        results = list(filter(None, map(store.read, papers)))
        _supersede(rebuild, results)
        for result in results:
            rebuild.cell(result, ours.pop(result.digest, []) or _elsewhere(rebuild, result))
        for left in ours.values():
            rebuild.end_lost(left)
        _judge_earlier_seeds(rebuild, list(papers))
        for paper, parent in target.parents.items():
            log_tables(client, parent, paper, results_dir / "tables")
            sum_up(client, parent, [result for result in results if papers[result.digest] == paper], found)
            client.set_terminated(parent, "KILLED" if interrupted else "FINISHED")
    if count := rebuild.report.at_work:
        workers = either(count, "is still written by its worker", "are still written by their workers")
        raise server.Unusable(f"{counted(count, 'run')} {workers}")
    return rebuild


def _supersede(rebuild: Rebuild, results: Collection[Result]) -> None:
    """Says of runs below earlier invocations that other Results have taken their Results' places."""
    by_digest = {result.digest: result for result in results}
    for experiment in rebuild.experiments.values():
        for run in list(search(rebuild.client, experiment, CURRENT)):
            result = by_digest.get(run.data.tags.get("digest", ""))
            if result is not None and "ended" in run.data.tags and not is_whole(run, result):
                rebuild.say(run.info.run_id, run, runs.superseded(result))


def _judge_earlier_seeds(rebuild: Rebuild, digests: Collection[str]) -> None:
    """What came of a cell has changed with its new seeds: the runs of those that it had before say so, too."""
    cells = [cell for digest in digests if (cell := rebuild.judged.get(digest)) is not None]
    for digest in {digest for cell in cells for digest in cell.digests} - set(digests):
        for experiment in rebuild.experiments.values():
            for run in search(rebuild.client, experiment, f"tags.digest = '{digest}'"):
                rebuild.say_verdict(run.info.run_id, digest, run)


def _elsewhere(rebuild: Rebuild, result: Result) -> list[Run]:
    """The runs of a digest below other invocations: one of them may have trained the cell while we waited for it."""
    experiment = rebuild.experiments[str(result.cell["paper"])]
    return list(search(rebuild.client, experiment, f"tags.digest = '{result.digest}'"))
