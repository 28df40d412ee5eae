"""``python -m tables latex PAPER``: a table of LaTeX that goes into a paper as it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmark.config.catalogue import catalogue
from benchmark.console import names, spelt
from benchmark.errors import UsageError, nearest
from benchmark.files import write_atomically
from benchmark.grid.plan import own_protocol, parse_protocol
from benchmark.workloads import METRICS
from tables.layout.forpaper import PAGES, Wish, document
from tables.layout.table import Options
from tables.numbers import DIGITS
from tables.render import read


def latex_options(commands: Any) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "latex", help="a paper's table as LaTeX that goes into a paper of yours",
        description="Prints LaTeX to \\input: the columns that were run, in pairs of metrics, best and second marked, with "
        "a short caption and notes in small print; a table that is wider than the page is set in parts.",
    )  # fmt: skip
    command.add_argument("paper", metavar="PAPER", help="samformer, say")
    command.add_argument("--caption", default="", metavar="LATEX", help="as it stands; default: a short one")
    command.add_argument("--label", default="", metavar="NAME", help="default: tab:PAPER")
    command.add_argument("--page", choices=tuple(PAGES), default="article",
                         help="how wide: article (default), both its columns, NeurIPS, ICML, one column")  # fmt: skip
    command.add_argument("--printed", action="store_true", help="with the printed numbers")
    command.add_argument("--verdicts", action="store_true", help="with a mark of each verdict")
    command.add_argument("--siunitx", action="store_true", help="columns of that package, deviations in brackets")
    command.add_argument("--metrics", type=names, default=(), metavar="|".join(METRICS), help="default: the paper's")
    command.add_argument("--models", type=names, default=(), metavar="M[,M…]", help="columns; default: the main table's")
    command.add_argument("--digits", type=int, choices=range(1, 7), default=DIGITS, metavar="1…6",
                         help=f"after the point; default {DIGITS}")  # fmt: skip
    command.add_argument("--no-std", action="store_true", help="means alone")
    command.add_argument("--protocol", default="paper", metavar="P", help="one that has Results; default paper")
    command.add_argument("--profile", choices=("paper", "quick"), default="paper", help="default paper")
    command.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    command.add_argument("--results-dir", type=Path, metavar="DIR", help="default: results/")
    command.add_argument("--config", action="append", type=Path, default=[], metavar="FILE",
                         help="the YAML of your own that the Results were run with; repeatable")  # fmt: skip


def for_paper(options: argparse.Namespace) -> None:
    """Prints or writes it. Raises UsageError for a paper, column, metric or protocol that there is not."""
    known = catalogue(options.config)
    (name,) = spelt("latex", (options.paper,), known.papers)
    paper = known.papers[name]
    if not (options.results_dir / "cells").is_dir():
        raise UsageError(f"--results-dir: no Results below {options.results_dir}; train some with run_all.py first")
    chosen = Options(
        metrics=spelt("--metrics", options.metrics, METRICS), digits=options.digits, std=not options.no_std,
        models=spelt("--models", options.models, paper.columns),
    )  # fmt: skip
    rows_of = read(known, options.results_dir, chosen.extra)[1].rows_of[name]
    protocol = own_protocol(paper, parse_protocol(options.protocol, known.papers))
    rows = rows_of.get((protocol, options.profile))
    if rows is None:
        there = [protocol for protocol, profile in rows_of if profile == options.profile]
        raise UsageError(
            f"latex: no Result of {name} under protocol {protocol}, profile {options.profile}" + nearest(protocol, there)
        )
    wish = Wish(caption=options.caption, label=options.label, page=options.page, printed=options.printed,
                verdicts=options.verdicts, siunitx=options.siunitx)  # fmt: skip
    text = document(paper, rows, protocol, options.profile, chosen, wish)
    if options.output is None:
        print(text, end="")
    else:
        write_atomically(options.output, text)
        print(f"written: {options.output}")
