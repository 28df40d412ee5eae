"""Everything of a store → ``report.html``: one file that asks for nothing, made of the tables' documents and figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from benchmark.config.paper import Paper
from benchmark.errors import counted
from benchmark.judging.verdict import rule
from benchmark.machine import time_in_words
from benchmark.workloads import METRICS
from tables.claims.evidence import Evidence
from tables.claims.reader import Claim
from tables.documents import claims as claims_document
from tables.documents import comparison, explain, protocols
from tables.documents.verdicts import summary
from tables.explain.figure import figure as explain_figure
from tables.explain.nearness import columns as explained_columns
from tables.figures.data import Figure
from tables.figures.page_renderer import Pool, as_data, style_as_data
from tables.figures.style import Style
from tables.layout.html import breakable, cell_list, own_table
from tables.layout.markdown import LEGEND, VARIANTS, escape
from tables.layout.subject import Subject
from tables.layout.table import paper_tables
from tables.report.answer import Answer, answer
from tables.report.cells import Behind, name
from tables.report.inside import inside
from tables.report.markup import anchor, html, inline
from tables.rows.means import AVERAGE
from tables.rows.results import Index, counted_by

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "charts.js", "copying.js", "page.js")
"""The first two are released files as they are; `assets/vendor/README.md` has their versions and checksums."""
LICENCES = tuple(
    f"vendor/{name}.LICENSE" for name in ("d3", "plot", "interval-tree-1d", "binary-search-bounds", "isoformat")
)
"""Of these files and of what is built into them; they ask to be in every copy, and so in every page."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a page is made of.

    evidence, found: what the store holds, as rows and by digest. subjects: by paper, a protocol and profile each. claims:
    those shown; left: those of which it is only said where they are. figures: of a subject. forecasts: the folder of what
    cells kept of their forecasts. imported: of numbers of other code whose they are, in a sentence.
    """

    evidence: Evidence
    found: Index
    subjects: Mapping[str, Sequence[Subject]]
    claims: Sequence[Claim]
    figures: Callable[[Subject], Iterable[Figure]]
    forecasts: Path
    imported: str = ""
    left: Sequence[Claim] = ()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One protocol and profile of a paper on the page.

    place: its anchor. title: in words. smoke: whether it says nothing about the paper. tables: the paper's own. figures:
    places and titles. verdicts, statistics: documents, empty where there is nothing. notes: sentences.
    """

    place: str
    title: str
    smoke: bool
    tables: Sequence[Markup]
    figures: Sequence[tuple[int, str]]
    verdicts: Markup
    statistics: Markup
    notes: Sequence[Markup]


@dataclass
class _Drawn:
    """The page's figures as data, in the order in which they are met."""

    styles: Pool[Style]
    figures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, figure: Figure) -> tuple[int, str]:
        """The place of a figure, and its title."""
        return self.add_data(as_data(figure, self.styles), figure.title)

    def add_data(self, figure: dict[str, Any], title: str) -> tuple[int, str]:
        """The same of a figure that is data already."""
        self.figures.append(figure)
        return len(self.figures) - 1, title


def document(told: Told) -> str:
    """The page: the same store gives the same bytes."""
    behind = Behind(told.found, told.forecasts)
    looked = inside((of for each in told.subjects.values() for of in each), told.evidence.measured, told.found.seed,
                    behind.styles)  # fmt: skip
    drawn = _Drawn(behind.styles)
    papers, cost = [], []
    for paper in told.evidence.catalogue.papers.values():
        kinds = []
        for of in told.subjects.get(paper.name, ()):
            behind.add(of)
            figures = list(told.figures(of))
            cost += [drawn.add(figure) for figure in figures if figure.name == "cost"]
            kinds.append(_kind(of, [drawn.add(figure) for figure in figures if figure.name != "cost"]))
        if kinds:
            papers.append((paper, kinds))
    rows_of = [(paper, told.evidence.rows_of[paper.name]) for paper, _ in papers]
    explained = [figure for paper, rows in rows_of if (figure := explain_figure(paper, explained_columns(paper, rows)))]
    return _template().render(
        papers=papers, cost=cost, answers=list(_answers(told, [paper for paper, _ in papers])),
        counted=_counted(told), about=told.imported or _about(told), imported=bool(told.imported),
        rules=[inline(text) for text in _rules(paper for paper, _ in papers)],
        cells=cell_list((of for subjects in told.subjects.values() for of in subjects), "All cells", name),
        protocols=html(protocols.document(rows_of), "protocols"),
        explain=html(explain.document(rows_of, figures=False), "explain"),
        explained=[drawn.add(each) for each in explained],
        claims=[html(half, "claims") for half in claims_document.halves(told.claims, told.evidence, told.left)],
        numbers=html(looked.numbers, "analysis"), left=looked.left,
        inside=[drawn.add_data(data, title) for data, title in looked.figures],
        environments=_environments(told.found), anchor=anchor, inline=inline, breakable=breakable,
        data=_json({
            "figures": drawn.figures, "cells": behind.cells, "values": list(behind.values.found),
            "styles": [style_as_data(style) for style in behind.styles.found],
            "environments": list(behind.environments.found),
        }),
        css=Markup(_asset("page.css")), licences="\n\n".join(map(_asset, LICENCES)),
        scripts=[Markup(_asset(each)) for each in SCRIPTS],
    )  # fmt: skip


def _kind(of: Subject, figures: Sequence[tuple[int, str]]) -> Kind:
    place = anchor(of.paper.name, of.protocol, *([] if of.profile == "paper" else [of.profile]))
    run = {row.key.dataset for row in of.rows if row.ours.n}
    shown = [row for row in of.rows if row.key.dataset in run]
    tables = []
    for table in paper_tables(of.paper, of.rows, of.profile, of.options):
        metrics = " and ".join(METRICS[metric].title for metric in table.layout.metrics)
        said = table.layout.table[:1].upper() + table.layout.table[1:] or "Table"
        label = f"{of.paper.name}, {said}: test {metrics}, protocol {of.protocol}, profile {of.profile}"
        tables.append(own_table(table, label, lambda row: name(of, row) if row.key.horizon != AVERAGE else ""))
    return Kind(
        place=place, title=f"Protocol {of.protocol}" + ("" if of.profile == "paper" else f", profile {of.profile}"),
        smoke=of.profile != "paper", tables=tables, figures=figures,
        verdicts=html(summary(of.paper, shown, of.profile), f"{place}--verdicts"),
        statistics=html(comparison.document(of.paper, shown), f"{place}--statistics"),
        notes=[inline(escape(note)) for note in of.notes],
    )  # fmt: skip


def _answers(told: Told, papers: Iterable[Paper]) -> Iterator[tuple[Paper, Answer | None]]:
    for paper in papers:
        yield paper, answer(paper, told.evidence.rows_of[paper.name])


def _about(told: Told) -> str:
    """How much there is, in a sentence."""
    done, kinds = len(told.found.done), {(name, of.protocol) for name, each in told.subjects.items() for of in each}
    count = Counter({"paper": len({name for name, _ in kinds}), "protocol": len({protocol for _, protocol in kinds})})
    said = " and ".join(counted(n, word) for word, n in count.items())
    seconds = sum(numbers.get("seconds", 0.0) for numbers in told.found.done.values())
    return f"{counted(done, 'training')} that ended whole ({time_in_words(seconds)} of them in all), of {said}."


def _counted(told: Told) -> list[str]:
    """What ended without a number, by paper."""
    ended = {name: told.found.ended[name] for name in told.subjects if told.found.ended.get(name)}
    return [f"{name}: {counted_by(of.values())}" for name, of in ended.items()]


def _rules(papers: Iterable[Paper]) -> list[str]:
    """The rule of the verdicts, of each metric that decides, and what the marks mean."""
    metrics = {paper.metric.name: paper.metric for paper in papers if paper.printed}
    several = len(metrics) > 1
    rules = [f"{metric.title}: {rule(metric)}" if several else rule(metric) for metric in metrics.values()]
    return [*rules, *LEGEND.values(), *VARIANTS.values()]


def _environments(found: Index) -> list[tuple[int, Mapping[str, Any]]]:
    """How many Results were made in which environment, the most first."""
    counts = Counter(id(environment) for environment in found.environments.values())
    by_id = {id(environment): environment for environment in found.environments.values()}
    ordered = sorted(by_id.items(), key=lambda item: (-counts[item[0]], json.dumps(item[1], sort_keys=True, default=str)))
    return [(counts[place], dict(sorted(environment.items()))) for place, environment in ordered]


def _template() -> Template:
    there = Environment(loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                        lstrip_blocks=True, keep_trailing_newline=True)  # fmt: skip
    return there.get_template("page.html")


def _asset(path: str) -> str:
    return (ASSETS / path).read_text("utf-8")


def _json(data: Any) -> Markup:
    """JSON that no text in it can end: it stands inside an element of the page."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
