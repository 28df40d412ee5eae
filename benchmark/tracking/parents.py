"""What the run of an invocation says: the command line, and what came of its cells in sums."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import counted
from benchmark.store.judged import JudgedCell
from benchmark.store.result import Result
from benchmark.tracking import runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

KIND = "invocation"
COMMAND = "command"
MOST_COMMAND = 5000
"""Characters; MLflow's own limit of a tag."""


def command_line() -> str:
    """What run_all.py was called with; nothing where another program does what it does."""
    program, *words = sys.argv
    return shlex.join(["python", "run_all.py", *words])[:MOST_COMMAND] if Path(program).name == "run_all.py" else ""


def start_parent(client: MlflowClient, experiment: str, started: str, tags: Mapping[str, str]) -> str:
    """A run that stands for an invocation; returns its id. `started`: ISO time."""
    said = {"kind": KIND, "mlflow.source.name": "run_all.py", "mlflow.source.type": "LOCAL"} | dict(tags)
    name = started[:16].replace("T", " ")  # all that the column of names has room for
    return str(client.create_run(experiment, runs.milliseconds(started), said, name).info.run_id)


def verdicts(cells: Sequence[JudgedCell]) -> dict[str, int]:
    """How many cells have each verdict, most first; every width of `within X %` is one."""
    words = Counter("within" if cell.verdict.startswith("within") else cell.verdict for cell in cells if cell.verdict)
    return dict(sorted(words.items(), key=lambda found: (-found[1], found[0])))


def sum_up(client: MlflowClient, run_id: str, results: Sequence[Result], judged: Mapping[str, JudgedCell]) -> None:
    """Says of an invocation's run what came of its cells, by those that have a Result. `judged`: by digest."""
    from mlflow.entities import Metric, RunTag

    cells = list({id(cell): cell for result in results if (cell := judged.get(result.digest)) is not None}.values())
    counts = verdicts(cells)
    ended = max((runs.milliseconds(result.ended) or 0 for result in results), default=0)
    sums = {f"verdicts_{word.replace(' ', '_')}": float(count) for word, count in counts.items()}
    sums |= {f"cells_{status}": float(count) for status, count in Counter(result.status for result in results).items()}
    sums["seconds"] = sum(result.seconds or 0.0 for result in results)
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    tags = {"verdict": said, "mlflow.note.content": _note(client.get_run(run_id).data.tags, results, said, sums["seconds"])}
    client.log_batch(run_id, metrics=[Metric(name, value, ended, 0) for name, value in sums.items()],
                     tags=[RunTag(name, value) for name, value in tags.items()])  # fmt: skip


def _note(tags: Mapping[str, str], results: Sequence[Result], said: str, seconds: float) -> str:
    """The description at the run's head, in Markdown."""
    states = Counter(result.status for result in results)
    ended = ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
    hours = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
    lines = [f"```\n{tags[COMMAND]}\n```"] if tags.get(COMMAND) else []
    lines.append(f"{counted(len(results), 'training')} ({ended or 'none has ended'}), {hours} of training in all.")
    if said:
        lines.append(f"Verdicts of their cells, over all seeds: {said}.")
    return "\n\n".join([*lines, "The tables are among the artifacts."])
