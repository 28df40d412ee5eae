"""Columns that a user's file adds to a paper: of models of their own, and variants that stand beside what they vary."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmark.config.paper import Column, Layout, Paper, Value
from benchmark.config.reader import column_of
from benchmark.config.recipe import fields_of
from benchmark.config.values import Reader, recipe_fields
from benchmark.config.yamlfile import Section
from benchmark.workloads import WORKLOADS

NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,40}"


def before(first: Value | None, second: Value | None) -> Value:
    """A value that says what the first says, and where it says nothing, what the second does."""
    return Value((*(first.blocks if first else ()), *(second.blocks if second else ())))


def with_columns(paper: Paper, added: Mapping[str, Section], reader: Reader) -> Paper:
    """The paper with the user's columns after its own, in its main tables, too. Raises UsageError for a name that cannot be
    or is taken."""
    columns, layout = dict(paper.columns), paper.layout
    for name, section in added.items():
        _check_name(section, name, "a column")
        if name.casefold() in {each.casefold() for each in columns}:
            raise section.fail(f"the column '{name}' exists; choose another name, or vary it under 'variants'")
        main = [each for each, column in columns.items() if column.main]
        columns[name] = column_of(reader, section, name, columns)
        if columns[name].main:
            layout = tuple(_after(each, name, main) for each in layout)
    return replace(paper, columns=columns, layout=layout)


def _after(layout: Layout, name: str, others: Sequence[str]) -> Layout:
    """A table with a column after the last of some others; as it is, where it has none of them."""
    places = [place for place, column in enumerate(layout.columns, 1) if column in others]
    if not places:
        return layout
    return replace(layout, columns=(*layout.columns[: places[-1]], name, *layout.columns[places[-1] :]))


def _check_name(section: Section, name: str, what: str) -> None:
    if not re.fullmatch(NAME, name):
        raise section.fail(f"expected {what} whose name is of letters, digits, '_', '.', '+' and '-', found '{name}'")


def with_variant(paper: Paper, name: str, section: Section, datasets: tuple[str, ...]) -> Paper:
    """The paper with a column ``COLUMN~NAME`` after each one whose training the variant's values change.

    A recipe value changes every column that is trained, an argument those whose model has it. Raises UsageError for what
    is not as it should be, and for a variant that changes no column.
    """
    _check_name(section, name, "a variant")
    reader = Reader(datasets, paper.workload, overriding=True)
    reader.columns = tuple(paper.columns)
    part = section.known([*recipe_fields(paper.workload), "arguments"])
    values = {field: reader.value(child, field) for field, child in part.items() if field != "arguments"}
    known = {argument: None for column in paper.columns.values() for argument in column.info.arguments}
    given = part["arguments"].known(known) if "arguments" in part else {}
    columns: dict[str, Column] = {}
    layout = paper.layout
    for column in paper.columns.values():
        if column.variant_of is not None:
            continue
        beside = [each for each in paper.columns.values() if column.name in (each.name, each.variant_of)]
        columns |= {each.name: each for each in beside}
        varied = _varied(paper, column, f"{column.name}~{name}", values, given, reader)
        if varied is not None and varied.name in columns:
            raise section.fail(f"the variant '{name}' of {paper.name} stands in another file, too; choose another name")
        if varied is not None:
            columns[varied.name] = varied
            layout = tuple(_after(each, varied.name, [other.name for other in beside]) for each in layout)
    if len(columns) == len(paper.columns):
        raise section.fail("it changes no column; give a recipe value, or an argument that a model of the paper has")
    return replace(paper, columns=columns, layout=layout)


def _varied(
    paper: Paper,
    column: Column,
    name: str,
    values: Mapping[str, Value],
    given: Mapping[str, Section],
    reader: Reader,
) -> Column | None:
    """The column with a variant's values; None where they change nothing of it."""
    concern = fields_of(WORKLOADS[paper.workload], column.info.closed_form)
    recipe = {field: value for field, value in values.items() if field in concern}
    kinds = column.info.arguments
    arguments = {
        argument: reader.value(child, kinds[argument].kind) for argument, child in given.items() if argument in kinds
    }
    if not recipe and not arguments:
        return None
    changed = ", ".join([*recipe, *(f"arguments.{argument}" for argument in arguments)])
    return replace(
        column,
        name=name,
        what=changed,
        printed_as=None,
        recipe=dict(column.recipe)
        | {field: before(value, column.recipe.get(field) or paper.recipe.get(field)) for field, value in recipe.items()},
        arguments=dict(column.arguments)
        | {argument: before(value, column.arguments.get(argument)) for argument, value in arguments.items()},
        variant_of=column.name,
    )
