"""What a plan says that its cells take: hours by paper, programs, and the shorter commands beside a long one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.config.catalogue import Catalogue, load_papers
from benchmark.data.registry import DATASETS, GROUPS
from benchmark.grid import cost, takes
from benchmark.grid.asked import Request
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.effort import hours, shorter
from benchmark.grid.effort.told import as_object, told
from benchmark.grid.listing import what_next
from benchmark.grid.plan import plan
from benchmark.store import judged
from run_all import parser

THERE = Catalogue(load_papers(tuple(DATASETS)), DATASETS, GROUPS)


def asked(*options: str) -> Request:
    found = vars(parser().parse_args(list(options)))
    found.pop("list")
    return Request(**found)


def cells(request: Request) -> list[Planned]:
    found = Selection(request.subset, request.papers, request.models, request.horizons, request.own_seeds, request.sam,
                      request.protocol, request.profile)  # fmt: skip
    return plan(THERE, found, lambda dataset: "0" * 64)


def test_a_plan_sums_up_by_paper_and_says_what_would_be_shorter(tmp_path: Path) -> None:
    options = ("--subset", "ETTh1", "--papers", "samformer,ltsf_linear", "--jobs", "2", "--results-dir", str(tmp_path))
    request = asked(*options, "--dry-run")
    found = cells(request)
    lines = told(request, found, found, THERE)
    assert lines[0] == "to train, on one CPU core (by sizes alone, within a factor of three or so):"
    by_paper = {line.split()[0]: line.split()[1:] for line in lines[1:3]}
    assert by_paper["samformer"][:3] == ["80", "cells", "about"] and by_paper["ltsf_linear"][:2] == ["12", "cells"]
    assert lines[3].startswith("  in all") and "92 cells" in lines[3] and ", 2 at a time about " in lines[3]
    assert lines[4] == "  as programs: 92 on a CPU, 20 on CUDA (--replicas)"
    assert lines[5] == "shorter would be:"
    beginning = "python run_all.py --subset ETTh1 --papers "
    assert [line.partition(": ")[2] for line in lines[6:]] == [
        f"{beginning}ltsf_linear --jobs 2 --results-dir {tmp_path}",
        f"{beginning}ltsf_linear --seeds 1 --jobs 2 --results-dir {tmp_path}",
        f"{beginning}samformer,ltsf_linear --profile quick --jobs 2 --results-dir {tmp_path}",
    ]


def test_as_json_a_plan_has_the_same_hours_and_where_they_are_from(tmp_path: Path) -> None:
    options = ("--subset", "ETTh1", "--papers", "samformer,ltsf_linear", "--jobs", "2", "--results-dir", str(tmp_path))
    request = asked(*options, "--dry-run", "--json")
    found = cells(request)
    effort = as_object(request, found, found, THERE)
    sizes = [each.seconds for each in hours.estimates(found, found, {}, DATASETS)]
    by_paper = {each["paper"]: each for each in effort["papers"]}
    assert {name: (each["cells"], each["from"]) for name, each in by_paper.items()} == {
        "samformer": (80, "sizes"), "ltsf_linear": (12, "sizes"),
    }  # fmt: skip
    assert effort["seconds"] == pytest.approx(sum(sizes), abs=0.2) == sum(each["seconds"] for each in effort["papers"])
    assert (effort["cells"], effort["measured"], effort["workers"]) == (92, 0, 2)
    assert effort["seconds_with_workers"] == pytest.approx(effort["seconds"] / 2, abs=0.1)
    known = {takes.row_of(found[0].cell): judged.JudgedCell(verdict="", n=1, seconds=1000.0)}
    mixed = hours.as_object(hours.efforts(found, hours.estimates(found, found, known, DATASETS)), 1)
    assert [each["from"] for each in mixed["papers"]].count("measured") == 1 and mixed["from"] == "measured and sizes"
    none = as_object(request, [], found, THERE)
    assert (none["cells"], none["seconds"], none["from"], none["papers"]) == (0, 0, None, [])


def test_nothing_to_train_and_a_short_run_say_no_more_than_that() -> None:
    request = asked("--subset", "toy", "--seeds", "1")
    assert told(request, [], cells(request), THERE) == []
    assert not [line for line in told(request, cells(request), cells(request), THERE) if "shorter" in line]


def test_what_the_store_has_measured_counts_and_tells_of_its_kin() -> None:
    found = cells(asked("--subset", "ETTh1", "--papers", "samformer", "--horizons", "96,192", "--seeds", "2"))
    row = takes.row_of(found[0].cell)
    known = {row: judged.JudgedCell(verdict="", n=1, seconds=1000.0)}
    sizes = [each.seconds for each in hours.estimates(found, found, {}, DATASETS)]
    estimates = hours.estimates(found, found, known, DATASETS)
    ratio = 1000.0 / sizes[0]
    of = {p.cell.key: (a, b.seconds) for p, a, b in zip(found, sizes, estimates, strict=True)}
    assert of["samformer/ETTh1/96/SAMformer/sam/s1"][1] == 1000.0
    for key in ("samformer/ETTh1/192/SAMformer/sam/s0", "samformer/ETTh1/96/TSMixer/s0"):
        assert of[key][1] == pytest.approx(of[key][0] * ratio)
    (effort,) = hours.efforts(found, estimates)
    assert effort.measured == effort.cells == len(found)
    assert "as cells in the store took" in hours.lines([effort], 1, "")[0]
    left = [planned for planned in found if takes.row_of(planned.cell) != row]
    assert all(each.measured for each in hours.estimates(left, found, known, DATASETS)), "what is done tells of the rest"


def test_a_training_that_may_end_early_is_not_taken_for_all_of_its_epochs() -> None:
    one = cells(asked("--subset", "ETTh1", "--papers", "samformer", "--horizons", "96", "--seeds", "1"))[0]
    assert one.recipe is not None and one.recipe.training is not None
    assert (one.recipe.training.epochs, one.recipe.training.patience) == (300, 5)
    assert 10 < hours.by_sizes(one, DATASETS["ETTh1"]) < 200, "it took 79 to 145 s where docs/measured was made"


@pytest.mark.parametrize(
    "options",
    [
        ["--subset", "ETTh1,ETTh2", "--models", "SAMoVAR+SAM", "--horizons", "96", "--seeds", "3,", "--sam", "both"],
        ["--config", "a b.yaml", "--config", "c.yaml", "--jobs", "4", "--timeout", "1h30m", "--shard", "2/4", "--force"],
        ["--seeds", "auto", "--device", "cpu", "--keep", "weights", "--offline", "--no-mlflow", "--profile", "quick"],
        [
            "--seeds",
            "2,5",
            "--protocol",
            "paper+a",
            "--retry",
            "failed",
            "--data-dir",
            "x",
            "--results-dir",
            "y",
            "--verbose",
        ],
    ],
)
def test_a_request_says_the_words_that_ask_for_it(options: list[str]) -> None:
    request = asked(*options)
    assert asked(*request.words({})) == request
    assert asked(*request.words({"profile": "paper"})).profile == "paper"


def test_shorter_commands_are_for_long_ones_alone() -> None:
    request = asked("--subset", "ETTh1", "--papers", "samformer", "--horizons", "96")
    found = cells(request)
    assert shorter.commands(request, found, [100.0] * len(found), 1) == []
    assert len(shorter.commands(request, found, [1000.0] * len(found), 1)) == 3


def test_a_shorter_command_has_the_columns_of_its_paper_alone() -> None:
    request = asked("--subset", "ETTh1", "--papers", "patchtst,itransformer", "--models", "PatchTST-42,iTransformer")
    found = cells(request)
    told = shorter.commands(request, found, [1000.0] * len(found), 1)
    alone = [line for line in told if line.count("--papers itransformer ") or line.count("--papers patchtst ")]
    assert alone and not [line for line in alone if "PatchTST-42,iTransformer" in line], told


def test_more_seeds_are_advised_where_they_give_a_verdict(tmp_path: Path) -> None:
    def said(model: str, verdict: str, *options: str) -> str:
        words = ("--subset", "ETTh1", "--papers", "samformer", "--horizons", "96", "--models", model)
        request = asked(*words, "--results-dir", str(tmp_path), *options)
        found = cells(request)
        there = judged.JudgedCell(verdict=verdict, n=1, to_judge=3 * (verdict == "too few seeds"),
                                  digests=(found[0].digest or "",))  # fmt: skip
        key = judged.row_key("samformer", "paper", "paper", "ETTh1", 96, model, found[0].cell.sam)
        judged.write(tmp_path, judged.Judged({key: there}))
        return what_next(request, found, ["done"] * len(found), THERE.papers, False)[0]

    seeds, code = "next, since a verdict takes three seeds: ", "next, what the authors' code does otherwise: "
    assert said("SAMformer", "too few seeds", "--seeds", "1").startswith(seeds)
    assert said("SAMformer", "not comparable", "--seeds", "1").startswith(code), "no number of seeds is compared with it"
    assert said("SAMformer", "", "--seeds", "1").startswith(code), "nothing is printed"
    assert said("Ridge", "too few seeds", "--seeds", "1").startswith(code), "it has one seed, however many are asked for"
    assert said("SAMformer", "too few seeds", "--seeds", "3").startswith(code), "not again: some of the three have failed"


def test_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where no run has left anything

    def said(*options: str, status: str = "done", interrupted: bool = False) -> list[str]:
        request = asked("--subset", "ETTh1", "--papers", "samformer", "--horizons", "96", *options)
        found = cells(request)
        return what_next(request, found, [status] * len(found), THERE.papers, interrupted)

    command = "python run_all.py --subset ETTh1 --papers samformer --horizons 96"
    assert said("--profile", "quick") == [f"next, since a smoke run says nothing of a paper: {command}"]
    assert said() == [f"next, what the authors' code does otherwise: {command} --protocol released"]
    assert said("--protocol", "released") == ["next, which protocol is nearest: python -m tables explain samformer"]
    places = ("--config", "my own.yaml", "--results-dir", "elsewhere")
    said_there = ["next, which protocol is nearest: python -m tables explain samformer --config 'my own.yaml' "
                  "--results-dir elsewhere"]  # fmt: skip
    assert said("--protocol", "released", *places) == said_there, "as it is, the command finds the paper and its Results"
    request = asked("--subset", "toy,ETTh1", "--papers", "itransformer")
    found, alone = cells(request), {"itransformer": replace(THERE.papers["itransformer"], switches={}, released=())}
    assert what_next(request, found, ["done"] * len(found), alone, False) == [], "a paper of one protocol has no nearest"
    assert said(interrupted=True) == [] and "--retry failed" in said(status="failed")[0]


def test_k_means_counts_before_the_first_step_of_a_kernel_network() -> None:
    options = ("--subset", "CIFAR-10", "--papers", "ckn", "--models", "all", "--seeds", "1", "--profile", "quick")
    found = {planned.cell.model: planned for planned in cells(asked(*options))}
    seconds = {name: hours.by_sizes(planned, DATASETS["CIFAR-10"]) for name, planned in found.items()}
    # 150,000 patches, 100 rounds: 2·(27 + 128 + 1152 + 128 + 1152)·128 operations a patch, at 4e10 a second
    assert 248 < seconds["CKN-5"] < 300 and seconds["CKN-64-256"] > 600, "that has a million patches, and no step"
    (plain,) = cells(asked("--subset", "CIFAR-10", "--papers", "vgg_cifar", "--models", "VGG-9", "--seeds", "1"))
    assert cost.before_training(plain, DATASETS["CIFAR-10"]) == 0
