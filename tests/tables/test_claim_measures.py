"""What a paper says of trained weights is judged from what analysis has measured, seed by seed, and else says how to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.config.catalogue import catalogue
from benchmark.errors import UsageError
from benchmark.judging.spread import student
from tables.claims import reader
from tables.claims.evaluate import OURS, PRINTED, evaluate
from tables.claims.reader import Claim, load_claims
from tables.documents.claims import document, summary
from tables.render import read
from tests.tables.test_inside import look

pytest_plugins = ("tests.tables.made_up",)

CLAIM = """
claims:
  sharper:
    {paper: made, says: "SAM lowers λmax", kind: measure, of: With_SAM, over: Plain, measure: lambda_max,
     average: mean per cell, datasets: [toy], horizons: [4], whose: paper, version: v1, place: figure 3, status: unverified}
"""


@pytest.fixture
def claim(made: Any, tmp_path: Path) -> Claim:
    (tmp_path / "claims.yaml").write_text(CLAIM)
    made.add("toy", 4, "With_SAM", 0.40, 0.41, 0.42)
    made.add("toy", 4, "Plain", 0.50, 0.51, 0.52)
    (found,) = load_claims(made.catalogue)
    return found


def measure(made: Any, with_sam: list[float], without: list[float], windows: int = 64) -> None:
    for first, values in ((0.40, with_sam), (0.50, without)):
        for seed, value in enumerate(values):
            arrays = {"lambda_max": value, "split": "train", "windows": windows}
            look(made.results, round(first + seed / 100, 2), sharpness=arrays)


def judged(made: Any, claim: Claim) -> Any:
    evidence = read(made.catalogue, made.results)[1]
    printed, ours = evaluate(claim, evidence)
    assert (printed.numbers, printed.verdict, ours.numbers) == (PRINTED, "not printed", OURS)
    return ours


def test_the_ratio_of_seeds_and_its_interval(made: Any, claim: Claim) -> None:
    measure(made, [0.2, 0.25, 0.3], [1.6, 2.5, 2.1])
    found = judged(made, claim)
    logs = [math.log(each) for each in (8, 10, 7)]
    mean = sum(logs) / 3
    half = float(student(0.975, 2)) * math.sqrt(sum((each - mean) ** 2 for each in logs) / 2 / 3)
    assert found.verdict == "lower" and found.seeds == (3, 3) and found.estimate.cells == 1
    assert found.estimate.value == pytest.approx(math.exp(mean))
    interval = found.estimate.interval
    assert (interval.low, interval.high) == pytest.approx((math.exp(mean - half), math.exp(mean + half)))
    text = document([claim], read(made.catalogue, made.results)[1])
    assert "| lower, by 8.24 × |" in " ".join(text.split()) and "not measured" not in text.split("## sharper")[1]


@pytest.mark.parametrize(
    ("with_sam", "without", "verdict"),
    [
        ([1.6, 2.5, 2.1], [0.2, 0.25, 0.3], "does not hold"),
        ([1.0, 1.0, 1.0], [0.2, 4.0, 3.0], "inconclusive"),
        ([1.0, 1.0, 1.0], [0.2, 4.0, 0.1], "inconclusive (no improvement seen)"),
        ([0.2, 0.2], [1.0, 1.0, 1.0], "too few seeds (2 of 3)"),
        ([-0.1, 0.2, 0.2], [1.0, 1.0, 1.0], "too few seeds (2 of 3)"),
        ([], [1.0, 1.0, 1.0], "not measured"),
    ],
)
def test_what_becomes_of_it(
    made: Any, claim: Claim, with_sam: list[float], without: list[float], verdict: str
) -> None:  # fmt: skip
    measure(made, with_sam, without)
    found = judged(made, claim)
    assert found.verdict == verdict
    lacks = verdict.startswith(("too few", "not measured"))
    command = "--papers made --subset toy --horizons 4 --models With_SAM,Plain --seeds 3 --keep weights`, then `python -m"
    evidence = read(made.catalogue, made.results)[1]
    for text in (document([claim], evidence), summary([claim], evidence)):
        assert (f"{command} benchmark.analysis sharpness" in text) == lacks


def test_an_open_one_shows_its_interval_over_seeds(made: Any, claim: Claim) -> None:
    measure(made, [1.0, 1.0, 1.0], [0.2, 4.0, 3.0])
    text = summary([claim], read(made.catalogue, made.results)[1])
    assert "over seeds" in " ".join(text.split()) and "data sets" not in text


def test_other_windows_and_other_trainings_are_not_compared(made: Any, claim: Claim) -> None:
    measure(made, [0.2, 0.2, 0.2], [])
    measure(made, [], [1.0, 1.0, 1.0], windows=32)
    assert judged(made, claim).verdict == "not measured"
    measure(made, [], [1.0, 1.0, 1.0])
    assert judged(made, claim).verdict == "lower"
    assert judged(made, replace(claim, whose="own")).verdict == "holds", "a check asks for no more"
    made.add("toy", 4, "Plain", 0.60, 0.61, 0.62)
    assert judged(made, claim).verdict == "not measured", "what was measured is about the trainings that were there"


def test_an_unknown_measure_is_named(made: Any, tmp_path: Path) -> None:
    (tmp_path / "claims.yaml").write_text(CLAIM.replace("lambda_max", "lambdamax"))
    with pytest.raises(UsageError, match=r"claims.yaml:\d+.*lambdamax.*did you mean 'lambda_max'"):
        load_claims(made.catalogue)


def test_the_papers_claims_about_weights_are_unverified_and_of_known_cells() -> None:
    known = catalogue()
    claims = {claim.name: claim for claim in load_claims(known, reader.CLAIMS) if claim.kind == "measure"}
    assert {(claim.paper, claim.measure, claim.status) for claim in claims.values()} == {
        ("toy_large", "lambda_max", "unverified"), ("toy_large", "entropy", "unverified"),
        ("samformer", "lambda_max", "ours"),
    }  # fmt: skip
