"""``python -m tables render``, ``claims``, ``explain``, ``report``: from a store, without torch; ``judge``: of a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.config.paper import Paper
from benchmark.console import Parser, command, names, spelt
from benchmark.errors import UsageError, counted, nearest, told
from benchmark.files import write_atomically
from benchmark.judging.printed import printed_models
from benchmark.judging.printedfile import check_own
from benchmark.store.store import Store
from benchmark.workloads import DECIDING, METRICS
from tables.claims.reader import load_claims
from tables.documents.claims import summary as claims_summary
from tables.documents.explain import summary as explained
from tables.figures import forecast
from tables.forpaper import for_paper, latex_options
from tables.layout.table import Options
from tables.numbers import DIGITS
from tables.published import render_from
from tables.render import figures_of, read, render, write_claims, write_explanation, write_report, write_subject

RESULTS = Path("results")


def parser() -> Parser:
    """The commands and their options."""
    main = Parser(prog="python -m tables", description="Tables from the Results of a store.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    rendered = commands.add_parser(
        "render", help="write every table and figure anew, and the claims",
        description="Writes DIR/tables/<paper>.{md,tex,csv,png,svg}, and protocols, explain and claims.md, from DIR/cells.",
    )  # fmt: skip
    _places(rendered)
    rendered.add_argument("--from", dest="folder", type=Path, metavar="FOLDER",
                          help="from exported Results in FOLDER, not from a store: writes FOLDER/tables, and "
                          "reproduction.md beside FOLDER, and says what is new, and what came out otherwise")  # fmt: skip
    _table_options(rendered)
    claims = commands.add_parser(
        "claims", help="check what the papers say in a number",
        description="Checks the claims of paper_configs/claims.yaml on the printed numbers and on the Results in "
        "DIR/cells, shows what holds, and writes DIR/tables/claims.md with every figure.",
    )  # fmt: skip
    claims.add_argument("--papers", type=names, metavar="P[,P…]", help="whose claims; default: all")
    _places(claims)
    explanation = commands.add_parser(
        "explain", help="which protocol gives a paper's printed columns",
        description="Says which of the protocols that have Results in DIR/cells comes nearest to each printed column of a "
        "paper, and whether that is shown, and writes DIR/tables/explain.md with every figure.",
    )  # fmt: skip
    explanation.add_argument("paper", metavar="PAPER", help="samformer, say")
    _places(explanation)
    latex_options(commands)
    report = commands.add_parser(
        "report", help="write the page: everything of a store in one file",
        description="Writes DIR/report.html from DIR/cells: one file that asks for nothing from anywhere.",
    )  # fmt: skip
    _places(report)
    _judge_options(commands)
    one_cell = commands.add_parser(
        "forecast", help="draw a cell's worst, median and best forecast",
        description="Writes DIR/tables/forecast.<digest>.{png,svg} from what the cell kept in DIR/forecasts.",
    )  # fmt: skip
    one_cell.add_argument("cell", metavar="KEY|DIGEST", help="samformer/ETTh1/96/SAMformer/sam/s0, or a digest")
    one_cell.add_argument("--channel", type=int, metavar="N", help="counted from the last, which is 1 and the default")
    _places(one_cell)
    return main


def _judge_options(commands: argparse._SubParsersAction[Parser]) -> None:
    judging = commands.add_parser(
        "judge", help="set numbers of other code beside a paper's",
        description="Sets the numbers in FILE beside the printed ones of a paper: its table, verdicts, claims, figures and "
        "page, all of which say that they are imported. A line that cannot be used is named. FILE: a CSV (dataset,horizon,"
        "model,seed,mse[,mae,lookback], or means: dataset,horizon,model,mse,std,n), or Time-Series-Library's "
        "result_long_term_forecast.txt.",
    )  # fmt: skip
    judging.add_argument("file", type=Path, metavar="FILE")
    judging.add_argument("--paper", required=True, metavar="PAPER", help="samformer, say")
    judging.add_argument("--lookback", type=int, default=None, metavar="N",
                         help="of numbers that do not say theirs, in steps; else they are compared with none")  # fmt: skip
    judging.add_argument("--out", type=Path, metavar="DIR", help="where to; default: FILE's name and .judged, beside it")
    judging.add_argument("--beside", type=Path, metavar="DIR",
                         help="a results folder whose protocols stand beside the numbers in explain.md")  # fmt: skip
    judging.add_argument("--config", action="append", type=Path, default=[], metavar="FILE",
                         help="a YAML of your own: of a paper of your own, say; repeatable")  # fmt: skip


def _places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results-dir", type=Path, metavar="DIR", help=f"default: {RESULTS}/")
    command.add_argument("--config", action="append", type=Path, default=[], metavar="FILE",
                         help="the YAML of your own that the Results were run with; repeatable")  # fmt: skip


def _table_options(command: argparse.ArgumentParser) -> None:
    """How the papers' own tables are shown; the CSV and the list of cells always have everything."""
    group = command.add_argument_group("the papers' own tables")
    group.add_argument("--papers", type=names, metavar="P[,P…]", help="default: all, and the documents about all of them")
    group.add_argument("--models", type=names, default=(), metavar="M[,M…]",
                       help="columns, variants too, in this order; default: the paper's")  # fmt: skip
    group.add_argument("--also", type=names, default=(), metavar="M[,M…]",
                       help="columns that stand behind those of the paper's table where they have a Result")  # fmt: skip
    group.add_argument("--metrics", type=names, default=(), metavar="|".join(METRICS), help="default: the paper's")
    group.add_argument("--digits", type=int, choices=range(1, 7), default=DIGITS, metavar="1…6",
                       help=f"after the point; default {DIGITS}")  # fmt: skip
    group.add_argument("--no-std", action="store_true", help="means alone")
    group.add_argument("--transposed", action="store_true", help="a line a model")
    group.add_argument("--no-figures", action="store_true", help="tables alone: the figures take longer")


def main(arguments: list[str] | None = None) -> int:
    """Renders, checks claims, explains or judges; returns the exit status: 0, 1 where a line of FILE is left out, or 2 for
    what cannot be asked."""
    with command("python -m tables") as ended:
        options = parser().parse_args(arguments)
        if getattr(options, "folder", None) is not None and options.results_dir is not None:
            raise UsageError(
                f"--from {options.folder} takes exported Results, --results-dir {options.results_dir} a store: give one of "
                "them"
            )
        options.results_dir = getattr(options, "results_dir", None) or RESULTS
        try:
            ended.status = _COMMANDS[options.command](options) or 0
        except BrokenPipeError:
            raise
        except OSError as error:
            what = told(error) if isinstance(error.filename, str) else f"to the output: {told(error)}"  # files are named
            raise UsageError(f"cannot write {what}") from None
    return ended.status


def _render(options: argparse.Namespace) -> None:
    known = catalogue(options.config)
    if options.folder is None:
        _has_results(options.results_dir)
    columns = [
        name for paper in known.papers.values() for name in (*paper.columns, *printed_models(paper.name, known.papers))
    ]
    chosen = Options(
        metrics=spelt("--metrics", options.metrics, METRICS), models=spelt("--models", options.models, columns),
        digits=options.digits, std=not options.no_std, transposed=options.transposed,
        figures=not options.no_figures, also=spelt("--also", options.also, columns),
    )  # fmt: skip
    papers = None if options.papers is None else spelt("--papers", options.papers, known.papers)
    for name in papers or ():
        _shows(known.papers[name], chosen, printed_models(name, known.papers))
    if options.folder is not None:
        _render_from(known, options.folder, chosen, papers)
        return
    written = render(known, options.results_dir, chosen, papers)
    for path in written:
        print(f"written: {path}")
    if not written:
        print(f"no Result of {', '.join(papers) if papers else 'any known paper'} in {options.results_dir}")


def _render_from(known: Catalogue, folder: Path, chosen: Options, papers: Sequence[str] | None) -> None:
    done = render_from(known, folder, chosen, papers)
    for path in done.otherwise:
        print(f"{'came out otherwise' if path in done.written else 'taken away'}: {path}")
    for path in done.new:
        print(f"new: {path}")
    same = len(set(done.written) - {*done.otherwise, *done.new})
    print(f"{counted(len(done.written), 'file')}, unchanged of these: {same}")


def _shows(paper: Paper, chosen: Options, printed: Sequence[str]) -> None:
    """Raises UsageError for a paper that is asked for, and has none of the metrics or models that are asked for."""
    metrics = {metric for layout in paper.layout for metric in layout.metrics} or set(paper.metrics)
    extra = METRICS.keys() - DECIDING.keys()
    if chosen.metrics and not (metrics | extra) & set(chosen.metrics):
        raise UsageError(f"--metrics: the tables of {paper.name} have {', '.join(sorted(metrics))} alone")
    models = (*paper.columns, *printed)
    if chosen.models and not set(models) & set(chosen.models):
        raise UsageError(f"--models: {paper.name} has none of {', '.join(chosen.models)}; it has {', '.join(models)}")


def _forecast(options: argparse.Namespace) -> None:
    store, text = Store(options.results_dir), options.cell
    if "/" in text:
        found = [result for result in store.results() if result.key == text]
        if not found:
            close = nearest(text, sorted(result.key for result in store.results()))
            raise UsageError(f"no done Result '{text}' in {store.cells}{close}")
        done = [result for result in found if result.status == "done"]
        if not done:
            ended = ", ".join(sorted({result.status for result in found}))
            raise UsageError(f"'{text}' ended as {ended}: it has no forecast")
        result = max(done, key=lambda each: each.ended)
    else:
        result = store.begins(text)
    arrays = forecast.read(options.results_dir / "forecasts" / f"{result.digest}.npz")
    figure = forecast.figure(arrays, result.title, options.channel)
    from tables.figures.matplotlib_renderer import pictures  # slow to import

    for kind, content in pictures(figure).items():
        path = options.results_dir / "tables" / f"forecast.{result.digest[:12]}.{kind}"
        write_atomically(path, content)
        print(f"written: {path}")


def _claims(options: argparse.Namespace) -> None:
    """Works without a single Result too: on the printed numbers alone."""
    known = catalogue(options.config)
    claims = load_claims(known)
    if options.papers is not None:
        chosen = spelt("--papers", options.papers, known.papers)
        claims = [claim for claim in claims if claim.paper in chosen]
        if not claims:
            raise UsageError(f"--papers: no claim is known of {' or '.join(chosen)}")
    _, evidence = read(known, options.results_dir)
    print(claims_summary(claims, evidence))
    if options.results_dir.is_dir():
        print(f"written: {write_claims(claims, [], evidence, options.results_dir)}")
    else:
        print(f"no folder {options.results_dir}: nothing is written, and 'on ours' is without Results")


def _explain(options: argparse.Namespace) -> None:
    known = catalogue(options.config)
    (name,) = spelt("explain", (options.paper,), known.papers)
    _has_results(options.results_dir)
    _, evidence = read(known, options.results_dir)
    print(explained(known.papers[name], evidence.rows_of[name]))
    for path in write_explanation(evidence, options.results_dir):
        print(f"written: {path}")


def _judge(options: argparse.Namespace) -> int:
    from tables.imported.judged import judge_file, sentences, write

    known = catalogue(options.config)
    (name,) = spelt("--paper", (options.paper,), known.papers)
    out = options.out or options.file.with_name(options.file.name + ".judged")
    if (out / "cells").exists():
        raise UsageError(
            f"--out: {out} holds Results of this suite, which are not mixed with imported numbers; choose another"
        )
    if options.lookback is not None and options.lookback < 1:
        raise UsageError(f"--lookback: expected steps from 1, found {options.lookback}")
    if options.beside and not options.beside.is_dir():
        raise UsageError(f"--beside: expected a results folder, found none at {options.beside}")
    check_own(known.papers.values())
    judged = judge_file(known, options.file, known.papers[name], options.lookback or 0)
    for said in (*judged.notes, *judged.left):
        print(said, file=sys.stderr)
    print("\n".join(sentences(judged)))
    stored = read(known, options.beside)[1] if options.beside else None
    for path in write(judged, out, write_subject, figures_of, stored):
        print(f"written: {path}")
    return 1 if judged.left else 0


def _report(options: argparse.Namespace) -> None:
    known = catalogue(options.config)
    _has_results(options.results_dir)
    found, evidence = read(known, options.results_dir)
    if not any(evidence.rows_of.values()):
        print(f"no Result of any known paper in {options.results_dir}")
        return
    print(f"written: {write_report(found, evidence, options.results_dir)}")


def _has_results(results_dir: Path) -> None:
    """Raises UsageError for a folder without a store."""
    if not (results_dir / "cells").is_dir():
        raise UsageError(f"--results-dir: no Results below {results_dir}; train some with run_all.py first")


_COMMANDS = {
    "render": _render,
    "latex": for_paper,
    "claims": _claims,
    "explain": _explain,
    "forecast": _forecast,
    "report": _report,
    "judge": _judge,
}


if __name__ == "__main__":
    sys.exit(main())
