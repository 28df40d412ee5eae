"""Errors that end in one sentence for the user, the words of such sentences, and the search for what was meant."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable


class UsageError(Exception):
    """An option, file or environment variable that cannot be used: one sentence, exit status 2."""


class DataError(Exception):
    """A data file that is missing or not what it should be: one sentence that says what to do."""


class StopTraining(Exception):
    """Raised after an epoch to end a training with which nothing is wrong: the same command goes on with it."""


def told(error: OSError) -> str:
    """Which file it was and what is wrong with it, as far as the system says."""
    what = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return f"{error.filename}: {what}" if isinstance(error.filename, str) else what


def counted(number: int, what: str) -> str:
    """``1 cell``, ``2 cells``, ``12,000 cells``. `what`: what is counted, in the singular."""
    return f"{number:,} {what}{either(number, '', 's')}"


def either(number: int, one: str, many: str) -> str:
    """The word that goes with a number: ``is`` with 1, ``are`` with all others."""
    return one if number == 1 else many


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns ``; did you mean 'X'?`` for the closest known word, else the words that are known.

    Case does not count. The list is cut at twelve so that the message stays one line.
    """
    names = list(dict.fromkeys(known))
    folded = {name.casefold(): name for name in reversed(names)}
    asked = word.casefold()
    close = difflib.get_close_matches(asked, list(folded), n=10, cutoff=0.6)
    if close:
        best = max(close, key=lambda name: _alike(name, asked))
        return f"; did you mean '{folded[best]}'?"
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"; known: {', '.join(names[:12])}{more}" if names else ""


def _alike(name: str, asked: str) -> tuple[float, int, int]:
    """How alike two words are: by their common runs, then the letters that they share, then how long they begin alike."""
    begins = next((i for i, (a, b) in enumerate(zip(name, asked, strict=False)) if a != b), len(asked))
    return difflib.SequenceMatcher(None, name, asked).ratio(), (Counter(name) & Counter(asked)).total(), begins
