"""How far a transfer is: a bar on a terminal, nothing in a log."""

from __future__ import annotations

import sys


class Bar:
    """Called with bytes so far and in all; `close` when the transfer has ended."""

    def __init__(self, title: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=title, unit="B", unit_scale=True, file=sys.stderr, disable=not sys.stderr.isatty())

    def __call__(self, done: int, total: int | None) -> None:
        """Moves the bar."""
        if total is not None:
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Ends the bar's line."""
        self._bar.close()


def bar(title: str) -> Bar:
    """A bar with a title."""
    return Bar(title)
