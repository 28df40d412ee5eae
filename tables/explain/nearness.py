"""How near each protocol comes to a printed column, over the cells that all of them have."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.config.paper import Paper
from benchmark.data.registry import recording
from benchmark.errors import counted
from benchmark.grid.plan import in_order
from tables.rows.means import cell_name, judged
from tables.rows.row import Row
from tables.statistics import Array, Interval, over_sets

CellKey = tuple[str, int]
"""Data set and horizon in steps."""
RowsByKind = Mapping[tuple[str, str], Sequence[Row]]
"""A paper's rows by protocol and profile."""
Rows = Mapping[CellKey, Row]
"""One column under one protocol: its cells whose verdict their numbers decide."""
DECIDED = ("better", "worse")
ROUNDING = 1e-9
"""Points that sums of equal numbers may differ by."""


@dataclass(frozen=True)
class Standing:
    """How near a protocol comes to a printed column.

    protocol: its name. same: other names under which these very trainings stand. rows: by cell. Over the cells, in percent:
    nearness, the mean absolute deviation; deviation, the mean; seeds_alone, the nearness that seeds alone would give.
    within_2, within_5: how many cells are no further off.
    """

    protocol: str
    same: tuple[str, ...]
    rows: Rows
    nearness: float
    deviation: float
    seeds_alone: float
    within_2: int
    within_5: int


@dataclass(frozen=True)
class Column:
    """A printed column of one metric, and the protocols beside it: those that have all of `cells`, the nearest first."""

    model: str
    sam: bool
    metric: str
    cells: tuple[CellKey, ...]
    standings: tuple[Standing, ...]

    @property
    def sets(self) -> int:
        """How many data sets the cells are of."""
        return len({dataset for dataset, _ in self.cells})

    @property
    def nobodys(self) -> tuple[CellKey, ...]:
        """The cells that are better or worse under every protocol: none is near them."""
        return tuple(cell for cell in self.cells if all(s.rows[cell].comparison.verdict in DECIDED for s in self.standings))


def columns(paper: Paper, rows_of: RowsByKind) -> list[Column]:
    """Every column of a paper that has a printed number and Results of several protocols (profile paper).

    A protocol that has fewer cells than others would hide theirs: so the columns are first those over the most cells, and
    then, over fewer, those in which a further protocol takes part.
    """
    found: dict[tuple[str, bool, str], dict[str, dict[CellKey, Row]]] = {}
    for name in in_order(paper, (name for name, profile in rows_of if profile == "paper")):
        for metric in paper.metrics:
            for row in judged(paper, rows_of[name, "paper"], "paper", metric):
                if row.comparison.spread_pct is not None:
                    column = found.setdefault((row.key.model, row.key.sam, metric), {})
                    column.setdefault(name, {})[row.key.dataset, row.key.horizon] = row
    order = {model: place for place, model in enumerate(paper.columns)}
    ordered = sorted(found.items(), key=lambda item: (paper.metrics.index(item[0][2]), order[item[0][0]]))
    return [Column(*key, *of) for key, of_protocol in ordered for of in _comparisons(of_protocol)]


def _comparisons(of_protocol: Mapping[str, Rows]) -> list[tuple[tuple[CellKey, ...], tuple[Standing, ...]]]:
    """Over each set of cells that a protocol has, or all have in common: who has all of them; the most cells first."""
    having = [frozenset(rows) for rows in of_protocol.values()]
    candidates = sorted({*having, frozenset.intersection(*having)}, key=len, reverse=True)
    compared: list[tuple[tuple[CellKey, ...], tuple[Standing, ...]]] = []
    taking_part: set[str] = set()
    for cells in candidates:
        names = [name for name, rows in of_protocol.items() if cells <= rows.keys()]
        ordered = tuple(cell for cell in of_protocol[names[0]] if cell in cells)
        standings = _standings({name: of_protocol[name] for name in names}, ordered) if ordered else ()
        if len(standings) > 1 and not {s.protocol for s in standings} <= taking_part:
            taking_part |= {s.protocol for s in standings}
            compared.append((ordered, standings))
    return compared


def _standings(of_protocol: Mapping[str, Rows], cells: tuple[CellKey, ...]) -> tuple[Standing, ...]:
    """Each protocol over the cells; names of the same trainings stand together."""
    names: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for name, rows in of_protocol.items():
        trainings = tuple(rows[cell].ours.digests or (name,) for cell in cells)
        names.setdefault(trainings, []).append(name)
    found = [_standing(first, tuple(same), of_protocol[first], cells) for first, *same in names.values()]
    return tuple(sorted(found, key=lambda standing: standing.nearness))


def _standing(protocol: str, same: tuple[str, ...], rows: Rows, cells: tuple[CellKey, ...]) -> Standing:
    off = [deviation(rows[cell]) for cell in cells]
    return Standing(
        protocol, same, {cell: rows[cell] for cell in cells}, nearness=statistics.fmean(map(abs, off)),
        deviation=statistics.fmean(off),
        seeds_alone=math.sqrt(2 / math.pi) * statistics.fmean(_luck(rows[cell]) for cell in cells),
        within_2=sum(abs(d) <= 2 for d in off), within_5=sum(abs(d) <= 5 for d in off),
    )  # fmt: skip


def deviation(row: Row) -> float:
    """Of ours from the printed number, in percent of it."""
    assert row.comparison.deviation_pct is not None
    return row.comparison.deviation_pct


def _luck(row: Row) -> float:
    """The standard deviation of ours less printed, were both of one method: in percent of the printed number."""
    assert row.comparison.spread_pct is not None and row.printed is not None
    return row.comparison.spread_pct * math.sqrt(1 / row.ours.n + 1 / row.printed.seeds_behind)


def gaps(near: Standing, far: Standing, unit: Callable[[str], str] = str) -> Array:
    """By how many points the first is nearer than the second, by data set, or by what `unit` makes of it, [units]."""
    of_set: dict[str, list[float]] = {}
    for cell, row in near.rows.items():
        of_set.setdefault(unit(cell[0]), []).append(abs(deviation(far.rows[cell])) - abs(deviation(row)))
    return np.array([statistics.fmean(values) for values in of_set.values()])


def nearer_in(near: Standing, far: Standing) -> int:
    """In how many cells the first is nearer than the second."""
    return sum(abs(deviation(row)) < abs(deviation(far.rows[cell])) for cell, row in near.rows.items())


def surely(found: Interval | None) -> bool:
    """Whether an interval of gaps says that the first is nearer: it must lie above 0, by more than a float's rounding."""
    return found is not None and found.low > ROUNDING


def words(column: Column) -> str:
    """What can be said: which protocol is nearest, and whether that is shown."""
    best, second, cells = column.standings[0], column.standings[1], len(column.cells)
    found = over_sets(gaps(best, second))
    near, far = f"{best.nearness:.1f} %", f"`{second.protocol}` {second.nearness:.1f} %"
    size = f"on average over {counted(cells, 'cell')} of {counted(column.sets, 'data set')}"
    if found is None:
        sets = counted(column.sets, "data set")
        equal = cells - nearer_in(best, second) - nearer_in(second, best)
        sets += f", equal in {equal}" if equal else ""
        nearer = f"`{best.protocol}` is nearer in {nearer_in(best, second)} of {counted(cells, 'cell')} of {sets}"
        text = f"{nearer} ({near}, next {far}); too few data sets for an interval."
    elif surely(found):
        text = f"`{best.protocol}` is nearest ({near}, next {far}, {size}); nearer by {_points(found)}."
    else:
        text = (
            f"`{best.protocol}` is nearest here, not shown over `{second.protocol}` ({near}, next {far}, {size}; "
            f"{_points(found)})."
        )
    if found is not None:
        text += _by_recording(column)
    if len(column.standings) > 2:
        text += f" The best was chosen among {len(column.standings)} protocols."
    if column.nobodys:
        named = ", ".join(cell_name(dataset, horizon) for dataset, horizon in column.nobodys)
        text += f" No protocol is near {len(column.nobodys)} of the cells, better or worse under every one: {named}."
    return text


def _by_recording(column: Column) -> str:
    """The same with sets of one recording as one; nothing where each set is its own."""
    sets_of: dict[str, list[str]] = {}
    for dataset in dict.fromkeys(dataset for dataset, _ in column.cells):
        sets_of.setdefault(recording(dataset), []).append(dataset)
    together = [" with ".join(sets) for sets in sets_of.values() if len(sets) > 1]
    if not together:
        return ""
    found = over_sets(gaps(column.standings[0], column.standings[1], recording))
    said = "too few for an interval" if found is None else _interval(found)
    return f" Over the {len(sets_of)} recordings ({', '.join(together)}): {said}."


def _interval(found: Interval) -> str:
    return f"{found.centre:.1f} points [{found.low:.1f}, {found.high:.1f}]".replace("-", "−")


def _points(found: Interval) -> str:
    return f"{_interval(found)}, the mean over data sets and its 95 % interval"
