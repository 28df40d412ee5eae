"""From a plan's cells to jobs: what each is trained on, with which code, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark import machine
from benchmark.cell import Experiment
from benchmark.data.cache import folder_for
from benchmark.data.files import locate
from benchmark.data.registry import DataSet
from benchmark.grid import again, code
from benchmark.grid.asked import Request
from benchmark.grid.cells import Planned
from benchmark.runner.job import Job


def jobs(
    together: Sequence[Sequence[Planned]], request: Request, device: str, stacked: bool,
    datasets: Mapping[str, DataSet], checksums: Mapping[str, str], folder: Path,
) -> list[Job]:  # fmt: skip
    """A job for each of the cells that are trained as one program. stacked: by the program of several, as `Job` has it.
    checksums: of the data sets' files, by name. folder: the data folder."""
    cache_dir, commit, runs_again = folder_for(folder).resolve(), machine.git_commit(), again.Again.of(request)

    def experiment(planned: Planned) -> Experiment:
        assert planned.digest is not None and planned.recipe is not None
        dataset = datasets[planned.cell.dataset]
        return Experiment(
            planned.cell, planned.digest, planned.recipe, dataset, locate(dataset, folder), checksums[dataset.name],
            cache_dir, device, commit, code.code_of(planned.recipe),
        )  # fmt: skip

    return [
        Job(first, request.results_dir.resolve(), runs_again.replaces, runs_again.other_code, machine.own_process(),
            timeout=request.timeout, companions=tuple(others), stacked=stacked and first.recipe.training is not None,
            keep=again.keeps(first.recipe, runs_again.keep))
        for first, *others in (map(experiment, cells) for cells in together)
    ]  # fmt: skip
