"""A CSV of results: a line a training, ``dataset, horizon, model, seed, mse[, mae, lookback]``, or means with std and n."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection
from difflib import get_close_matches

from benchmark.errors import UsageError, counted, nearest
from tables.imported.number import Number, Read

ALWAYS = ("dataset", "horizon", "model", "mse")
OF_SEEDS, OF_MEANS = ("seed",), ("std", "n")
OPTIONAL = ("lookback", "mae")
LARGEST = 1e100
"""Whose square is still a number; an error that is larger is a mistake of the file's."""
MOST_TRAININGS = 100_000
"""Of one cell."""
FORM = "dataset,horizon,model,seed,mse[,mae,lookback] or dataset,horizon,model,mse,std,n[,lookback]"


def read_csv(name: str, text: str) -> Read:
    """Every line that can be read; of the others, why not. Raises UsageError for a head of another form."""
    reader = csv.reader(io.StringIO(text, newline=""))
    head = [column.strip().casefold() for column in next(reader, [])]
    if len(head) == 1 and (other := next((each for each in (";", "\t", "|") if each in head[0]), None)):
        raise UsageError(f"{name}:1: the columns are separated by {other!r}; expected commas")
    for column in head:
        if column and head.count(column) > 1:
            raise UsageError(f"{name}:1: column '{column}' stands twice; remove one")
    means = "seed" not in head
    for column in (*ALWAYS, *(OF_MEANS if means and "std" in head else OF_SEEDS)):
        if column not in head:
            known = nearest(column, head) if head else ""
            raise UsageError(f"{name}:1: the column '{column}' is missing{known}; expected {FORM}")
    used = {*ALWAYS, *(OF_MEANS if means else OF_SEEDS), "lookback", *(() if means else ("mae",))}
    found = Read()
    if surplus := [column for column in head if column not in used]:
        named = [f"{each}{_meant(each, used - set(head))}" if each else "one without a name" for each in surplus]
        found.notes.append(f"{name}: columns that are not used: {', '.join(named)}")
    for fields in reader:
        if not any(field.strip() for field in fields):
            continue
        try:
            if len(fields) > len(head):
                expected = f"expected {counted(len(head), 'field')} as in the head"
                raise ValueError(f"{expected}, found {len(fields)}: decimal commas?")
            found.numbers.append(_number(reader.line_num, dict(zip(head, map(str.strip, fields), strict=False)), means))
        except ValueError as error:
            found.left.append((reader.line_num, str(error)))
    return found


def _meant(column: str, lacking: Collection[str]) -> str:
    """Which of the columns that a file has not got a name may be."""
    like = get_close_matches(column.replace("_", ""), sorted(lacking), n=1, cutoff=0.8)
    return f" (did you mean '{like[0]}'?)" if like else ""


def _number(line: int, of: dict[str, str], means: bool) -> Number:
    for column in ("dataset", "model"):
        if not of.get(column):
            raise ValueError(f"{column}: expected a name, found nothing")
    lookback = _whole(of, "lookback", 1) if of.get("lookback") else 0
    metrics = {name: _error(of, name) for name in ("mse", "mae") if name == "mse" or (of.get(name) and not means)}
    n = _whole(of, "n", 1) if means else 1
    if n > MOST_TRAININGS:
        raise ValueError(f"n: expected a whole number from 1 to {MOST_TRAININGS:,}, found '{of['n']}'")
    if means and n > 1 and not of.get("std"):
        raise ValueError(f"std: expected the standard deviation over the {n} trainings, found nothing")
    std = _error(of, "std") if means and n > 1 else None
    if std is not None and not math.isfinite(std):
        raise ValueError(f"std: expected a number, found '{of['std']}'")
    return Number(
        line=line, dataset=of["dataset"], horizon=_whole(of, "horizon", 1), model=of["model"], metrics=metrics,
        lookback=lookback, seed=None if means else _whole(of, "seed", 0), std=std, n=n,
    )  # fmt: skip


def _whole(of: dict[str, str], column: str, least: int) -> int:
    text = re.sub(r"(?<=[0-9])\.0+$", "", of.get(column, ""))  # as pandas writes whole numbers beside a gap
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ValueError(f"{column}: expected a whole number from {least}, found '{text}'")
    return int(text)


def _error(of: dict[str, str], column: str) -> float:
    """A number from 0; one that is not finite is taken for a training that diverged."""
    text = of.get(column, "")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{column}: expected a number, found '{text}'") from None
    if value < 0 or LARGEST < value < math.inf:
        raise ValueError(f"{column}: expected a number from 0 to {LARGEST:g}, found '{text}'")
    return value
