"""What stands behind each number of the page: seeds, recipe with sources, learning curves, one forecast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError
from benchmark.grid.cells import Cell
from benchmark.workloads import METRICS
from tables.figures import curves, forecast
from tables.figures.page_renderer import SHORT, Pool, as_data
from tables.figures.style import Style
from tables.layout.celllist import judged_by, verdict, would_decide
from tables.layout.markdown import HOLE, number, spread
from tables.layout.subject import Subject
from tables.numbers import known
from tables.rows.results import Curve, Index
from tables.rows.row import Row

MOST_POINTS = 120
"""Of a line in a cell's own pictures: what is left of a longer one looks the same at their size."""


@dataclass
class Behind:
    """What stands behind the numbers of all subjects.

    found: the store's index. forecasts: the folder of what cells kept of their forecasts. cells: by the name that the page
    gives a cell. styles, values, environments: what occurs often, each once.
    """

    found: Index
    forecasts: Path
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    styles: Pool[Style] = field(default_factory=Pool)
    values: Pool[tuple[str, str, str, str]] = field(default_factory=Pool)
    environments: Pool[tuple[tuple[str, str], ...]] = field(default_factory=Pool)

    def add(self, of: Subject) -> None:
        """Takes in every cell of a subject that has a Result."""
        by_cell: dict[str, list[Row]] = {}
        for row in of.rows:
            if cell := name(of, row):
                by_cell.setdefault(cell, []).append(row)
        for cell, rows in by_cell.items():
            self.cells[cell] = {key: value for key, value in self._cell(cell, rows, of.curves).items() if value}

    def _cell(self, cell: str, rows: list[Row], of_digest: Mapping[str, Curve]) -> dict[str, Any]:
        first = rows[0]
        trained = curves.of_cell(first, of_digest)
        return {
            "metrics": [_metric(row) for row in rows],
            "seeds": [self._seed(rows, digest, of_digest.get(digest)) for digest in first.ours.digests],
            "lost": list(first.ours.not_finite), "recipe": self._recipe(first), "switches": list(first.switches),
            "remarks": list(_remarks(first)), "parameters": first.n_params,
            "curves": trained and as_data(trained, self.styles, SHORT, MOST_POINTS),
            "forecast": self._forecast(cell, first),
        }  # fmt: skip

    def _seed(self, rows: list[Row], digest: str, curve: Curve | None) -> list[Any]:
        """Seed, test metrics, validation, best epoch, epochs, seconds, the digest's first letters, environment."""
        numbers, seed = self.found.done[digest], self.found.seed[digest]
        validation = [value for metric, value in numbers.items() if metric.startswith("val_")]
        return [
            seed, [number(numbers.get(f"test_{row.key.metric}"), 4) for row in rows],
            number(validation[0] if validation else None, 4),
            curve.best_epoch if curve else None, len(curve.validation) if curve else 0,
            round(numbers.get("seconds", 0.0), 1), digest[:12],
            self.environments.place(tuple(in_words(self.found.environments[digest]))),
        ]  # fmt: skip

    def _recipe(self, row: Row) -> list[int]:
        """The places of its values: name, value, status, source."""
        if row.recipe is None:
            return []
        said = [("model", row.recipe.model, "", ""), ("sam", "on" if row.recipe.sam else "off", "", "")]
        said += [(key, _shown(v.value), v.status, v.source) for key, v in sorted(row.recipe.values.items())]
        return [self.values.place(value) for value in said]

    def _forecast(self, cell: str, row: Row) -> dict[str, Any] | None:
        """The median window of the first seed that has kept its forecasts; None where none has, or they are damaged."""
        for digest in row.ours.digests:
            path = self.forecasts / f"{digest}.npz"
            try:
                arrays = forecast.read(path) if path.is_file() else None
            except UsageError:
                continue  # a picture less; `python -m tables forecast` says what is wrong with the file
            if arrays is not None:
                key = f"{cell}/s{self.found.seed[digest]}"
                shown = {**arrays, "past": arrays["past"][:, -max(arrays["truth"].shape[1], MOST_POINTS) :]}
                median = replace(forecast.figure(shown, key, windows=("median",)), panel_size=curves.ALONE)
                return as_data(median, self.styles, SHORT, MOST_POINTS)
        return None


def name(of: Subject, row: Row) -> str:
    """Under which a row's cell stands on the page: its key without the seed; empty where it has no Result."""
    if not row.ours.digests and not row.ours.not_finite:
        return ""
    key = row.key
    cell = Cell(key.paper, of.protocol, of.profile, key.dataset, key.lookback, key.horizon, key.model, key.sam, 0,
                candidate=bool(row.choice.candidates))  # fmt: skip
    return cell.key.removesuffix("/s0")


def in_words(environment: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """An environment by name, in a fixed order."""
    return sorted((key, _shown(value)) for key, value in environment.items())


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _metric(row: Row) -> list[str]:
    """Metric, ours, printed, the printed number's look-back and source, deviation, spread and m, verdict twice, seeds that
    decide."""
    printed, off = row.printed, row.comparison.deviation_pct
    return [
        METRICS[row.key.metric].title, spread(row), HOLE if printed is None else number(printed.value),
        printed.lookback if printed else "", f"{printed.provenance} ({printed.status})" if printed else "",
        HOLE if off is None else f"{number(off, 1)} %", *judged_by(row), row.comparison.verdict.replace(" ", "-"),
        verdict(row),
        would_decide(row),
    ]  # fmt: skip


def _remarks(row: Row) -> Iterable[str]:
    if row.key.lookback and row.choice.candidates:
        yield f"Look-back {row.key.lookback}, chosen by validation among {', '.join(map(str, row.choice.candidates))}."
    if row.printed is not None and row.printed.differs:
        yield f"The printed number is of another task: {row.printed.differs}."
    if row.weak:
        yield f"Its recipe rests on values that are not verified at the source ({row.recipe_status})."
    if row.filled:
        yield "Values that the data set lacks are filled or left out."
    if row.other_code:
        yield "Made by other code than today's, which may give another number: run_all.py --retry stale runs it again."
    if row.seconds and known(row.seconds):
        yield f"{number(row.seconds, 1)} seconds a training on average."
