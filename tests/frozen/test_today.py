"""Digests under today's training semantics: no edit of a recipe, a switch or a name makes another cell of one unseen.

`today.json` has, by key, the beginning of the digest of each column's first cell on each paper's first and last data set,
under `paper` and under what `released` is, by its switches. Cells that join break nothing; where a cell is meant to be
another, its line is replaced, and CHANGELOG.md says so. `PYTHONPATH=.:tests python tests/frozen/test_today.py` prints them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import seams

FROZEN: dict[str, str] = json.loads((Path(__file__).resolve().parent / "today.json").read_text("utf-8"))
LENGTH = 16
"""Hexadecimal digits that are kept of a digest."""


def today() -> dict[str, str]:
    """By key the digest, or why there is none, of the cells that are held, without any data file."""
    sums = seams.checksums({name: known or hashlib.sha256(name.encode()).hexdigest()
                            for name, known in seams.registry().items()}, Path())  # fmt: skip
    found: dict[str, str] = {}
    for name, paper in seams.everything().papers.items():
        switches = "+".join(("paper", *sorted(paper.released)))
        for protocol in dict.fromkeys(("paper", switches)):
            cells = seams.planned(sums, papers=(name,), subset=(paper.datasets[0], paper.datasets[-1]), models=("all",),
                                  seeds=(0,), protocol=protocol)  # fmt: skip
            first: dict[tuple[str, str], seams.Planned] = {}
            for each in cells:
                first.setdefault((each.cell.dataset, each.cell.model), each)
            found |= {each.cell.key.replace(f"/{switches}/", "/released/"): (each.digest or str(each.refused))[:LENGTH]
                      for each in first.values()}  # fmt: skip
    return found


def test_every_paper_has_the_cells_that_it_had() -> None:
    there = today()
    assert {key: there.get(key, "gone") for key in FROZEN} == FROZEN
    held = {key.split("/")[0] for key in FROZEN}
    assert held == set(seams.everything().papers), "a paper that joins is held, too"


if __name__ == "__main__":
    print(json.dumps(today(), indent=0))
