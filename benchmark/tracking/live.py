"""In the worker: a cell's run, written while the cell trains, by a thread that the training never waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from benchmark.store.result import Result
from benchmark.tracking import runs
from benchmark.tracking.server import Unusable, connect, file_identity, load, this_process

T = TypeVar("T")
MOST_EPOCHS = 10_000
"""Held for a slow server; a cell that has more of them waiting is left to `sync`."""
END_SECONDS = 2.0
"""That a cell waits at its end for what is not yet written."""
IMPORT_SECONDS = 10.0
"""That the first cell of a worker waits beyond it while MLflow is still being imported."""
FLUSH_SECONDS = 0.25
"""Between two calls: an epoch is visible soon, and a thousand fast epochs cost a few calls."""
REST_SECONDS = 120.0
"""That a worker leaves MLflow alone after a failure, so that many cells do not wait for it one after the other."""
TRIES = 3

_resting: dict[str, float] = {}  # of this process: by URI, until when (monotonic)


@dataclass(frozen=True)
class Target:
    """Where a worker logs; plain values that travel to it. By paper: the experiment's id, the invocation's run."""

    uri: str
    file: tuple[int, int] | None
    experiments: Mapping[str, str]
    parents: Mapping[str, str]
    results_dir: str

    def open(self, begun: Result) -> Live:
        """Begins the run of a cell; returns at once."""
        return Live(self, begun)


class Live:
    """A cell's run while it trains. No method raises; `ended` alone waits, for `END_SECONDS` at most.

    What is lost stays lost here: from the first failure on the run is left as it is, without the tag `ended`, and that
    is how `sync` knows it.
    """

    def __init__(self, target: Target, begun: Result) -> None:
        self._target = target
        self._begun = begun
        self._changed = threading.Condition()
        self._waiting: list[tuple[Mapping[str, float], int]] = []
        self._logged = 0
        self._final: Result | None = None
        self._given_up = time.monotonic() < _resting.get(target.uri, 0.0)
        self._imported = threading.Event()
        self._thread = threading.Thread(target=self._talk, name="mlflow", daemon=True)
        if not self._given_up:
            try:
                self._thread.start()
            except RuntimeError:  # the system has no thread left
                self._given_up = True

    def epoch(self, epoch: Mapping[str, float]) -> None:
        """An epoch has ended: train_loss, val_mse, lr, grad_norm."""
        with self._changed:
            if len(self._waiting) >= MOST_EPOCHS:
                self._given_up = True
            if not self._given_up:
                self._waiting.append((dict(epoch), int(time.time() * 1000)))
            self._changed.notify()

    def ended(self, result: Result) -> None:
        """The cell has its Result, which is in the store already."""
        with self._changed:
            self._final = result
            self._changed.notify()
        if self._given_up:
            return
        self._imported.wait(IMPORT_SECONDS)
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            self._rest()
        self.close()

    def close(self) -> None:
        """Nothing more will come; what is not yet written is not written any more."""
        with self._changed:
            self._given_up = True
            self._changed.notify()

    def _rest(self) -> None:
        _resting[self._target.uri] = time.monotonic() + REST_SECONDS

    def _talk(self) -> None:
        try:
            self._run()
        except Exception:  # whatever MLflow, its database driver or its server come up with
            self._rest()
            self.close()
        finally:
            self._imported.set()

    def _run(self) -> None:
        target, paper = self._target, str(self._begun.cell["paper"])
        load()  # takes seconds, in which the database may go
        self._imported.set()
        if target.file is not None and file_identity(target.uri) != target.file:
            raise Unusable("its database is gone")  # and a worker must not be the one that creates it anew
        client = connect(target.uri)
        extra = {"process": this_process(), "results_dir": target.results_dir}
        experiment, parent = target.experiments[paper], target.parents[paper]
        run_id = self._insist(partial(runs.create, client, experiment, parent, self._begun, extra))
        self._insist(partial(runs.describe, client, run_id, self._begun))
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._final or self._given_up)
                if self._given_up:
                    return
                waiting, self._waiting, final = self._waiting, [], self._final
            found = runs.points((epoch for epoch, _ in waiting), self._logged + 1)
            moments = {self._logged + i: moment for i, (_, moment) in enumerate(waiting, 1)}
            self._logged += len(waiting)
            self._insist(partial(runs.log_points, client, run_id, found, moments))
            if final is not None:
                self._insist(partial(runs.end, client, run_id, final))
                return
            with self._changed:
                self._changed.wait_for(lambda: self._final or self._given_up, FLUSH_SECONDS)

    def _insist(self, call: Callable[[], T]) -> T:
        """Calls, and again where that fails: SQLite refuses one of two writers that wait for each other."""
        for tried in range(1, TRIES + 1):
            try:
                return call()
            except Exception:
                if tried == TRIES or self._given_up:
                    raise
                time.sleep(0.1 * tried)
        raise AssertionError
