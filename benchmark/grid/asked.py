"""What one invocation is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.console import AUTO
from benchmark.errors import UsageError


@dataclass(frozen=True)
class Request:
    """What the command line asks for; one field an option, named as it is. None: not given.

    subset, papers, models, horizons, seeds (`auto` too), sam, protocol, profile: what of the grid. config: files of the
    user's. jobs: None for `auto`; replicas: cells of one program, likewise. device, backend, scheduler: where it is
    trained. shard: (I, N). timeout: seconds of one cell. retry, force: which Results are made anew. offline: download
    nothing. no_mlflow: log nothing there. dry_run, json: the plan alone. data_dir, results_dir: folders.
    """

    subset: tuple[str, ...] | None
    papers: tuple[str, ...] | None
    models: tuple[str, ...] | None
    horizons: tuple[int, ...] | None
    seeds: tuple[int, ...] | str | None
    sam: str | None
    protocol: str
    profile: str
    config: list[Path]
    jobs: int | None
    replicas: int | None
    device: str
    backend: str
    scheduler: str | None
    shard: tuple[int, int] | None
    timeout: float | None
    retry: str | None
    force: bool
    offline: bool
    no_mlflow: bool
    dry_run: bool
    json: bool
    data_dir: str | None
    results_dir: Path

    @property
    def auto_seeds(self) -> bool:
        """Whether each column gets as many seeds as its spread asks for."""
        return self.seeds == AUTO

    @property
    def own_seeds(self) -> tuple[int, ...] | None:
        """The seeds that are asked for one by one; None: the recipe's, or `auto`."""
        return self.seeds if isinstance(self.seeds, tuple) else None

    def check(self) -> None:
        """Raises UsageError for options that do not go together."""
        if self.backend == "dask" and self.scheduler is None:
            raise UsageError("--backend dask needs the address of a running scheduler: --scheduler tcp://host:8786")
        if self.backend != "dask" and self.scheduler is not None:
            raise UsageError("--scheduler is for --backend dask, which was not given")
        if self.backend == "dask" and (self.replicas or 1) > 1:
            raise UsageError(
                f"--replicas {self.replicas} is for --backend local; on Dask workers each cell is trained alone"
            )
        if self.force and self.retry:
            raise UsageError("--force runs every cell again, --retry only some: give one of them")
        if self.auto_seeds and self.shard:
            raise UsageError("--seeds auto looks at whole columns, --shard trains parts of them: give one of them")
