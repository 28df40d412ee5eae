"""Data sets of one's own: ``datasets: {NAME: {file: …, papers: […]}}`` in a file given with `--config`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_args

from benchmark.config import ownsplit
from benchmark.config.ownsplit import IMAGES
from benchmark.config.paper import Block, Paper, Value
from benchmark.config.yamlfile import Section, load
from benchmark.data import shape
from benchmark.data.registry import DATASETS, FILLS, GROUPS, DataSet
from benchmark.data.text import steps
from benchmark.errors import DataError, counted, nearest
from benchmark.workloads.forecasting import Features

KEYS = ("file", "reader", "split", "step", "dates", "target", "features", "fill", "header", "papers", "horizons", "what")
Entry = TypeVar("Entry", str, int)

READERS = ("csv", "solar", "pems", *IMAGES)


@dataclass(frozen=True)
class Own:
    """A data set of the user's.

    dataset: as in the registry. papers: whose grids it joins, with the place where the YAML says so. horizons: in
    steps; none: the paper's. section: its place in the YAML. features: a recipe value of those papers, if it says it.
    target: where its column is named, if it is.
    """

    dataset: DataSet
    papers: Mapping[str, Section]
    horizons: tuple[int, ...]
    section: Section
    features: Block | None = None
    target: Section | None = None


def load_own(paths: Sequence[Path]) -> dict[str, Own]:
    """Every data set that the user's files define, by name. A file that is a paper's own recipe defines none.

    Raises UsageError (file, line, what was expected) for anything that is not as it should be.
    """
    found: dict[str, Own] = {}
    for path in paths:
        root = load(path)
        if not isinstance(root.data, dict) or "paper" in root.data or "datasets" not in root.data:
            continue
        for name, section in root.mapping().children()["datasets"].named().items():
            taken = {n.casefold() for n in (*DATASETS, *GROUPS, "all", *found)}
            if name.casefold() in taken:
                raise section.fail(f"the name '{name}' is taken; choose another")
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", name):
                raise section.fail("expected a name of letters, digits, '-' and '_'")
            found[name] = _own(name, section, path)
    return found


def _own(name: str, section: Section, path: Path) -> Own:
    part = section.known(KEYS)
    if "file" not in part:
        raise section.fail("'file' is missing: the path of the data, relative to this file")
    text = {key: part[key].of(str, "a text") for key in ("file", "step", "what") if key in part}
    reader: Any = part["reader"].one_of(READERS, "reader") if "reader" in part else READERS[0]
    if reader in IMAGES:
        for key in part.keys() - {"file", "reader", "papers", "what"}:
            raise part[key].fail(f"a set of images has no {key}; leave it out")
    step = text.get("step", "")
    if "step" in part and step != steps.IRREGULAR and steps.parse(step) is None:
        units = f"{', '.join(steps.UNITS[:-1])} or {steps.UNITS[-1]}"
        raise part["step"].fail(f"expected a number and {units}, such as '15 min', or none, found '{step}'")
    split = ownsplit.parse(part.get("split"), section, reader, step)
    try:
        file = (path.absolute().parent / text["file"]).resolve()
    except (OSError, ValueError) as error:
        raise part["file"].fail(f"no path ({error})") from None
    dataset = DataSet(
        name, str(file), reader, None, None, step, split.split, steps_per_hour=split.steps_per_hour,
        options={**_options(part, reader), **split.options}, licence="your own", origin=text.get("what", ""), own=True,
    )  # fmt: skip
    papers = _each_once(part.get("papers"), lambda each: str(each.of(str, "a paper")))
    horizons = tuple(_each_once(part.get("horizons"), _horizon))
    return Own(_sized(dataset, file, part["file"]), papers, horizons, section, _features(name, part), part.get("target"))


def _features(name: str, part: Mapping[str, Section]) -> Block | None:
    """What is forecast from what, if the set says it, as a recipe value."""
    if "features" not in part:
        return None
    section = part["features"]
    value = section.one_of(get_args(Features), "features")
    return Block({name: value}, ("dataset",), f"{section.file}:{section.line}", "ours")


def _options(part: Mapping[str, Section], reader: str) -> dict[str, Any]:
    """How the file is read, where the user says more than its kind. Raises UsageError for what its reader does not know."""
    options: dict[str, Any] = {}
    if "target" in part:
        options["target"] = part["target"].of(str, "a text")
        if reader != "csv":
            raise part["target"].fail("only a csv has a target column")
    if "dates" in part:
        if reader != "csv":
            raise part["dates"].fail("only a csv has dates")
        options["dates"] = _form(part["dates"])
    if "header" in part:
        if reader != "solar":
            raise part["header"].fail("only reader solar asks for it: a csv always has a header, an npz never")
        options["header"] = part["header"].of(bool, "true or false")
    if "fill" in part:
        if reader == "pems":
            raise part["fill"].fail("reader pems fills what is missing by itself: with the sensor's last value")
        options["fill"] = part["fill"].one_of(FILLS, "fill")
    return options


def _form(section: Section) -> str:
    """The form of dates, if it tells the year, and the month unless it tells the year alone."""
    form, moment = str(section.of(str, "a text")), datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    try:
        read = datetime.strptime(moment.strftime(form), form)
    except (ValueError, re.error) as error:
        raise section.fail(f"expected a form such as '%d/%m/%Y %H:%M', found '{form}' ({error})") from None
    if (read.year, read.month) != (2001, 2) and form.strip() != "%Y":
        raise section.fail(
            f"expected a form such as '%d/%m/%Y %H:%M', with the year and, for less, the month, found '{form}'"
        )
    if ("%I" in form) != ("%p" in form):
        raise section.fail(
            f"expected '%I' and '%p' together, an hour up to 12 and its half of the day, or '%H' alone, found '{form}'"
        )
    return form


def _each_once(section: Section | None, read: Callable[[Section], Entry]) -> dict[Entry, Section]:
    """The entries of a list, each with its place; none where the key is not there. Raises UsageError for a list that says
    nothing, and for an entry that stands twice: it was meant to be another."""
    found: dict[Entry, Section] = {}
    for each in section.items() if section is not None else ():
        entry = read(each)
        if entry in found:
            raise each.fail(f"expected each once, found '{entry}' twice; remove one, or write the other that was meant")
        found[entry] = each
    if section is not None and not found:
        raise section.fail("expected a list of at least one, found none; leave the key out, or fill the list")
    return found


def _horizon(section: Section) -> int:
    if not section.of(int, "a number of steps") > 0:
        raise section.fail(f"expected a number of steps from 1, found {section.data}")
    return int(section.data)


def _sized(dataset: DataSet, file: Path, section: Section) -> DataSet:
    """With the rows and channels of its file, where that is there: a plan needs them to know which cells can be."""
    if not (file.is_file() or (file.is_dir() and dataset.reader in IMAGES)):
        return dataset
    try:
        rows, channels = shape.of(dataset, file)
        bounds = shape.bounds(dataset, file) if dataset.split in ("dates", "given") and rows and channels else None
    except DataError as error:
        raise section.fail(str(error)) from None
    if rows < 1 or channels < 1:
        dates = "a date column and " if dataset.reader == "csv" else ""
        note = "" if dataset.reader == "pems" else shape.separator_note(file)
        size = f"{counted(rows, 'row')} × {counted(channels, 'channel')}"
        raise section.fail(f"{file}: expected {dates}values, found {size}{note}")
    ownsplit.check(dataset, rows, section)
    return replace(dataset, rows=rows, channels=channels, bounds=bounds)


def join(papers: Mapping[str, Paper], own: Mapping[str, Own]) -> dict[str, Paper]:
    """The papers with the user's sets in their grids. Raises UsageError for a paper that is none or has no
    horizons, and for a set that joins none."""
    joined = dict(papers)
    for name, entry in own.items():
        if name.casefold() in {p.casefold() for p in papers}:
            raise entry.section.fail(f"the name '{name}' is a paper's; choose another")
        for paper, section in entry.papers.items():
            if paper not in joined:
                raise section.fail(f"unknown paper '{paper}'{nearest(paper, joined)}")
            joined[paper] = _with(joined[paper], name, entry, section)
        if not any(name in paper.datasets for paper in joined.values()):
            raise entry.section.fail("it stands in no paper's grid; say whose it joins, such as 'papers: [samformer]'")
    return joined


def _with(paper: Paper, name: str, entry: Own, section: Section) -> Paper:
    horizons = paper.horizons
    if entry.horizons:
        place = f"{entry.section.file}:{entry.section.line}"
        horizons = Value((Block({name: entry.horizons}, ("dataset",), place, "ours"), *horizons.blocks))
    recipe = dict(paper.recipe)
    if entry.features is not None:
        recipe["features"] = Value((entry.features, *(recipe["features"].blocks if "features" in recipe else ())))
    datasets = tuple(dict.fromkeys((*paper.datasets, name)))
    joined = replace(paper, datasets=datasets, horizons=horizons, recipe=recipe)
    if not joined.horizons_of(name):
        raise section.fail(f"the paper has its horizons by data set; give '{name}' some: 'horizons: [96, 192]'")
    return joined


def idle_targets(papers: Mapping[str, Paper], own: Mapping[str, Own]) -> tuple[str, ...]:
    """One sentence for each set whose `target` no cell forecasts alone: there it does not do what it seems to say."""
    return tuple(
        f"{entry.target.file}:{entry.target.line}: 'target' names the channel that features S and MS are about; {name} has "
        "neither, so all its channels are forecast and count, the target last; add 'features: MS' (or S), or leave it out"
        for name, entry in own.items()
        if entry.target is not None and not any(_is_about_target(papers[paper], name) for paper in entry.papers)
    )


def _is_about_target(paper: Paper, dataset: str) -> bool:
    for column in paper.columns.values():
        value = {**paper.recipe, **column.recipe}.get("features")
        for horizon in paper.horizons_of(dataset) if value is not None else ():
            where = {"dataset": dataset, "horizon": horizon, "model": column.looked_up, "sam": column.sam}
            found = value.at(where) if value is not None else None
            if found is not None and found.value != "M":
                return True
    return False
