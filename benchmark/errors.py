"""Errors that end in one sentence for the user, and the search for what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """An option, file or environment variable that cannot be used: one sentence, exit status 2."""


class DataError(Exception):
    """A data file that is missing or not what it should be: one sentence that says what to do."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns ``; did you mean 'X'?`` for the closest known word, else the words that are known.

    Case does not count. The list is cut at twelve so that the message stays one line.
    """
    names = list(dict.fromkeys(known))
    folded = {name.casefold(): name for name in reversed(names)}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{folded[close[0]]}'?"
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"; known: {', '.join(names[:12])}{more}" if names else ""
