"""``python -m benchmark.store export FILE`` and ``import FILE…``: Results as one file, merged without loss."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from benchmark.console import Parser, command, names, numbers, place, seeds
from benchmark.errors import UsageError, counted, nearest, told
from benchmark.store.check import is_digest, shown
from benchmark.store.exchange import Chosen, Imported, export, merge
from benchmark.store.result import STATUSES
from benchmark.store.store import Store

PROGRAM = "python -m benchmark.store"
MOST_NAMED = 3


def parser() -> Parser:
    """The commands and their options."""
    main = Parser(prog=PROGRAM, description="Results as one file that travels.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    out = commands.add_parser(
        "export", help="write Results into one compressed file",
        description="Writes the Results in DIR/cells, all of them or a selection, into one compressed file.",
    )  # fmt: skip
    out.add_argument("files", type=place, nargs=1, metavar="FILE", help="such as results.jsonl.gz")
    _selection(out)
    back = commands.add_parser(
        "import", help="take in the Results of such files",
        description="Takes the Results of exported files into DIR/cells. What is done there is never replaced.",
    )  # fmt: skip
    back.add_argument("files", type=place, nargs="+", metavar="FILE")
    for each in (out, back):
        each.add_argument("--results-dir", type=place, default=Path("results"), metavar="DIR", help="default: results/")
    return main


def _selection(out: argparse.ArgumentParser) -> None:
    group = out.add_argument_group("which Results (every option is a filter; default: all of them)")
    group.add_argument("--subset", type=names, metavar="S[,S…]", help="data sets; ETT, PEMS: those that begin so")
    group.add_argument("--papers", type=names, metavar="P[,P…]")
    group.add_argument("--models", type=names, metavar="M[,M…]", help="columns of the papers' recipes")
    group.add_argument("--horizons", type=numbers, metavar="H[,H…]")
    group.add_argument(
        "--seeds", type=seeds, metavar="N|N,N…", help="n: seeds 0 … n−1; a list has a comma ('3,' is seed 3)"
    )
    group.add_argument("--sam", choices=("on", "off", "both"))
    group.add_argument("--protocol", metavar="paper|released[+SWITCH…]", help="as it was asked for")
    group.add_argument("--profile", choices=("paper", "quick"))
    group.add_argument("--status", type=names, metavar="|".join(STATUSES), help="several with commas")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, 1 (a Result was damaged and is left out), 2 (usage), 130 (interrupted)."""
    with command(PROGRAM) as ended:
        options = parser().parse_args(arguments)
        store = Store(options.results_dir)
        try:
            ended.status = _export(options, store) if options.command == "export" else _import(options.files, store)
        except BrokenPipeError:
            raise
        except OSError as error:
            taken = "what was taken in is kept, the same command goes on from here"
            said = "nothing is written" if options.command == "export" else taken
            raise UsageError(f"cannot write {told(error)}; {said}") from None
    return ended.status


def _export(options: argparse.Namespace, store: Store) -> int:
    for status in options.status or ():
        if status not in STATUSES:
            raise UsageError(f"--status: unknown '{status}'{nearest(status, STATUSES)}")
    if not store.digests():
        raise UsageError(f"--results-dir: no Results below {options.results_dir}; give the one of run_all.py")
    (path,) = options.files
    chosen = Chosen(**{each.name: getattr(options, each.name) for each in fields(Chosen)})
    counts, measured = export(store, chosen, path)
    said = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    beside = f", with the numbers of {counted(measured, 'file')} of analysis" if measured else ""
    print(f"written: {path}, {counted(counts.total(), 'Result')} ({said}){beside}")
    for note in store.notes():
        print(f"{PROGRAM}: {note}", file=sys.stderr)
    return 1 if store.notes() else 0


def _import(paths: list[Path], store: Store) -> int:
    store.prepare()
    damaged = False
    for path in paths:
        done = merge(path, store)
        print(f"{path}: {_in_words(done)}")
        damaged = damaged or not done.is_whole
        if not done.is_whole:
            print(f"{PROGRAM}: {path} {_damage(done)}; those that are whole were taken in", file=sys.stderr)
        if done.other:
            some = _some([digest[:12] for digest in done.other])
            print(
                f"{PROGRAM}: {path} has other numbers for {some}; what was done in {store.cells} stands",
                file=sys.stderr,
            )
    return 1 if damaged else 0


def _in_words(done: Imported) -> str:
    words = {"new": done.new, "done where none was": done.better, "there already": done.there,
             "with numbers of an analysis": done.measured}  # fmt: skip
    return ", ".join(f"{len(which)} {what}" for what, which in words.items() if which) or "no Result taken in"


def _damage(done: Imported) -> str:
    parts = []
    if done.missing:
        parts.append(f"is cut off or damaged, and lacks {done.missing} of its Results")
    elif done.ends_badly:
        parts.append("is damaged at its end, or has something behind it")
    if done.unlisted:
        parts.append(f"has lines that its beginning does not list, and that were not taken: {done.unlisted}")
    if done.damaged:
        named = [f"{digest[:12] if is_digest(digest) else shown(digest)}: {why}" for digest, why in done.damaged.items()]
        parts.append(f"has Results that cannot be taken: {_some(named)}")
    return ", and ".join(parts)


def _some(words: list[str]) -> str:
    """How many, and some of them."""
    more = ", …" if len(words) > MOST_NAMED else ""
    return f"{len(words)} ({', '.join(words[:MOST_NAMED])}{more})"


if __name__ == "__main__":
    sys.exit(main())
