"""Which cells run: those without a Result, and of the others those that are to be made anew, or lack what is to be kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.config.recipe import Recipe
from benchmark.data.registry import DataSet
from benchmark.errors import UsageError, counted
from benchmark.grid import code, cost, listing
from benchmark.grid.asked import Request
from benchmark.grid.cells import Planned, by_digest
from benchmark.machine import size_in_words
from benchmark.store.kept import EPOCHS, PREDICTIONS, Kept
from benchmark.store.result import STATUSES, Result, Status
from benchmark.store.store import Store


@dataclass(frozen=True)
class Again:
    """Why a cell that has a Result runs again.

    replaces: its Result has one of these statuses. other_code: other code than today's has made it. keep: something of this
    does not stand beside it.
    """

    replaces: tuple[Status, ...] = ()
    other_code: bool = False
    keep: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Request) -> Again:
        """As an invocation has it."""
        failed = tuple(s for s in STATUSES if s != "done") if request.retry == "failed" else ()
        return cls(STATUSES if request.force else failed, request.retry == "stale", request.keep or ())

    def statuses(self, cells: Sequence[Planned], store: Store) -> list[str]:
        """What is known of each cell, as `listing.statuses` has it; `to run` too where it runs again."""
        known = listing.statuses(cells, store)
        otherwise = code.made_otherwise(cells, store) if self.other_code else {}
        lacking = self.lacking(cells, known, store) if self.keep else {}
        return [
            listing.TO_RUN if s in self.replaces or p.digest in otherwise or p.digest in lacking else s
            for p, s in zip(cells, known, strict=True)
        ]

    def todo(self, cells: Sequence[Planned], store: Store) -> list[Planned]:
        """The cells that run, those of one digest once."""
        unique = list(by_digest(cells).values())
        return [p for p, s in zip(unique, self.statuses(unique, store), strict=True) if s == listing.TO_RUN]

    def earlier(self, todo: Sequence[Planned], store: Store) -> dict[str, Result]:
        """By digest, the done Results of cells that run for what is to be kept alone: nobody asked for others."""
        if not self.keep or "done" in self.replaces:
            return {}
        otherwise = code.made_otherwise(todo, store) if self.other_code else {}
        found = {p.digest: store.read(p.digest) for p in todo if p.digest and p.digest not in otherwise}
        return {digest: result for digest, result in found.items() if result is not None and result.status == "done"}

    def lacking(self, cells: Sequence[Planned], known: Sequence[str], store: Store) -> dict[str, Result]:
        """By digest, the done Results beside which something of what is to be kept does not stand."""
        found = {}
        for planned, status in zip(cells, known, strict=True):
            wanted = keeps(planned.recipe, self.keep)
            if status == "done" and planned.digest and wanted and planned.digest not in found:
                result = store.read(planned.digest)
                if result is not None and Kept(store.root, planned.digest).lacks(wanted, result):
                    found[planned.digest] = result
        return found


def keeps(recipe: Recipe | None, keep: Sequence[str]) -> tuple[str, ...]:
    """What of it there is of a cell: what is not trained has no epochs, and with `batch_mixed_denorm` a window has no
    forecast of its own."""
    if recipe is None:
        return ()
    lacks = {EPOCHS} if recipe.training is None else set()
    lacks |= {PREDICTIONS} if recipe.arguments.get("batch_mixed_denorm") else set()
    return tuple(kind for kind in keep if kind not in lacks)


def kept_bytes(
    todo: Sequence[Planned], keep: Sequence[str], datasets: Mapping[str, DataSet], results_dir: Path
) -> tuple[int | None, str | None]:
    """About how many bytes are to be kept at most of cells that run, and a sentence that says so; None where nothing is.

    Raises UsageError where the disk has not so much room.
    """
    if not keep or not todo:
        return (0, None) if keep else (None, None)
    total = sum(cost.kept(p, datasets[p.cell.dataset], keeps(p.recipe, keep)) for p in todo)
    what = f"--keep {','.join(keep)}: at most about {size_in_words(total)} for {counted(len(todo), 'cell')} to run"
    room = free(results_dir)
    if room is not None and total > room:
        raise UsageError(
            f"{what}, and {results_dir} has room for {size_in_words(room)}; keep less, run fewer cells, or give another "
            "--results-dir"
        )
    without = sum(PREDICTIONS in keep and PREDICTIONS not in keeps(p.recipe, keep) for p in todo)
    why = f"; no predictions of {without} of them: with batch_mixed_denorm a window has no forecast of its own"
    return total, what + (why if without else "")


def free(folder: Path) -> int | None:
    """Bytes that a disk has left for a folder that need not be there; None where nothing says so."""
    there = folder.resolve()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        return shutil.disk_usage(there).free
    except OSError:
        return None


def other_numbers(before: Mapping[str, Result], store: Store) -> list[str]:
    """A sentence on each Result that another one has replaced, since its cell was trained again for what is kept."""
    said = []
    for digest, earlier in before.items():
        found = store.read(digest)
        if found is not None and found.status == "done" and found.comparable() != earlier.comparable():
            pairs = [(name, found.metrics.get(name), was) for name, was in earlier.metrics.items()]
            what = ", ".join(f"{name} {now}, was {was}" for name, now, was in pairs if now != was)
            said.append(
                f"{found.key} was trained again for what is kept, and came out otherwise, so that the new Result stands: "
                f"{what or 'its history differs'}"
            )
    return said
