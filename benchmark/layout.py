"""How a paper sets its tables, as far as that is data: which data sets, columns, metrics, and what stands below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.errors import nearest
from benchmark.yamlfile import Section

METRICS = ("mse", "mae")
HORIZONS = ("each", "mean", "both")
"""A line a horizon; a line a data set with the mean over its horizons; the horizons and then their mean."""
LAST = ("improvement", "rank", "first")
"""Lines below a table: of the first column over each other one, in percent of the sums; average rank; first places."""


@dataclass(frozen=True)
class Last:
    """A line below a table; `table` and `metric`: where the paper's own numbers for it are printed, if they are."""

    row: str
    table: str | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Layout:
    """One table of a paper. No `datasets`, no `columns`: all of the paper's, its main ones.

    A column that the recipe does not have is shown as it is printed.
    """

    table: str
    metrics: tuple[str, ...] = METRICS
    horizons: str = "each"
    datasets: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    last: tuple[Last, ...] = ()


def parse_layout(section: Section, datasets: Sequence[str]) -> tuple[Layout, ...]:
    """The `layout` of a paper's YAML: a list of tables. Raises UsageError for what is not as it should be."""
    section.of(list, "a list of tables")
    return tuple(_layout(child, datasets) for child in section.children().values())


def _layout(section: Section, datasets: Sequence[str]) -> Layout:
    part = section.known(["table", "metrics", "horizons", "datasets", "columns", "last"])
    if "table" not in part:
        raise section.fail("'table' is missing: the table's name")
    return Layout(
        table=part["table"].of(str, "a name"),
        metrics=_words(part["metrics"], METRICS, "metric") if "metrics" in part else METRICS,
        horizons=_word(part["horizons"], HORIZONS, "way of showing horizons") if "horizons" in part else "each",
        datasets=_words(part["datasets"], datasets, "data set") if "datasets" in part else (),
        columns=_words(part["columns"], None, "column") if "columns" in part else (),
        last=tuple(_last(child) for child in _items(part["last"])) if "last" in part else (),
    )


def _last(section: Section) -> Last:
    part = section.known(["row", "table", "metric"])
    if "row" not in part or ("table" in part) != ("metric" in part):
        raise section.fail("expected 'row', alone or with the 'table' and 'metric' where the paper's numbers are")
    of = {key: part[key].of(str, "a text") for key in ("table", "metric") if key in part}
    return Last(_word(part["row"], LAST, "line below a table"), of.get("table"), of.get("metric"))


def _items(section: Section) -> list[Section]:
    section.of(list, "a list")
    return list(section.children().values())


def _words(section: Section, known: Sequence[str] | None, what: str) -> tuple[str, ...]:
    return tuple(_word(child, known, what) for child in _items(section))


def _word(section: Section, known: Sequence[str] | None, what: str) -> str:
    word = str(section.of(str, f"a {what}"))
    if known is not None and word not in known:
        raise section.fail(f"unknown {what} '{word}'{nearest(word, known)}")
    return word
