"""Whether a Result's fields are what they have to be: whoever reads one relies on it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from benchmark.store.result import STATUSES, Result

_DIGEST = re.compile("[0-9a-f]{64}")
CELL: Mapping[str, type] = MappingProxyType({
    "paper": str, "protocol": str, "profile": str, "dataset": str, "lookback": int, "horizon": int, "model": str,
    "sam": bool, "seed": int, "candidate": bool,
})  # fmt: skip
"""The fields of a cell, as `benchmark.grid.cells.Cell` has them."""
MAY_LACK = ("candidate",)
"""Fields of a cell that it has a default for."""
SAID = ("python", "torch", "numpy", "platform", "machine", "processor", "device", "precision", "git_commit")
"""Of an environment, what is a text; the rest are texts, numbers, or true and false."""
EXTRA_ERRORS = ("test_rmse", "test_raw_mse", "test_raw_mae", "test_mape", "test_smape", "test_mase")
"""Of further metrics, those that are errors too, and so 0 or more, as all are that decide."""
_WORDS: Mapping[type, str] = MappingProxyType({str: "a text", int: "a whole number from 0", bool: "true or false"})
_MOST_SHOWN = 40


def is_digest(word: object) -> bool:
    """Whether a word can be a digest: 64 hexadecimal digits in small letters."""
    return isinstance(word, str) and _DIGEST.fullmatch(word) is not None


def amiss(result: Result, digest: str) -> str | None:
    """What keeps a Result from being that of a digest, if something does."""
    if not is_digest(digest):
        return f"expected a digest of 64 hexadecimal digits, found {shown(digest)}"
    if result.digest != digest:
        return "the Result of another digest than its name says"
    numbers = (result.metrics, result.extra_metrics, result.windows, *result.epochs)
    tables = (result.cell, result.recipe, result.environment, result.code, result.checks, *numbers)
    if not (isinstance(result.key, str) and result.status in STATUSES and all(isinstance(t, Mapping) for t in tables)):
        return "no Result"
    return _cell(result.cell) or _fields(result) or _numbers(result)


def _cell(cell: Mapping[str, Any]) -> str | None:
    for name, kind in CELL.items():
        if name not in cell:
            if name not in MAY_LACK:
                return f"its cell lacks its {name}"
        elif type(cell[name]) is not kind or (kind is int and cell[name] < 0):
            return f"its cell's {name}: expected {_WORDS[kind]}, found {shown(cell[name])}"
    return None


def _fields(result: Result) -> str | None:
    """Of the other fields, the first that is none of its kind."""
    for name in ("reason", "traceback", "data_sha256", "started", "ended"):
        value = getattr(result, name)
        if not isinstance(value, str) and (value is not None or name in ("started", "ended")):
            return f"its {name}: expected a text, found {shown(value)}"
    for name in ("best_epoch", "n_params", "peak_memory_bytes", "semantics", "schema"):
        value = getattr(result, name)
        if (type(value) is not int or value < 0) and (value is not None or name == "schema"):
            return f"its {name}: expected a whole number from 0, found {shown(value)}"
    if (result.best_epoch or 0) > len(result.epochs):
        return f"its best epoch is {result.best_epoch} of {len(result.epochs)}"
    for name, value in result.environment.items():
        if not isinstance(value, str) and ((name in SAID and value is not None) or isinstance(value, list | Mapping)):
            return f"its environment's {shown(name)}: expected a text, found {shown(value)}"
    if not all(isinstance(value, str) for value in result.code.values()):
        return "its code: expected a checksum for each file"
    if not all(isinstance(value, str) for value in result.checks.values()):
        return "its checks: expected a text for each"
    return None


def _numbers(result: Result) -> str | None:
    if not _is_number(result.seconds):
        return f"its seconds: expected a number, found {shown(result.seconds)}"
    for table in (result.extra_metrics, result.windows, *result.epochs):
        if not all(value is None or _is_number(value) for value in table.values()):
            return "a number of its windows, epochs or further metrics is none"
    if result.status == "done":
        if not result.metrics:
            return "done without a metric"
        for name, value in result.metrics.items():
            if not _is_number(value):
                return f"done, and its {name} is no number"
    extra = {name: value for name, value in result.extra_metrics.items() if name in EXTRA_ERRORS and value is not None}
    for name, value in (*result.metrics.items(), *extra.items()):
        if _is_number(value) and value < 0:
            return f"its {name} is {value:g}, and an error is 0 or more"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def undecided(result: Result) -> str | None:
    """Why a done Result's metrics can decide nothing: an error has been measured on validation, by which weights and
    look-backs are chosen, and on test; None where they can, and for one that is not done.
    """
    if result.status != "done":
        return None
    chosen = {name.removeprefix("val_") for epoch in result.epochs for name in epoch if name.startswith("val_")}
    measured = {name.partition("_")[2] for name in result.metrics}
    for name in sorted(chosen | measured):
        for part in ("test", "val"):
            if f"{part}_{name}" not in result.metrics:
                return f"done without its {part}_{name}"
    return None


def shown(value: object) -> str:
    """A value in a message of one line, whatever it is: cut, and without a character that a terminal obeys."""
    text = ascii(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
