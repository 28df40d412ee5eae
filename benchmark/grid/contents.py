"""What there is to choose from, in words: papers with their columns and switches, data sets, groups. For ``--list``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Paper
from benchmark.data.registry import DataSet
from benchmark.errors import counted

WIDTH = 120


def contents(there: Catalogue) -> str:
    """Every name that `--papers`, `--models`, `--protocol` and `--subset` know, with what it is."""
    lines = ["papers (--papers), their columns (--models) and switches (--protocol paper+SWITCH or released+SWITCH):"]
    for paper in there.papers.values():
        lines += _of_paper(paper)
    lines += ["", "data sets (--subset):"]
    lines += [_of_set(dataset, there) for dataset in there.datasets.values()]
    lines += ["", "groups of data sets (--subset):"]
    lines += [_line(name, members) for name, members in there.groups.items()]
    lines.append(_line("a paper's name", ["its data sets"]))
    lines.append(_line("all", ["every set that a paper names, the synthetic ones not"]))
    return "\n".join(lines)


def _of_paper(paper: Paper) -> list[str]:
    """Its title, and its names by kind; a kind of which it has none is left out."""
    main = [name for name, column in paper.columns.items() if column.main]
    named = {
        "data sets": paper.datasets,
        "columns": main,
        "by name": [name for name in paper.columns if name not in main],
        "switches": sorted(paper.switches),
    }
    return [f"  {paper.name}: {paper.title}", *(_line(f"  {kind}", names) for kind, names in named.items() if names)]


def _of_set(dataset: DataSet, there: Catalogue) -> str:
    channels = "channels not known yet" if dataset.channels is None else counted(dataset.channels, "channel")
    rows = f"{counted(dataset.rows, 'row')}, " if dataset.rows else ""
    papers = [paper.name for paper in there.papers.values() if dataset.name in paper.datasets]
    return _line(dataset.name, [f"{rows}{channels}", f"of {', '.join(papers)}" if papers else "of no paper"])


def _line(head: str, parts: Iterable[str]) -> str:
    """A head and what belongs to it, broken between the parts."""
    text = ", ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)
    indented = f"  {head}:".ljust(18) + " "
    wrapped = textwrap.fill(text, WIDTH, initial_indent=indented, subsequent_indent=" " * 19, break_long_words=False,
                            break_on_hyphens=False)  # fmt: skip
    return wrapped.replace("\N{NO-BREAK SPACE}", " ")
