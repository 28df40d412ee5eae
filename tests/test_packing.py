"""Longest first, as many as memory allows, and how long it will still take."""

from __future__ import annotations

from benchmark.config.catalogue import Catalogue, load_papers
from benchmark.data.registry import DATASETS, GROUPS
from benchmark.grid import cost
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.effort.order import in_turn
from benchmark.grid.plan import plan
from benchmark.runner.progress.words import left

THERE = Catalogue(load_papers(tuple(DATASETS)), DATASETS, GROUPS)


def cells(**selection: object) -> list[Planned]:
    return plan(THERE, Selection(**selection), lambda dataset: "0" * 64)  # type: ignore[arg-type]


def test_whole_tables_of_few_seeds_first_then_the_cheap_paper_then_the_longest() -> None:
    found = cells(subset=("ETTh1", "ETTm1"), papers=("samformer", "samovar"), horizons=(96,), seeds=(0, 1),
                  models=("SAMoVAR", "SAMformer", "Transformer", "Ridge"))  # fmt: skip
    costs = [cost.work(p, DATASETS[p.cell.dataset]) for p in found]
    order = [found[i].cell.key for i in in_turn(found, costs)]
    trained = [
        "samformer/ETTm1/96/SAMformer/sam", "samformer/ETTm1/96/Transformer", "samformer/ETTh1/96/SAMformer/sam",
        "samformer/ETTh1/96/Transformer", "samformer/ETTh1/96/Ridge", "samformer/ETTm1/96/Ridge",
        "samovar/ETTm1/96/SAMoVAR", "samovar/ETTh1/96/SAMoVAR", "samovar/ETTh1/96/Ridge", "samovar/ETTm1/96/Ridge",
    ]  # fmt: skip
    assert order == [f"{key}/s{seed}" for seed in (0, 1) for key in trained if not (seed and key.endswith("Ridge"))]


def test_cells_that_are_about_as_long_stay_together_by_data_set() -> None:
    found = cells(subset=("ETTh1", "ETTh2"), papers=("samformer",), horizons=(96, 192), seeds=(0,), models=("SAMformer",))
    costs = [cost.work(p, DATASETS[p.cell.dataset]) for p in found]
    order = [found[i].cell.dataset for i in in_turn(found, costs)]
    assert order == ["ETTh1", "ETTh1", "ETTh2", "ETTh2"]


def test_sam_counts_twice_and_a_profile_bounds_the_steps() -> None:
    asked = {"subset": ("ETTh1",), "papers": ("samformer",), "horizons": (96,), "seeds": (0,), "models": ("SAMformer",)}
    on, off = cells(sam="both", **asked)
    quick = cells(profile="quick", **asked)[0]
    one, other, bounded = (cost.work(p, DATASETS["ETTh1"]) for p in (on, off, quick))
    assert one == 2 * other
    assert bounded < one / 1000  # 60 steps of 300 epochs of 247


def test_as_many_at_once_as_memory_allows() -> None:
    gigabyte = 10**9
    assert cost.jobs(8, [gigabyte] * 20, 100 * gigabyte) == 8
    assert cost.jobs(8, [gigabyte] * 20, 10 * gigabyte) == 5
    assert cost.jobs(8, [20 * gigabyte, gigabyte, gigabyte], 24 * gigabyte) == 1
    assert cost.jobs(8, [gigabyte] * 3, None) == 3
    assert cost.jobs(8, [None] * 3, gigabyte) == 1
    assert cost.jobs(1, [], gigabyte) == 1


def test_time_left_in_words() -> None:
    assert left(100, 100, 60) == "time left not known yet"
    assert left(100, 50, 60) == "about 1 min left"
    assert left(100, 90, 600) == "about 1.5 h left"
    assert left(100, 0, 600) == "about 0 s left"
