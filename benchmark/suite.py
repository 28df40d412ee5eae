"""The suite from Python: choose cells as on the command line; the plan, the run and the rows are DataFrames."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark.errors import UsageError, nearest
from benchmark.grid.asked import Request
from benchmark.grid.cells import as_json
from benchmark.grid.plan import own_protocol
from benchmark.session import Session

if TYPE_CHECKING:
    import pandas as pd

Names = str | Sequence[str] | None
"""One name or several; a text may have commas, as on the command line."""
CHOICES = {"sam": ("on", "off", "both", None), "profile": ("paper", "quick"), "device": ("auto", "cpu", "cuda")}


class Suite:
    """Cells of the suite, chosen by the options of ``run_all.py``, which have the same names and defaults.

    papers, subset (data sets), models, keep: names. horizons: steps. seeds: n for seeds 0 … n−1, a list of them, or
    ``"auto"``. config: YAML files of your own. jobs: cells at once, None for one a core. timeout: seconds of a cell. Raises
    UsageError, one sentence, for what cannot be asked; a name that there is not is found by `plan`, `run` and `rows`.

    >>> from benchmark import Suite
    >>> suite = Suite(papers="toy", models="SAMformer", seeds=1, profile="quick", jobs=1, no_mlflow=True)
    >>> suite.plan()[["key", "status"]]
                                key  status
    0  toy/quick/toy/24/SAMformer/sam/s0  to run
    >>> frame = suite.run()                                         # doctest: +ELLIPSIS
    to train, ...
    cells=1 done=1 refused=0 failed=0
    >>> list(frame.status)
    ['done']
    >>> suite.rows()[["dataset", "horizon", "model", "metric", "n"]]
      dataset  horizon      model metric  n
    0     toy       24  SAMformer    mse  1
    1     toy       24  SAMformer    mae  1
    """

    def __init__(
        self, *, papers: Names = None, subset: Names = None, models: Names = None,
        horizons: int | Sequence[int] | None = None, seeds: int | Sequence[int] | Literal["auto"] | None = None,
        sam: Literal["on", "off", "both"] | None = None, protocol: str = "paper",
        profile: Literal["paper", "quick"] = "paper", config: str | Path | Sequence[str | Path] = (),
        jobs: int | None = None, replicas: int | None = None, device: Literal["auto", "cpu", "cuda"] = "auto",
        timeout: float | None = None, retry: Literal["failed", "stale"] | None = None, force: bool = False,
        keep: Names = None, offline: bool = False, no_mlflow: bool = False, no_figures: bool = False,
        verbose: bool = False, data_dir: str | Path | None = None, results_dir: str | Path = "results",
    ) -> None:  # fmt: skip
        for option, value in (("sam", sam), ("profile", profile), ("device", device)):
            if value not in CHOICES[option]:
                raise UsageError(f"{option}: unknown '{value}'{nearest(str(value), filter(None, CHOICES[option]))}")
        files = [config] if isinstance(config, str | Path) else config
        self.request = Request(
            subset=_names(subset), papers=_names(papers), models=_names(models), horizons=_whole("horizons", horizons, 1),
            seeds=_seeds(seeds), sam=sam, protocol=protocol, profile=profile, config=[Path(file) for file in files],
            jobs=jobs, replicas=replicas, device=device, backend="local", scheduler=None, shard=None, timeout=timeout,
            retry=retry, force=force, keep=_names(keep), offline=offline, no_mlflow=no_mlflow, no_figures=no_figures,
            verbose=verbose, dry_run=False, json=False, data_dir=None if data_dir is None else str(data_dir),
            results_dir=Path(results_dir),
        )  # fmt: skip
        self.request.check()

    def plan(self) -> pd.DataFrame:
        """A line a cell: its key, digest, status (as ``--dry-run`` says it), reason, and the fields of the key."""
        return _planned(self.request)

    def run(self) -> pd.DataFrame:
        """Trains what is left as ``run_all.py`` does, writes tables and page; returns the plan as it stands then, which
        says what failed, if something did. Ctrl-C ends it with what has ended kept."""
        from tables.handover import check_claims, judge, picture, render

        session = Session(self.request, picture)
        check_claims(session.catalogue)
        session.go(render, judge)
        return _planned(replace(self.request, force=False, retry=None))

    def rows(self) -> pd.DataFrame:
        """A line for each cell (over its seeds) and metric: ours, the printed number, the verdict, in the columns of the
        long CSV (docs/interfaces.md). Cells without a Result are lines with holes."""
        import pandas as pd

        from tables.documents.longcsv import CSV_COLUMNS, as_fields
        from tables.render import read
        from tables.rows import build

        session = Session(self.request)
        asked = {(p.cell.paper, p.cell.dataset, p.cell.horizon, p.cell.model, p.cell.sam) for p in session.plan()}
        found, evidence = read(session.catalogue, self.request.results_dir)
        lines: list[dict[str, object]] = []
        for name in dict.fromkeys(paper for paper, *_ in asked):
            paper, profile = session.catalogue.papers[name], self.request.profile
            protocol = own_protocol(paper, self.request.protocol)
            rows = evidence.rows_of[name].get((protocol, profile))
            if rows is None:  # there is no Result of it yet
                rows = build.rows(session.catalogue, paper, found, protocol, profile)
            of = {"protocol": protocol, "profile": profile}
            for row in rows:
                if (name, row.key.dataset, row.key.horizon, row.key.model, row.key.sam) in asked:
                    lines.append(as_fields(row) | of | {"horizon": row.key.horizon})
        return pd.DataFrame(lines, columns=[*CSV_COLUMNS])


def _planned(request: Request) -> pd.DataFrame:
    import pandas as pd

    session = Session(request)
    cells = session.plan()
    for said in (*session.catalogue.notes, *session.idle):
        print(said, file=sys.stderr)
    status = session.again.statuses(cells, session.store)
    return pd.DataFrame([as_json(planned, each) for planned, each in zip(cells, status, strict=True)])


def _names(given: Names) -> tuple[str, ...] | None:
    from benchmark.console import names

    if given is None:
        return None
    return names(given) if isinstance(given, str) else tuple(map(str, given))


def _whole(option: str, given: int | Sequence[int] | None, least: int) -> tuple[int, ...] | None:
    """Whole numbers; one alone is a list of it. Raises UsageError for what is none."""
    if given is None:
        return None
    found = [given] if isinstance(given, int) else list(given)
    if not found or any(isinstance(each, bool) or not isinstance(each, int) or each < least for each in found):
        raise UsageError(f"{option}: expected whole numbers from {least}, found {given!r}")
    return tuple(found)


def _seeds(given: int | Sequence[int] | Literal["auto"] | None) -> tuple[int, ...] | str | None:
    if given == "auto" or given is None:
        return given
    if isinstance(given, str):
        raise UsageError(f"seeds: expected a number, a list of numbers or 'auto', found '{given}'")
    if isinstance(given, int):
        (count,) = _whole("seeds", given, 1) or (0,)
        return tuple(range(count))
    return _whole("seeds", given, 0)
