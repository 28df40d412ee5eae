"""One paper, protocol and profile → the Markdown that people read: its own tables, verdicts, statistics, every cell."""

from __future__ import annotations

from benchmark.judging.verdict import rule
from benchmark.workloads import METRICS, WORKLOADS
from tables.documents import comparison
from tables.documents.verdicts import summary
from tables.layout.celllist import of_others, table
from tables.layout.markdown import LEGEND, VARIANTS, escape, own_table
from tables.layout.subject import Subject
from tables.layout.table import paper_tables
from tables.rows.row import IMPORTED


def document(of: Subject) -> str:
    """The whole document, with the rule of its verdicts, its notes and what was not run."""
    paper, rows = of.paper, of.rows
    run = [d for d in paper.datasets if any(r.key.dataset == d and r.ours.n for r in rows)]
    shown = [r for r in rows if r.key.dataset in run]
    parts = [f"# {paper.name}: {escape(paper.title)}"]
    if of.profile != "paper":
        parts.append(
            f"**Profile {of.profile}: a smoke run with a shortened training and a sample of the {paper.examples}. "
            "These numbers say that the way works, nothing about the paper.**"
        )
    if of.protocol == IMPORTED:
        parts.append(f"**{escape(of.notes[0])}**")
    titles = " and ".join(METRICS[name].title for name in paper.metrics)
    parts.append(f"Protocol `{of.protocol}`, profile `{of.profile}`. Test {titles} {WORKLOADS[paper.workload].measured}")
    parts += [own_table(table) for table in paper_tables(paper, rows, of.profile, of.options)]
    if counted := summary(paper, shown, of.profile):
        parts += ["## Verdicts", counted]
    if compared := comparison.document(paper, shown, of.options.digits):
        parts += ["## Statistics", compared]
    if len(parts) > 2 and shown:
        parts.append("## Cell by cell")
    parts.append(table(paper, shown) if shown else "No cell of this table has been run to its end.")
    for heading, text in of_others(paper, shown):
        parts += [f"## Cell by cell: {heading}", text]
    if paper.printed:
        parts.append(f"Printed: {escape(', '.join(paper.printed.tables))}. {rule(paper.metric)}")
    text = "\n".join(parts)
    legend = [line for mark, line in (LEGEND | VARIANTS).items() if mark in text]
    if legend:
        parts.append("\\\n".join(legend))
    parts += [escape(note) for note in of.notes[of.protocol == IMPORTED :]]
    missing = [d for d in paper.datasets if d not in run]
    if missing:
        parts.append(f"No cell done: {', '.join(escape(d) for d in missing)}.")
    return "\n\n".join(parts) + "\n"
