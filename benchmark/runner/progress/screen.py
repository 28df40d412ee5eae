"""Progress of a run on the screen: a line for every ended cell; what is training, on a terminal; a line a minute in a log.

tqdm draws the lines of a terminal that change: the suite has it already, it copes with any width and with other output in
between, and where there is no terminal it is silent.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from benchmark.errors import either
from benchmark.runner.job import Job
from benchmark.runner.progress.epochs import Watched
from benchmark.runner.progress.words import describe, left
from benchmark.store.result import Result

LOOK_SECONDS = 1.0
"""Between two looks at what is under way."""
LOG_SECONDS = 60.0
"""Between two lines in a log."""


class Screen:
    """One line for every ended cell. On a terminal below them a line of the whole run, and one for each worker, that are
    kept up to date; where either stream is none, a line a minute that says the same."""

    def __init__(self, costs: Mapping[str, float], workers: int = 0) -> None:
        """`costs`: of every cell, by digest, what it is estimated to take, in any unit. `workers`: lines for so many."""
        from tqdm import tqdm

        self._failed = 0
        self.count = 0
        self._costs = dict(costs)
        self._whole = sum(costs.values())
        self._total = len(costs)
        self._started = self._looked = self._logged = time.monotonic()
        self._watched = Watched()
        there = sys.stderr.isatty()
        self._logs = not (there and sys.stdout.isatty())
        self._bar = tqdm(
            total=self._total, disable=not there, dynamic_ncols=True, file=sys.stderr,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} " + either(self._total, "cell", "cells")
            + ", {elapsed} gone{postfix}",
        )  # fmt: skip
        self._lines: list[Any] = [
            tqdm(total=0, disable=not there, file=sys.stderr, bar_format="{desc}", position=place + 1, leave=False)
            for place in range(workers)
        ]

    def ended(self, result: Result) -> None:
        """Shows that a cell has ended, and how."""
        self.count += 1
        self._failed += result.status != "done"
        with suppress(BrokenPipeError):  # nobody reads any more; the training goes on
            self._bar.write(f"[{self.count}/{self._total}] {describe(result)}", file=sys.stdout)
            sys.stdout.flush()
        self._costs.pop(result.digest, None)
        self._bar.set_postfix_str(f"{self._left()}, failed {self._failed}", refresh=False)
        self._bar.update()

    def look(self, running: Iterable[tuple[Job, float]]) -> None:
        """Shows how far the jobs under way (with their start) are, once a second at most."""
        now = time.monotonic()
        if now < self._looked + LOOK_SECONDS:
            return
        self._looked = now
        self._watched.look(running)
        width = shutil.get_terminal_size().columns - 1
        for line, one in zip(self._lines, [*self._watched.places, *[None] * len(self._lines)], strict=False):
            line.set_description_str(f"  {one.line(width - 2)}" if one is not None else "")
        self._bar.set_postfix_str(f"{self._left()}, failed {self._failed}", refresh=not self._bar.disable)
        if self._logs and now > self._logged + LOG_SECONDS:
            self._logged = now
            under_way = "; ".join(one.line(200) for one in self._watched.under_way()) or "nothing, for the moment"
            with suppress(BrokenPipeError):
                said = (
                    f"{time.strftime('%H:%M')} {self.count} of {self._total} ended, {self._left()}; training: {under_way}"
                )
                self._bar.write(said, file=sys.stdout)
                sys.stdout.flush()

    def _left(self) -> str:
        """How long all of it will still take, by what has ended and by how far the rest is."""
        begun = sum(
            one.share * self._costs.get(member.digest, 0.0)
            for one in self._watched.under_way() for member in one.job.members
        )  # fmt: skip
        return left(self._whole, sum(self._costs.values()) - begun, time.monotonic() - self._started)

    def close(self) -> None:
        """Ends the lines."""
        for line in self._lines:
            line.close()
        self._bar.close()
