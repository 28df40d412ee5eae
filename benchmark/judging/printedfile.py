"""Whether a user's file of printed numbers is as it should be, line by line, before anything is trained by it."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmark.config.paper import Paper, Printed
from benchmark.config.recipe import STATUSES
from benchmark.data.registry import GROUPS
from benchmark.errors import UsageError, counted, nearest, told
from benchmark.files import read
from benchmark.judging.printed import place_of

OPTIONAL = ("seeds", "differs")
COLUMNS = ("paper", "table", "dataset", "lookback", "horizon", "model", "metric", "value", "std", *OPTIONAL, "status",
           "provenance")  # fmt: skip
AVERAGE = "avg"
"""The horizon of a mean over all horizons."""
FAR = 20
"""A number so many times the middle one of its table and metric is asked about."""
USUAL = 0.5
"""What errors on the standardised scale are about, where a table has no other number to say so."""
MOST_TOLD = 20
"""Mistakes that are told one by one."""


@dataclass(frozen=True)
class Line:
    """A line of the file: its number, from 1, and its fields by column."""

    number: int
    fields: dict[str, str]


def check_own(papers: Iterable[Paper]) -> None:
    """Raises UsageError, a line each mistake (file, line, column, what was expected), for a paper of the user's whose
    printed numbers are not as they should be. Those of the suite a test holds."""
    for paper in papers:
        if paper.printed is not None and paper.printed.folder is not None:
            found = list(mistakes(paper, paper.printed))
            more = [f"and {counted(len(found) - MOST_TOLD, 'more mistake')}"] if len(found) > MOST_TOLD else []
            if found:
                raise UsageError("\n".join([*found[:MOST_TOLD], *more]))


def mistakes(paper: Paper, printed: Printed) -> Iterator[str]:
    """What is wrong in a paper's file, in its order."""
    path = place_of(printed)
    try:
        lines, uneven = _lines(read(path).decode("utf-8-sig"))
    except OSError as error:
        yield told(error)
        return
    except UnicodeDecodeError as error:
        yield f"{path}: not UTF-8 text (byte {error.start}); save the file as UTF-8"
        return
    except _Unusable as error:
        yield f"{path}:{error}"
        return
    if not lines and not uneven:
        yield f"{path}:1: expected a line for each printed number below the names of the columns, found none"
    found = [(line, column, what) for line in lines for column, what in _Check(paper, printed).line(line)]
    found += [*_twice(lines, printed), *_far(lines, printed)]
    said = [(line.number, COLUMNS.index(column), f"{column}: {what}") for line, column, what in found]
    for number, _, what in sorted([*said, *((number, 0, what) for number, what in uneven)]):
        yield f"{path}:{number}: {what}"


class _Unusable(Exception):
    """What stands in the way of reading any line: its number and what is wrong."""


def _lines(text: str) -> tuple[list[Line], list[tuple[int, str]]]:
    """The lines of the file, and those that have too many or too few fields, with a sentence each."""
    reader = csv.reader(io.StringIO(text, newline=""))
    head = [name.strip() for name in next(reader, [])]
    for name in head:
        if name not in COLUMNS:
            if len(head) == 1:
                raise _Unusable(f"1: expected columns with commas between them ({','.join(COLUMNS)}), found '{name}'")
            raise _Unusable(f"1: unknown column '{name}'{nearest(name, COLUMNS)}")
        if head.count(name) > 1:
            raise _Unusable(f"1: column '{name}' stands twice; remove one")
    if lacking := [name for name in COLUMNS if name not in (*head, *OPTIONAL)]:
        raise _Unusable(f"1: the column {', '.join(lacking)} is missing; expected {','.join(COLUMNS)}")
    lines, uneven = [], []
    for fields in filter(None, reader):
        if len(fields) != len(head):
            hint = "; put a text that has a comma in quotes" if len(fields) > len(head) else ""
            uneven.append((reader.line_num, f"expected {len(head)} fields, found {len(fields)}{hint}"))
        else:
            lines.append(Line(reader.line_num, dict(zip(head, (field.strip() for field in fields), strict=True))))
    return lines, uneven


class _Check:
    """What is wrong in a line by itself: the column, and what was expected there."""

    def __init__(self, paper: Paper, printed: Printed) -> None:
        self.paper, self.printed = paper, printed
        of_recipe = [column.printed_as or name for name, column in paper.columns.items()]
        shown = [name for layout in paper.layout for name in layout.columns if name not in paper.columns]
        self.models = [*dict.fromkeys((*of_recipe, *shown, *printed.other_models))]
        self.tables = (*printed.tables, *printed.other_tables)

    def line(self, line: Line) -> Iterator[tuple[str, str]]:
        """Column and sentence of each mistake; of a table that is not compared, only of what any number has."""
        of = line.fields
        if of["paper"] != self.paper.name:
            yield "paper", f"expected '{self.paper.name}', the name in the YAML, found '{of['paper']}'"
        if of["table"] not in self.tables:
            other = "one that is not to be compared stands in the YAML's 'printed: other_tables'"
            yield "table", f"unknown table '{of['table']}'{nearest(of['table'], self.tables)}; {other}"
        elif of["table"] in self.printed.tables:
            yield from self._cell(of)
        status = [name for name in STATUSES if name != "ours"]
        if of["status"] not in status:
            yield "status", f"unknown status '{of['status']}'{nearest(of['status'], status)}"
        if not of["provenance"]:
            yield "provenance", "expected the place where the number was read, found nothing"
        yield from _numbers(of)

    def _cell(self, of: dict[str, str]) -> Iterator[tuple[str, str]]:
        dataset, horizon, model, metric = of["dataset"], of["horizon"], of["model"], of["metric"]
        sets = (*self.paper.datasets, *GROUPS)
        if dataset not in sets:
            found = nearest(dataset, self.paper.datasets)
            yield "dataset", f"no data set '{dataset}' in the YAML{found}; leave out lines of sets that stand in no grid"
        horizons = self.paper.horizons_of(dataset) if dataset in self.paper.datasets else ()
        if horizons == (0,):
            if horizon:
                yield "horizon", f"expected nothing, since the task has no horizons, found '{horizon}'"
        elif horizons and horizon not in (*map(str, horizons), AVERAGE):
            among = f"{', '.join(map(str, horizons))} or {AVERAGE}"
            yield "horizon", f"expected one of the paper's for {dataset} ({among}), found '{horizon}'"
        if model not in self.models:
            other = "one without a recipe stands in the YAML's 'printed: other_models'"
            yield "model", f"no column is printed as '{model}'{nearest(model, self.models)}; {other}"
        if metric not in self.printed.metrics:
            yield "metric", f"unknown metric '{metric}' in the YAML's 'printed'{nearest(metric, self.printed.metrics)}"
        if (value := _value(of["value"])) is not None and value <= 0:
            yield "value", f"expected a number above 0, found '{of['value']}'"


def _numbers(of: dict[str, str]) -> Iterator[tuple[str, str]]:
    if _value(of["value"]) is None:
        yield "value", f"expected a number such as 0.375, found '{of['value']}'"
    std = _value(of["std"])
    if of["std"] and (std is None or std < 0):
        yield "std", f"expected a number from 0, or nothing where the paper prints none, found '{of['std']}'"
    for column, what in (("lookback", "steps"), ("seeds", "how many seeds")):
        text = of.get(column, "")
        if text and not (text.isascii() and text.isdigit() and int(text)):
            yield (
                column,
                f"expected a whole number ({what}) from 1, or nothing where the paper does not say, found '{text}'",
            )


def _value(text: str) -> float | None:
    """The number, if it is one that is finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _twice(lines: Sequence[Line], printed: Printed) -> Iterator[tuple[Line, str, str]]:
    """Lines of a cell and metric that another line has before them."""
    first: dict[tuple[str, ...], Line] = {}
    for line in lines:
        if line.fields["table"] in printed.tables:
            cell = tuple(line.fields[name] for name in ("dataset", "horizon", "model", "metric"))
            if (before := first.setdefault(cell, line)) is not line:
                yield line, "value", f"{' '.join(cell)} stands in line {before.number}, too; keep one"


def _far(lines: Sequence[Line], printed: Printed) -> Iterator[tuple[Line, str, str]]:
    """Numbers far above the others of their table and metric: a decimal point may be lost."""
    of_table: dict[tuple[str, str], list[tuple[Line, float]]] = {}
    for line in lines if not printed.large else ():
        value, place = _value(line.fields["value"]), (line.fields["table"], line.fields["metric"])
        if value is not None and place[0] in printed.tables:
            of_table.setdefault(place, []).append((line, value))
    for (table, metric), numbers in of_table.items():
        for line, value in numbers:
            others = [other for each, other in numbers if each is not line]
            middle = statistics.median(others) if others else USUAL
            if middle > 0 and value >= FAR * middle:
                likely = value / 10 ** max(1, round(math.log10(value / middle)))
                about = f"the others of {table} ({metric}) are about {middle:.3g}" if others else "it is the only one"
                yield (
                    line,
                    "value",
                    (
                        f"is {line.fields['value']} right, or {likely:.6g} meant? {about[0].upper()}{about[1:]}; if it is "
                        "printed so, write 'large: true' below 'printed' in the YAML"
                    ),
                )
