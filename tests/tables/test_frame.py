from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.data.files import own_files
from benchmark.grid.cells import Cell, Planned
from benchmark.store.result import Result
from benchmark.store.store import Store
from tables.documents.longcsv import CSV_COLUMNS, long_csv
from tables.render import render
from tables.rows.build import _choose, _row, choose_lookback, lookback_notes, rows
from tables.rows.judge import judge
from tables.rows.results import Index, index
from tables.rows.row import Row

pytest_plugins = ("tests.tables.made_up",)

CSV = """\
paper,protocol,profile,dataset,lookback,horizon,model,sam,metric,mean,std,n,ddof,seeds,published,published_status,published_lookback,deviation_pct,verdict,recipe_status,missing,published_seeds,spread_pct,spread_degrees,tolerance_pct,margin_pct,seeds_needed
made,paper,paper,toy,16,4,With_SAM,on,mse,0.380000,0.001000,3,1,0 1 2,0.380000,verified,16,0.000000,reproduced,verified,0,,0.263158,2.000000,2.000000,0.500000,
made,paper,paper,toy,16,4,With_SAM,on,mae,0.480000,0.001000,3,1,0 1 2,,,,,,verified,0,,,,,,
made,paper,paper,toy,16,4,Plain,off,mse,0.450000,0.000000,3,1,0 1 2,0.500000,unverified,16,-10.000000,better,unverified,0,,0.000000,2.000000,2.000000,10.000000,
made,paper,paper,toy,16,4,Plain,off,mae,0.550000,0.000000,3,1,0 1 2,,,,,,unverified,0,,,,,,
made,paper,paper,toy,16,4,Wider,on,mse,0.370000,,1,1,0,,,,,,ours,2,,,,,,
made,paper,paper,toy,16,4,Wider,on,mae,0.470000,,1,1,0,,,,,,ours,2,,,,,,
made,paper,paper,toy,16,8,With_SAM,on,mse,0.415000,0.007071,2,1,0 1,0.400000,sum-checked,16,3.750000,too few seeds,verified,1,,,,,,none
made,paper,paper,toy,16,8,With_SAM,on,mae,0.515000,0.007071,2,1,0 1,,,,,,verified,1,,,,,,
made,paper,paper,toy,16,8,Plain,off,mse,0.415000,0.000050,3,1,0 1 2,0.600000,verified,96,-30.833333,not comparable,unverified,0,,,,,,
made,paper,paper,toy,16,8,Plain,off,mae,0.515000,0.000050,3,1,0 1 2,,,,,,unverified,0,,,,,,
made,paper,paper,a_b & 50%#<1,16,4,With_SAM,on,mse,0.100100,,1,1,0,0.100000,verified,16,0.100000,too few seeds,verified,2,,,,,,3
made,paper,paper,a_b & 50%#<1,16,4,With_SAM,on,mae,0.200100,,1,1,0,,,,,,verified,2,,,,,,
made,paper,paper,a_b & 50%#<1,16,4,Plain,off,mse,,,0,1,,0.200000,verified,16,,missing,unverified,3,,,,,,
made,paper,paper,a_b & 50%#<1,16,4,Plain,off,mae,,,0,1,,,,,,,unverified,3,,,,,,
made,paper,paper,a_b & 50%#<1,16,8,With_SAM,on,mse,,,0,1,,,,,,,verified,3,,,,,,
made,paper,paper,a_b & 50%#<1,16,8,With_SAM,on,mae,,,0,1,,,,,,,verified,3,,,,,,
made,paper,paper,a_b & 50%#<1,16,8,Plain,off,mse,,,0,1,,,,,,,unverified,3,,,,,,
made,paper,paper,a_b & 50%#<1,16,8,Plain,off,mae,,,0,1,,,,,,,unverified,3,,,,,,
"""  # noqa: E501


def frame(made: Any, protocol: str = "paper", profile: str = "paper") -> list[Row]:
    return rows(made.catalogue, made.paper, index(Store(made.results)), protocol, profile)


def test_whole_csv(made: Any) -> None:
    made.fill()
    assert long_csv(frame(made)) == CSV
    assert CSV.splitlines()[0] == ",".join(CSV_COLUMNS)
    assert long_csv(frame(made), "released", "quick").splitlines()[1].startswith("made,released,quick,toy,16,4,")


def test_csv_text_is_never_a_formula_and_numbers_stay_numbers(row: Any) -> None:
    for start in "=+-@":
        line = long_csv([row(model=f"{start}1+1", mean=-0.5, published=0.5)]).splitlines()[1]
        assert f",'{start}1+1," in line and ",-0.500000," in line and ",-200.000000," in line
    assert ",-0.000000," not in long_csv([row(mean=-0.0, published=0.5)])
    assert long_csv([row(mean=float("nan"))]).count("nan") == 0


def test_the_same_training_stands_in_one_column(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.3, sam="off")  # is Plain, by its digest
    done = [r for r in frame(made) if (r.key.metric, r.key.horizon) == ("mse", 4) and r.ours.n]
    found = [(r.key.model, r.key.sam, r.ours.mean) for r in done]
    assert found == [("Plain", False, 0.3)]


def test_a_result_without_all_its_metrics_counts_in_none(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.3, 0.5)
    digest = sorted(Store(made.results).digests())[0]
    path = Store(made.results).path(digest)
    raw = json.loads(path.read_text())
    path.write_text(json.dumps(raw | {"metrics": {"test_mse": None, "test_mae": 0.6}}, indent=1))
    mse, mae = frame(made)[:2]
    assert (mse.ours.n, mae.ours.n, mse.ours.std, mse.missing) == (1, 1, None, 2)


def test_quick_shows_every_seed_that_was_run(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.3, profile="quick", seeds=(7,))
    first = frame(made, profile="quick")[0]
    assert (first.ours.seeds, first.ours.n, first.comparison.verdict, first.missing) == ((7,), 1, "not comparable", 1)


def test_a_switch_that_the_paper_lacks_makes_no_table_of_its_own(made: Any) -> None:
    cell = {"paper": "made", "protocol": "paper+gone+other_rho", "profile": "paper", "dataset": "toy", "seed": 0}
    result = Result("k", "0" * 64, "failed", cell)
    found = Index.of([result, replace(result, cell={**cell, "protocol": "paper+gone"}),
                      replace(result, cell={**cell, "profile": "gone"}), replace(result, cell={})])  # fmt: skip
    assert found.kinds_of(made.paper) == [("paper", "paper"), ("paper+other_rho", "paper")]


def test_to_run_again_is_advised_where_a_run_would(made: Any) -> None:
    """A cell of another recipe, file or semantics is in no plan, and --retry failed leaves it alone."""
    made.add("toy", 4, "Plain", None, status="failed")
    (failed,) = Store(made.results).results()
    Store(made.results).write(replace(failed, digest="0" * 64, status="killed"))
    found = Index.of(Store(made.results).results())
    rows(made.catalogue, made.paper, found, "paper", "paper")
    notes = found.notes(made.paper, made.catalogue, set())
    assert notes[:2] == [
        "Ended without a number: 1 failed; the folder logs says why, and --retry failed runs them again.",
        "Ended without a number, of recipes, training semantics or data files that are not today's: 1 killed; "
        "no run trains these again.",
    ]


def test_results_of_two_files_are_not_mixed(made: Any) -> None:
    dataset = replace(made.catalogue.datasets["toy"], file="toy.csv")
    cell = {"paper": "made", "protocol": "paper", "profile": "paper", "dataset": "toy", "seed": 0}
    old = Result("k", "0" * 64, "done", cell, data_sha256="f" * 64, ended="2026-01-01T00:00:00+00:00")
    new = Result("k", "1" * 64, "done", cell, data_sha256="a" * 64, ended="2026-01-02T00:00:00+00:00")
    found = Index.of([old, new])
    assert found.checksum(dataset) == "a" * 64
    assert found.checksum(replace(dataset, sha256="b" * 64)) == "b" * 64
    datasets = {**made.catalogue.datasets, "toy": dataset}
    notes = found.notes(made.paper, replace(made.catalogue, datasets=datasets), set())
    assert notes[1:] == ["toy: the file aaaaaaaaaaaa (SHA-256); Results of 1 other are left out."]
    assert notes[0].startswith("Left out: ") and "recipes say something else now" in notes[0]
    assert Index().checksum(dataset) is None


def test_a_table_is_of_the_own_file_that_is_there(made: Any, tmp_path: Path) -> None:
    """As the plan has it: numbers of another file are left out, and one whose file is gone says so."""
    file = tmp_path / "ok.csv"
    own = replace(made.catalogue.datasets["toy"], file=str(file), own=True)
    there = replace(made.catalogue, datasets={**made.catalogue.datasets, "toy": own})
    texts = {hashlib.sha256(text.encode()).hexdigest(): text for text in ("first", "second")}
    cell = {"paper": "made", "protocol": "paper", "profile": "paper", "dataset": "toy", "seed": 0}
    results = [Result("k", str(n) * 64, "done", cell, data_sha256=sha256, ended=f"2026-01-0{n}T00:00:00+00:00")
               for n, sha256 in enumerate(texts, start=1)]  # fmt: skip
    first, second = texts
    for sha256, text in texts.items():
        file.write_text(text)
        found = Index.of(results, own_files([own]))
        assert found.checksum(own) == sha256
        assert f"toy: the file {sha256[:12]} (SHA-256); Results of 1 other are left out." in found.notes(
            made.paper, there, set()
        )
    file.write_text("a third")
    alone = Index.of(results[:1], own_files([own]))
    assert alone.checksum(own) not in (None, first, second), "nothing was trained on it: no number"
    file.unlink()
    alone = Index.of(results[:1], own_files([own]))
    assert alone.checksum(own) == first
    assert f"toy: the file {first[:12]} (SHA-256), which is not at ok.csv today." in alone.notes(made.paper, there, set())


def test_the_lookback_with_the_least_validation_error_is_chosen() -> None:
    assert choose_lookback({}) is None and choose_lookback({512: {}}) is None
    assert choose_lookback({512: {0: 0.5, 1: 0.5}, 1024: {0: 0.4, 1: 0.5}}) == 1024
    assert choose_lookback({512: {0: 0.5}, 1024: {}}) == 512
    assert choose_lookback({1024: {0: 0.5}, 512: {0: 0.5}}) == 512, "the shorter of a tie"
    # over the seed that both have: 0.4 against 0.5, though 1024's own mean, 0.35, is the lesser
    assert choose_lookback({512: {0: 0.4}, 1024: {0: 0.5, 1: 0.2}}) == 512
    assert choose_lookback({512: {0: 0.4}, 1024: {1: 0.3}}) == 1024, "no seed is shared"


def several(made: Any, validation: dict[int, tuple[float, ...]], refused: int = 0) -> tuple[Row, Row]:
    """A row of each metric whose recipe has several look-backs: look-back → validation MSE by seed; the test MSE of
    look-back L is L / 100, so that the longest is the worst."""
    column = made.paper.columns["With_SAM"]
    cells, done = [], {}
    for lookback, values in validation.items():
        for seed in range(3):
            cell = Cell("made", "paper", "paper", "toy", lookback, 4, "With_SAM", True, seed)
            cells.append(Planned(cell, None, f"{lookback}-{seed}", "no window" if lookback == refused else None))
            if seed < len(values):
                numbers = {"test_mse": lookback / 100, "test_mae": lookback / 100, "n_params": lookback}
                done[f"{lookback}-{seed}"] = {**numbers, "val_mse": values[seed]}
    found = Index(done=done)
    choice = _choose(cells, [c for c in cells if c.digest in done], found, "val_mse")
    of_metrics = [_row(made.paper, column, choice, found, metric) for metric in ("mse", "mae")]
    mse, mae = judge(of_metrics, "paper")
    return mse, mae


def test_a_row_of_several_lookbacks_is_of_the_chosen_one(made: Any) -> None:
    mse, mae = several(made, {16: (0.5, 0.5, 0.5), 32: (0.4, 0.4, 0.4), 64: (0.6,)})
    assert (mse.key.lookback, mse.ours.mean, mse.ours.n, mse.n_params, mae.ours.mean) == (32, 0.32, 3, 32, 0.32)
    assert (mse.choice.candidates, mse.choice.untried) == ((16, 32, 64), ())
    assert mse.ours.digests == ("32-0", "32-1", "32-2") and set(mse.choice.passed_over) == {"16-0", "16-1", "16-2", "64-0"}
    assert mse.comparison.verdict == "not comparable", "the printed number has look-back 16"
    assert lookback_notes([mse, mae]) == ["Look-back chosen by validation MSE among 16, 32, 64, cell by cell: With_SAM."]


def test_a_choice_among_fewer_lookbacks_is_said(made: Any) -> None:
    mse, _ = several(made, {16: (0.5,), 32: (), 64: ()}, refused=64)
    assert (mse.key.lookback, mse.choice.candidates, mse.choice.untried) == (16, (16, 32), (32,))
    assert lookback_notes([mse])[1] == "Chosen among fewer look-backs: toy 4 With_SAM (not done: 32)."
    nothing, _ = several(made, {16: (), 32: ()})
    assert (nothing.key.lookback, nothing.ours.n, nothing.comparison.verdict) == (0, 0, "missing")
    assert lookback_notes([nothing])[1:] == []


def test_a_data_set_whose_holes_are_filled_is_marked_and_named(made: Any) -> None:
    made.fill()
    toy = made.catalogue.datasets["toy"]
    filled = replace(toy, options={**toy.options, "fill": "linear"}, own=True, step="none")
    made.catalogue = replace(made.catalogue, datasets={**made.catalogue.datasets, "toy": filled})
    made.add("toy", 4, "With_SAM", 0.3)
    written = {p.name: p.read_text("utf-8") for p in render(made.catalogue, made.results) if p.suffix in (".md", ".tex")}
    page = written["made.md"]
    assert " 0.300 (1) ¶" in page and "¶ values that the data set lacks are filled or left out" in page
    assert "toy: missing values and rows are filled in training, validation and test alike (fill: linear)." in page
    assert "toy: its rows follow each other by no constant step (step: none)." in page
    assert r"0.300$^{\P}$" in written["made.tex"] and "values that the data set lacks" in written["made.tex"]
