"""``python tools/stranger.py [KEY]``: is the published run what this code gives? One of its cells is trained anew.

Without KEY it is the published cell that took least time, of those with several published seeds: any machine can check one
of these. On a processor and torch as the published Result names them, it has to be equal to the bit; elsewhere its test MSE
has to lie within three standard deviations of its published seeds. It says which of the two it checked. Status: 0 it is so,
1 it is not, 2 it could not be checked.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmark.console import Parser, command  # noqa: E402
from benchmark.errors import UsageError, nearest  # noqa: E402
from benchmark.store.result import Result  # noqa: E402
from benchmark.store.store import Store  # noqa: E402
from tables.published import take_in  # noqa: E402

WITHIN = 3
"""Standard deviations of the published seeds."""
SAME = ("processor", "torch", "device")
"""What of a Result's environment has to be the same for equal bits."""


def published(folder: Path) -> list[Result]:
    """The done Results of the exports in a folder. Raises UsageError where there is none."""
    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place))
        take_in(folder, store)
        found = [result for result in store.results() if result.status == "done"]
    if not found:
        raise UsageError(f"--from: no exported Results in {folder}")
    return found


def seeds_of(cell: Result, found: Iterable[Result]) -> list[Result]:
    """All published seeds of a cell."""
    return [result for result in found if _without_seed(result) == _without_seed(cell)]


def quickest(found: Sequence[Result]) -> Result:
    """The Result that took least time, of those that any machine can check; of all where no cell has a second seed."""
    counts = Counter(map(_without_seed, found))
    several = [result for result in found if counts[_without_seed(result)] > 1]
    return min(several or found, key=lambda result: result.seconds or 0)


def _without_seed(result: Result) -> tuple[object, ...]:
    return tuple(value for name, value in sorted(result.cell.items()) if name != "seed")


def train(result: Result, folder: Path, more: list[str]) -> Result:
    """The same cell by today's code. Raises UsageError where it did not come to its end."""
    cell = result.cell
    asked = {
        "--papers": cell["paper"], "--subset": cell["dataset"], "--models": cell["model"], "--horizons": cell["horizon"],
        "--seeds": f"{cell['seed']},", "--sam": "on" if cell["sam"] else "off", "--protocol": cell["protocol"],
        "--profile": cell["profile"], "--jobs": 1, "--device": "cpu", "--results-dir": folder,
    }  # fmt: skip
    words = [str(word) for pair in asked.items() for word in pair]
    subprocess.run([sys.executable, str(ROOT / "run_all.py"), "--no-mlflow", *words, *more], check=False)
    new = next((each for each in Store(folder).results() if each.key == result.key and each.status == "done"), None)
    if new is None:
        raise UsageError(f"{result.key} was not trained to its end; what run_all.py said stands above")
    return new


def verdict(old: Result, new: Result, seeds: list[float]) -> tuple[bool, str]:
    """Whether the new Result is what was published, and in words how that was judged. seeds: the published test MSEs."""
    mine, theirs = (result.metrics["test_mse"] for result in (new, old))
    here, there = ({name: result.environment.get(name) for name in SAME} for result in (new, old))
    assert mine is not None and theirs is not None
    if here == there:
        fine = new.metrics == old.metrics
        equal = "equal" if fine else "NOT equal"
        return fine, f"{old.key}: test MSE {mine!r}, published {theirs!r}: {equal} to the bit, as it has to be on {there}"
    if len(seeds) < 2:
        raise UsageError(
            f"{old.key}: this is {here} and not {there}, so that bits may differ, and no second seed is published to judge "
            "by; give a cell with several seeds, or no KEY"
        )
    spread, mean = statistics.stdev(seeds), statistics.fmean(seeds)
    fine = abs(mine - mean) <= WITHIN * spread
    where = "within" if fine else "NOT within"
    return fine, (
        f"{old.key}: test MSE {mine:.4f}, {where} {WITHIN} standard deviations of {len(seeds)} published seeds "
        f"({mean:.4f} ± {spread:.4f}); bits were not compared, since this is {here} and not {there}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Checks one cell; returns the exit status."""
    parser = Parser(prog="python tools/stranger.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("key", nargs="?", metavar="KEY", help="default: the quickest with several published seeds")
    parser.add_argument("--from", dest="folder", type=Path, default=ROOT / "docs" / "measured", metavar="FOLDER")
    parser.add_argument("--data-dir", metavar="DIR", help="as of run_all.py")
    with command("python tools/stranger.py") as ended:
        ended.status = _check(parser.parse_args(arguments))
    return ended.status


def _check(options: argparse.Namespace) -> int:
    found = {result.key: result for result in published(options.folder)}
    if options.key and options.key not in found:
        raise UsageError(f"'{options.key}' is not in {options.folder}{nearest(options.key, sorted(found))}")
    old = found[options.key] if options.key else quickest(list(found.values()))
    siblings = seeds_of(old, found.values())
    more = ["--data-dir", options.data_dir] if options.data_dir else []
    with tempfile.TemporaryDirectory() as place:
        new = train(old, Path(place), more)
    fine, said = verdict(old, new, [mse for r in siblings if (mse := r.metrics["test_mse"]) is not None])
    print(said)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
