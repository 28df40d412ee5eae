"""Fixtures: a made-up paper with names that every format has to escape, a store of its Results, and single rows.

No conftest.py, since the tests' own is imported by that name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Paper
from benchmark.config.reader import parse_paper
from benchmark.config.yamlfile import load
from benchmark.data.files import synthetic_sha256
from benchmark.data.registry import DATASETS, DataSet
from benchmark.grid.cells import Selection
from benchmark.grid.plan import plan
from benchmark.judging import printed
from benchmark.judging.compare import Ours
from benchmark.judging.printed import PrintedNumber
from benchmark.store.result import Result, Status
from benchmark.store.store import Store
from tables.claims import reader as claims_reader
from tables.rows.judge import judge
from tables.rows.row import Key, Row

EVIL = "a_b & 50%#<1"

PAPER = """
paper: made
title: "Made up: 50 % of A_B & C < D #1"
printed: {file: made.csv, tables: [Table 1], metrics: [mse]}
datasets: [toy, 'a_b & 50%#<1']
horizons: {value: [4, 8], source: test, status: verified}
seeds: {value: 3, source: test, status: verified}
recipe:
  lookback: {value: 16, source: test, status: verified}
  batch_size: {value: 64, source: test, status: verified}
  accumulation: {value: 1, source: test, status: verified}
  epochs: {value: 2, source: test, status: verified}
  patience: {value: null, source: test, status: verified}
  optimizer: {value: adam, source: test, status: verified}
  learning_rate: {value: 1e-3, source: test, status: verified}
  betas: {value: [0.9, 0.999], source: test, status: verified}
  eps: {value: 1e-8, source: test, status: verified}
  weight_decay: {value: 0.0, source: test, status: verified}
  schedule: {value: constant, source: test, status: verified}
  minimum_learning_rate: {value: 0.0, source: test, status: verified}
  restart_period: {value: 1, source: test, status: verified}
  clip_norm: {value: null, source: test, status: verified}
  rho: {value: 0.5, source: test, status: verified}
  selection: {value: best_validation, source: test, status: verified}
  evaluation_batch: {value: null, source: test, status: verified}
  precision: {value: float32, source: test, status: verified}
columns:
  With_SAM:
    model: samformer
    main: true
    sam: true
    arguments:
      width: {value: 4, source: test, status: verified}
      variant: {value: tensorflow, source: test, status: verified}
      revin: {value: true, source: test, status: verified}
  Plain:
    like: With_SAM
    main: true
    sam: false
    arguments:
      revin: {value: true, source: "not settled", status: unverified}
  Wider:
    like: With_SAM
    arguments:
      width: {value: 8, source: test, status: ours}
switches:
  more_epochs:
    what: "seven epochs, not two"
    source: "code, run.py"
    status: verified
    set: {epochs: 7}
  other_rho:
    what: "rho is 0.7"
    source: "code, run.sh"
    status: unverified
    when: {sam: true}
    set: {rho: 0.7}
released: [more_epochs, other_rho]
"""

PRINTED = """paper,table,dataset,lookback,horizon,model,metric,value,std,status,provenance
made,Table 1,toy,16,4,With_SAM,mse,0.38,,verified,paper
made,Table 1,toy,16,8,With_SAM,mse,0.4,,sum-checked,paper
made,Table 1,toy,16,4,Plain,mse,0.5,,unverified,paper
made,Table 1,toy,96,8,Plain,mse,0.6,,verified,paper
made,Table 1,"a_b & 50%#<1",16,4,With_SAM,mse,0.1,,verified,paper
made,Table 1,"a_b & 50%#<1",16,4,Plain,mse,0.2,,verified,"paper, quoted from another"
"""

CLAIM = """
claims:
  with-over-without:
    {paper: made, says: "With_SAM is 20 % better than Plain", kind: improvement, of: With_SAM, over: Plain, value: 20,
     average: mean per cell, whose: paper, version: "v1", place: "Table 1", status: verified}
"""


@dataclass
class Made:
    """A catalogue of one made-up paper, and a store to which Results are added with the digests that the grid gives."""

    catalogue: Catalogue
    results: Path

    @property
    def paper(self) -> Paper:
        return self.catalogue.papers["made"]

    def add(self, dataset: str, horizon: int, model: str, *mses: float | None, protocol: str = "paper",
            sam: str | None = None, profile: str = "paper", seeds: tuple[int, ...] = (0, 1, 2),
            status: Status = "done") -> None:  # fmt: skip
        """One Result a number, of consecutive seeds; the MAE is the MSE + 0.1, as far as there is one."""
        for seed, mse in zip(seeds, mses, strict=False):
            selection = Selection(subset=(dataset,), papers=("made",), models=(model,), horizons=(horizon,), seeds=(seed,),
                                  sam=sam, protocol=protocol, profile=profile)  # fmt: skip
            (planned,) = plan(self.catalogue, selection, synthetic_sha256)
            assert planned.digest is not None
            cell = dict(vars(planned.cell))
            metrics = {} if mse is None else {"test_mse": mse, "test_mae": mse + 0.1, "val_mse": mse, "val_mae": mse}
            sha256 = synthetic_sha256(self.catalogue.datasets[dataset])
            Store(self.results).write(
                Result(planned.cell.key, planned.digest, status, cell, metrics=metrics, data_sha256=sha256)
            )

    def fill(self) -> None:
        """Results with what a table can meet: ties, holes, one seed, a NaN, a variant, switches, a failure."""
        self.add("toy", 4, "With_SAM", 0.380, 0.381, 0.379)
        self.add("toy", 8, "With_SAM", 0.41, 0.42)
        self.add("toy", 4, "Plain", 0.45, 0.45, 0.45)
        self.add("toy", 8, "Plain", 0.41505, 0.41495, 0.415)
        self.add("toy", 4, "Wider", 0.37)
        self.add(EVIL, 4, "With_SAM", 0.1001)
        self.add(EVIL, 4, "Plain", float("nan"))
        self.add(EVIL, 8, "Plain", None, status="diverged")
        self.add("toy", 4, "With_SAM", 0.39, 0.40, 0.41, protocol="paper+other_rho")
        self.add("toy", 8, "With_SAM", 0.4, 0.4, 0.4, protocol="paper+other_rho")
        self.add("toy", 4, "With_SAM", 0.385, protocol="released")
        self.add("toy", 4, "Plain", 0.52, 0.5, 0.51, protocol="released")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """The made-up paper with its printed numbers and an empty store."""
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "made.csv").write_text(PRINTED)
    (tmp_path / "made.yaml").write_text(PAPER)
    (tmp_path / "claims.yaml").write_text(CLAIM)
    monkeypatch.setattr(printed, "CONFIG_DIR", tmp_path)
    monkeypatch.setattr(claims_reader, "CLAIMS", tmp_path / "claims.yaml")
    toy = DATASETS["toy"]
    datasets = {d.name: d for d in (toy, DataSet(EVIL, None, "linear_pairs", 3, 0, "–", "pairs", options=toy.options))}
    paper = parse_paper(load(tmp_path / "made.yaml"), tuple(datasets))
    Store(tmp_path / "results").prepare()
    return Made(Catalogue({"made": paper}, datasets, {}), tmp_path / "results")


MakeRow = Callable[..., Row]


def changed(row: Row, **fields: Any) -> Row:
    """The row with other values of its own fields, or of its key, ours, comparison or choice."""
    for part in ("key", "ours", "comparison", "choice"):
        of_part = {name: fields.pop(name) for name in vars(getattr(row, part)) if name in fields}
        row = replace(row, **{part: replace(getattr(row, part), **of_part)})
    return replace(row, **fields)


@pytest.fixture
def row() -> MakeRow:
    """One row from its means: what is not said is as in a verified recipe with a verified printed number."""

    def make(dataset: str = "toy", horizon: int = 4, model: str = "With_SAM", *, mean: float | None = 0.4,
             std: float | None = 0.001, n: int = 3, published: float | None = None, published_status: str = "verified",
             sam: bool = True, metric: str = "mse", lookback: int = 16, recipe_status: str = "verified",
             **more: Any) -> Row:  # fmt: skip
        n = n if mean is not None else 0
        std = std if n > 1 else None
        key = Key(paper="made", dataset=dataset, lookback=lookback, horizon=horizon, model=model, sam=sam, metric=metric)
        number = None if published is None else PrintedNumber(published, None, str(lookback), published_status, "made up")
        ours = Ours(mean=mean, std=std, n=n, seeds=tuple(range(n)))
        made = Row(key=key, ours=ours, printed=number, recipe_status=recipe_status, missing=3 - n)
        return changed(judge([made], "paper")[0], **more)

    return make
