"""``python tools/same_code.py OLD``: after a refactoring, finds out whether the code gives the same numbers, and notes it.

OLD is a commit, or the folder of a checkout. Both codes train the cells of tools/same_code.yaml: every model on a synthetic
set and on a file of each kind, some with SAM. A model whose Results are equal to the bit (metrics that decide nothing: to
twelve digits) goes into benchmark/grid/same_code.json, with the identities of its old and of its new code: from then on a
Result of the old code is not told to be of other code. Of a model whose numbers differ nothing is noted. Exit status 0
where all are equal; 1 where some are not; 2 where a code does not run.

What is the same as the same is the same: after a change, one run with the commit before it as OLD is enough for all earlier
codes that were noted until then.

Run it on the tree as it will be committed, and commit the file with the refactoring.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmark.errors import counted  # noqa: E402
from benchmark.grid.code import SAME, identity  # noqa: E402
from benchmark.store.result import Result  # noqa: E402
from benchmark.store.store import Store  # noqa: E402

CELLS = Path(__file__).with_name("same_code.yaml")
ROWS, CHANNELS = 600, 3
LEFT_OUT, ROUNDING = ("digest", "semantics", "extra_metrics"), 1e-12
DATA = """
datasets:
  waves: {file: waves.csv, papers: [same], horizons: [4]}
  plain: {file: plain.txt, reader: solar, papers: [same], horizons: [4]}
  sensors: {file: sensors.npz, reader: pems, split: pems, papers: [same], horizons: [4]}
"""
Results = Mapping[str, Result]
"""By the key of the cell."""


class CannotRun(Exception):
    """A code does not train the cells; the message says what it said."""


def checked_out(old: str, folder: Path) -> Path:
    """A commit's files in a folder; a folder that is a checkout stands as it is. Raises CannotRun for what is neither."""
    if (Path(old) / "run_all.py").is_file():
        return Path(old).resolve()
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", old], capture_output=True)
    if packed.returncode:
        raise CannotRun(f"'{old}' is neither a commit nor the folder of a checkout")
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


def written_data(folder: Path) -> Path:
    """Files of each kind that is read, the same everywhere: waves of some lengths. Returns the YAML that names them."""
    steps = np.arange(ROWS)
    values = np.stack([np.sin(steps / (3 + channel)) + steps % (5 + channel) / 4 for channel in range(CHANNELS)], 1)
    lines = [",".join(f"{value:.4f}" for value in row) for row in values]
    dates = [f"2024-01-{step // 24 + 1:02} {step % 24:02}:00:00" for step in steps]
    head = "date," + ",".join(f"c{channel}" for channel in range(CHANNELS))
    dated = [f"{date},{line}" for date, line in zip(dates, lines, strict=True)]
    (folder / "waves.csv").write_text("\n".join([head, *dated]) + "\n")
    (folder / "plain.txt").write_text("\n".join(lines) + "\n")
    np.savez(folder / "sensors.npz", data=np.round(values, 4)[:, :, None])
    path = folder / "data.yaml"
    path.write_text(DATA)
    return path


def trained(checkout: Path, configs: Sequence[Path], results: Path) -> Results:
    """The Results of a checkout's code. Raises CannotRun."""
    asked = ["--papers", "same", "--models", "all", "--results-dir", str(results), "--no-mlflow",
             "--offline", "--device", "cpu", "--jobs", "1"]  # fmt: skip
    asked += [word for config in configs for word in ("--config", str(config))]
    env = os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "run_all.py", *asked], cwd=checkout, capture_output=True, text=True, env=env)
    found = {result.key: result for result in Store(results).results()}
    if done.returncode or not found or any(result.status != "done" for result in found.values()):
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise CannotRun(f"the code in {checkout} does not train the cells of {CELLS.name}: {said[-1] if said else '?'}")
    return found


def same(one: Result, other: Result) -> bool:
    """Whether two Results found the same: numbers to the bit, but for those that decide nothing (`extra_metrics`), which
    may differ by what a sum in another order leaves."""
    plain = [{n: value for n, value in each.comparable().items() if n not in LEFT_OUT} for each in (one, other)]
    extra, others = one.extra_metrics, other.extra_metrics
    return (
        json.dumps(plain[0], sort_keys=True) == json.dumps(plain[1], sort_keys=True)
        and extra.keys() == others.keys()
        and all(_close(value, others[name]) for name, value in extra.items())
    )


def _close(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isclose(one, other, rel_tol=ROUNDING))


def compared(old: Results, new: Results) -> tuple[list[tuple[str, str]], list[str]]:
    """The pairs of identities to note, and a line for each model of which none can be."""
    cells: dict[str, list[str]] = defaultdict(list)
    for key in sorted(old.keys() | new.keys()):
        cells[str((new.get(key) or old[key]).recipe["model"])].append(key)
    pairs, lines = [], []
    for model, keys in sorted(cells.items()):
        other = [key for key in keys if key not in old or key not in new or not same(old[key], new[key])]
        if other:
            lines.append(f"{model}: other numbers, as in {other[0]}; Results of the old code stay marked")
        elif not old[keys[0]].code:
            lines.append(f"{model}: the old code does not say what its Results are made by; they are marked nowhere")
        elif old[keys[0]].code != new[keys[0]].code:
            pairs.append((identity(old[keys[0]].code), identity(new[keys[0]].code)))
    return pairs, lines


def note(pairs: Sequence[tuple[str, str]], path: Path = SAME) -> int:
    """Adds pairs to the file; returns how many were not in it."""
    there = [tuple(pair) for pair in json.loads(path.read_text("utf-8"))]
    new = [pair for pair in dict.fromkeys(pairs) if pair not in there]
    lines = ",\n".join(json.dumps(pair) for pair in [*there, *new])
    path.write_text(f"[\n{lines}\n]\n" if lines else "[]\n", "utf-8")
    return len(new)


def main(arguments: list[str] | None = None) -> int:
    """Trains with both codes, compares, notes; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python tools/same_code.py", description=__doc__.partition("\n")[0])
    parser.add_argument("old", metavar="OLD", help="a commit, or the folder of a checkout")
    old = parser.parse_args(arguments).old
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs = [CELLS, written_data(folder)]
        try:
            before = trained(checked_out(old, folder / "old"), configs, folder / "before")
            after = trained(ROOT, configs, folder / "after")
        except CannotRun as error:
            print(f"same_code.py: {error}", file=sys.stderr)
            return 2
    pairs, lines = compared(before, after)
    for line in lines:
        print(line)
    same = f"{counted(note(pairs), 'model')} noted as the same in {SAME.relative_to(ROOT)}"
    print(f"{counted(len(after), 'cell')} trained with both codes; {same}")
    return 1 if any("other numbers" in line for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
