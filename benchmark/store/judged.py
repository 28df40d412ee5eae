"""``judged.json`` beside the Results: what tables have found of them, so that a plan need not read them all.

It is written whenever tables are, and may be deleted: without it a plan says that seeds and hours are not known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmark import files

NAME, SCHEMA = "judged.json", 1
UNKNOWN = (
    f"how many seeds would decide a verdict, and how long that takes, is not known: there is no {NAME} beside the Results; "
    "`python -m tables render` writes it"
)
AUTO_FIRST = (
    f"--seeds auto: there is no {NAME} beside the Results, so this is the first step alone, three seeds a cell; a run "
    "judges them, and goes on to five and ten where they differ so much"
)
AUTO_STEP = (
    "--seeds auto: this is one step, by the seeds that are there (of each column the median of its cells' numbers of "
    "seeds); a run may go on, by what the further seeds differ by"
)


@dataclass(frozen=True, kw_only=True)
class JudgedCell:
    """A cell over its seeds.

    verdict: in words. n: seeds that it is by. needed: seeds in all that would decide what is open; None: nothing is, no
    number of them would, or it is not known. why: what stands in the way of any number. to_judge: of a cell with too few
    seeds for a verdict, the least that it takes; else 0. published: the printed number; None where there is none.
    deviation_pct: of our mean from it, in percent; None where they are not compared. seconds: of one training; None where
    that is not known. digests: of the Results behind it.
    """

    verdict: str
    n: int
    needed: int | None = None
    why: str = ""
    to_judge: int = 0
    published: float | None = None
    deviation_pct: float | None = None
    seconds: float | None = None
    digests: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it is neither decided nor out of the question."""
        return self.needed is not None or bool(self.why) or self.to_judge > 0


@dataclass(frozen=True, kw_only=True)
class JudgedColumn:
    """A column: its verdict in words (empty: none of its cells is judged), and the seeds that its spread asks for."""

    verdict: str
    seeds: int


@dataclass(frozen=True)
class Judged:
    """What was found, by `row_key` and by `column_key`."""

    cells: Mapping[str, JudgedCell] = field(default_factory=dict)
    columns: Mapping[str, JudgedColumn] = field(default_factory=dict)


def unsure(judged: Judged | None, *, done: bool, auto: bool) -> list[str]:
    """What a plan cannot know, in a sentence each. done: whether there is any Result; auto: whether seeds are `auto`."""
    of_auto = [AUTO_FIRST if judged is None else AUTO_STEP] if auto else []
    return [*of_auto, *([UNKNOWN] if judged is None and done else [])]


def row_key(paper: str, protocol: str, profile: str, dataset: str, horizon: int, model: str, sam: bool) -> str:
    """A cell without its seed, and without its look-back, which a table has chosen."""
    return "/".join((paper, protocol, profile, dataset, str(horizon), model, "sam" if sam else ""))


def column_key(paper: str, protocol: str, profile: str, model: str, sam: bool) -> str:
    """A column of a paper's table."""
    return "/".join((paper, protocol, profile, model, "sam" if sam else ""))


def write(results_dir: Path, judged: Judged) -> None:
    """Writes the file, whole or not at all; raises OSError where the disk does not take it."""
    cells = {key: asdict(cell) for key, cell in judged.cells.items()}
    content = {"schema": SCHEMA, "cells": cells, "columns": {key: asdict(each) for key, each in judged.columns.items()}}
    files.write_atomically(results_dir / NAME, json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


def by_digest(judged: Judged | None) -> dict[str, JudgedCell]:
    """The cell that each Result is one of."""
    return {digest: cell for cell in judged.cells.values() for digest in cell.digests} if judged is not None else {}


def read(results_dir: Path) -> Judged | None:
    """What the file says; None where there is none, or none that can be used: it is made anew with the tables."""
    try:
        content = json.loads(files.read(results_dir / NAME))
        if content["schema"] != SCHEMA:
            return None
        cells = {key: JudgedCell(**each | {"digests": tuple(each["digests"])}) for key, each in content["cells"].items()}
        return Judged(cells, {key: JudgedColumn(**each) for key, each in content["columns"].items()})
    except (OSError, ValueError, KeyError, TypeError):
        return None
