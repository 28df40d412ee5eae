"""A store in which the papers' printed numbers stand as if they were ours: three equal seeds a cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.data.registry import DataSet
from benchmark.grid.cells import Selection
from benchmark.grid.plan import plan
from benchmark.judging.printed import printed_numbers
from benchmark.store.result import Result
from benchmark.store.store import Store

SEEDS = (0, 1, 2)


def checksum(dataset: DataSet) -> str:
    """Of files that the registry does not know any will do."""
    return dataset.sha256 or "0" * 64


@pytest.fixture(scope="session")
def as_ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, Path]:
    """Every printed number of every recipe's main columns, as done Results."""
    known = catalogue()
    folder = tmp_path_factory.mktemp("as_ours")
    store = Store(folder)
    store.prepare()
    for paper in known.papers.values():
        if paper.printed is None:
            continue
        numbers = printed_numbers(paper.printed)
        for planned in plan(known, Selection(papers=(paper.name,), seeds=SEEDS), checksum):
            cell = planned.cell
            name = paper.columns[cell.model].printed_as or cell.model
            found = {m: numbers.get((cell.dataset, str(cell.horizon), name, m)) for m in ("mse", "mae")}
            if planned.digest is None or found["mse"] is None:
                continue
            mse = found["mse"].value
            mae = found["mae"].value if found["mae"] else mse
            metrics = {"test_mse": mse, "test_mae": mae, "val_mse": mse, "val_mae": mae}
            store.write(Result(cell.key, planned.digest, "done", dict(vars(cell)), metrics=metrics,
                               data_sha256=checksum(known.datasets[cell.dataset])))  # fmt: skip
    return known, folder
