"""How a cell is looked at while it trains. The cell knows this interface and nothing of who stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from benchmark.store.result import Result


class Watch(Protocol):
    """One who looks on while a cell trains. None of the three raises or takes noticeable time."""

    def epoch(self, epoch: Mapping[str, float]) -> None:
        """An epoch has ended."""

    def ended(self, result: Result) -> None:
        """The cell has ended, and its Result is in the store."""

    def close(self) -> None:
        """Nothing more will come, whether the cell has ended or not."""


class Watcher(Protocol):
    """Whence a cell's `Watch` comes; travels with the task."""

    def open(self, begun: Result) -> Watch:
        """Begins; `begun` is the Result as far as it is known before training."""


class Unwatched:
    """Nobody looks on."""

    def epoch(self, epoch: Mapping[str, float]) -> None:
        """Says nothing."""

    def ended(self, result: Result) -> None:
        """Says nothing."""

    def close(self) -> None:
        """Says nothing."""
