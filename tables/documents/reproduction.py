"""What a published run measured, paper by paper → ``docs/reproduction.md``. Nothing in it is written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.config.paper import Paper
from benchmark.errors import UsageError, counted, either
from benchmark.grid.plan import in_order
from tables.documents.explain import summary as explained
from tables.documents.verdicts import ON_AVERAGE
from tables.documents.verdicts import summary as verdicts
from tables.explain.nearness import RowsByKind
from tables.layout.celllist import of_others, table
from tables.layout.markdown import LEGEND, escape
from tables.rows.results import Index
from tables.rows.row import Row


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published run.

    folder: where its exports are, as a reader names it. made: of each export its name and what its manifest says, in
    words. papers: with their rows. index: of all Results. unmeasured: why a data set or a column was not measured, by name.
    """

    folder: str
    made: Sequence[str]
    papers: Sequence[tuple[Paper, RowsByKind]]
    index: Index
    unmeasured: Mapping[str, str]


def document(of: Published) -> str:
    """The whole document. Results of profile quick say nothing about a paper, and are left out."""
    parts = [
        "# What was measured",
        f"Made by `python -m tables render --from {of.folder}` from the Results there, without training and without "
        f"data; tables, figures, claims and explanations of them are in [{of.folder}/tables]({_link(of)}). Nothing here is "
        "written by hand.",
        "\n".join(f"- {line}" for line in of.made),
    ]
    for paper, rows_of in of.papers:
        names = in_order(paper, (protocol for protocol, profile in rows_of if profile == "paper"))
        kinds = {protocol: rows_of[protocol, "paper"] for protocol in names}
        if any(row.ours.n for rows in kinds.values() for row in rows):
            parts += _paper(of, paper, kinds, rows_of)
    text = "\n\n".join(parts)
    first, said, rest = text.partition(ON_AVERAGE)  # what every section would say, once
    parts = [first + said + rest.replace(ON_AVERAGE, "Columns as a whole:")]
    if legend := [line for mark, line in LEGEND.items() if mark in text]:
        parts.append("\\\n".join(legend))
    return "\n\n".join(parts) + "\n"


def _link(of: Published) -> str:
    return f"{of.folder.rsplit('/', 1)[-1]}/tables"


def _paper(of: Published, paper: Paper, kinds: Mapping[str, Sequence[Row]], rows_of: RowsByKind) -> list[str]:
    parts = [f"## {escape(paper.name)}: {escape(paper.title)}", _measured(of, paper, kinds)]
    for protocol, rows in kinds.items():
        done = [row for row in rows if row.ours.n]
        name = paper.name if protocol == "paper" else f"{paper.name}.{protocol}"
        parts.append(f"### Protocol {escape(protocol)}")
        if counted := verdicts(paper, done, "paper"):
            parts.append(counted)
        same = _as_under_paper(done, kinds["paper"]) if protocol != "paper" and "paper" in kinds else []
        elsewhere = {row.key for row in same}
        shown = [row for row in done if row.key not in elsewhere]
        parts.append(table(paper, shown))
        for heading, text in of_others(paper, shown):
            parts += [f"#### {heading}", text]
        if same:
            columns = ", ".join(escape(model) for model in dict.fromkeys(row.key.model for row in same))
            parts.append(f"Not trained, and the same under this protocol as under `paper`, where they stand: {columns}.")
        parts.append(f"The paper's own tables with these numbers: [{name}.md]({_link(of)}/{name}.md).")
    try:
        words = explained(paper, rows_of)
        parts += ["### Which protocol gives the printed columns", "\n".join(f"- {line}" for line in words.splitlines())]
        parts.append(f"How that is judged, and every figure: [explain.md]({_link(of)}/explain.md).")
    except UsageError:
        pass  # nothing to compare
    return [*parts, *_not_measured(of, paper, kinds.get("paper", []))]


def _as_under_paper(rows: Sequence[Row], of_paper: Sequence[Row]) -> list[Row]:
    """Those of models that are not trained whose Results are the very ones that stand under protocol paper."""
    there = {row.key: row.ours.digests for row in of_paper}
    return [
        row for row in rows
        if row.recipe is not None and row.recipe.training is None and there.get(row.key) == row.ours.digests
    ]  # fmt: skip


def _measured(of: Published, paper: Paper, kinds: Mapping[str, Sequence[Row]]) -> str:
    """How many trainings, of what, on what, in how many hours of a core."""
    digests = {d for rows in kinds.values() for row in rows for d in (*row.ours.digests, *row.choice.passed_over)}
    hours = sum(of.index.done[digest].get("seconds", 0.0) for digest in digests if digest in of.index.done) / 3600
    done = [row for rows in kinds.values() for row in rows if row.ours.n]
    sets = [name for name in paper.datasets if any(row.key.dataset == name for row in done)]
    seeds = sorted({row.ours.n for row in done})
    each = f"{' or '.join(map(str, seeds))} {'seed' if seeds == [1] else 'seeds'}"
    one = " (1: not trained, or one seed so far)" if 1 in seeds else ""
    machine = of.index.trained_with(digests)
    said = (
        f"{counted(len(digests), 'Result')}, {hours:.1f} core hours in all, on {', '.join(map(escape, sets))}, with {each} "
        f"a cell{one}, under {len(kinds)} {either(len(kinds), 'protocol', 'protocols')}."
    )
    return f"{said} {machine}" if machine else said


def _not_measured(of: Published, paper: Paper, rows: Sequence[Row]) -> list[str]:
    """What of the paper's main table under its own protocol has no Result, by data set, and why where that is known."""
    lines: list[str] = []
    columns: set[str] = set()
    for name in paper.datasets:
        wanted = [row for row in rows if row.key.dataset == name and row.printed is not None]
        missing = Counter(row.key.model for row in wanted if not row.ours.n)
        if missing or not any(row.key.dataset == name for row in rows):
            what = ", ".join(f"{escape(model)} ({n})" for model, n in sorted(missing.items())) or "every cell"
            lines.append(f"- {escape(name)}: {what}" + (f": {of.unmeasured[name]}" if name in of.unmeasured else ""))
            columns |= missing.keys()
    if not lines:
        return []
    reasons = [f"- {escape(model)}: {of.unmeasured[model]}" for model in sorted(columns) if model in of.unmeasured]
    head = (
        "Printed numbers without a Result under the paper's protocol: how many of which column. What has no reason was "
        "not reached."
    )
    return ["### Not measured", head, "\n".join(lines), *(["\n".join(["By column:", "", *reasons])] if reasons else [])]
