"""Claims about single cells, judged by the rule of verdicts: images' papers have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmark.config.catalogue import Catalogue
from benchmark.judging.compare import Ours
from benchmark.judging.printed import PrintedNumber
from tables.claims.evaluate import EVERY_SET, OURS, PRINTED, Finding, evaluate
from tables.claims.evidence import Evidence
from tables.claims.reader import Claim
from tables.documents.claims import document
from tables.rows.judge import judge
from tables.rows.row import Key, Row

pytest_plugins = ("tests.tables.known_claims",)


def row(paper: str, dataset: str, model: str, values: Sequence[float], printed: PrintedNumber | None = None) -> Row:
    key = Key(paper=paper, dataset=dataset, lookback=0, horizon=0, model=model, sam=model.endswith("+SAM"), metric="error")
    return judge([Row(key=key, ours=Ours.of(dict(enumerate(values))), printed=printed)], "paper")[0]


def found(claim: Claim, known: Catalogue, *rows: Row) -> dict[tuple[str, str], Finding]:
    """By whose numbers, and the cell."""
    evidence = Evidence(known, {claim.paper: {("paper", "paper"): rows}} if rows else {})
    return {(of.numbers, of.what): of for of in evaluate(claim, evidence)}


def test_printed_accuracies_are_read_and_ours_are_not_measured(known: Catalogue, claims: dict[str, Claim]) -> None:
    for name, error in (("ckn-5-accuracy", 13.9), ("ckn-14-accuracy", 9.8)):
        of = found(claims[name], known)
        assert of[PRINTED, ""].verdict == "holds" and of[PRINTED, ""].gives
        assert of[PRINTED, ""].estimate is not None and of[PRINTED, ""].estimate.value == pytest.approx(error)
        assert (of[OURS, ""].verdict, of[OURS, ""].estimate) == ("not measured", None)


def test_ours_has_the_verdict_of_its_cell(known: Catalogue, claims: dict[str, Claim]) -> None:
    whitened = PrintedNumber(13.9, None, "", "verified", "read-me", 1, 0.05, "whitened images")
    measured = row("ckn", "CIFAR-10", "CKN-5", (14.0, 14.1, 13.9), whitened)
    of = found(claims["ckn-5-accuracy"], known, measured)[OURS, ""]
    assert (of.verdict, of.seeds) == ("not comparable", (3, 3)) and of.estimate is not None
    said = document([claims["ckn-5-accuracy"]], Evidence(known, {"ckn": {("paper", "paper"): [measured]}}))
    assert "| holds: 13.90, as claimed" in said and "| not comparable: 14.00" in said
    alike = row("ckn", "CIFAR-10", "CKN-5", (13.8, 13.9, 14.0), replace(whitened, differs=""))
    assert found(claims["ckn-5-accuracy"], known, alike)[OURS, ""].verdict == "reproduced", "a task without a look-back"


@pytest.mark.parametrize(
    ("with_sam", "outcome"),
    [
        ((8.0, 8.1, 8.05), "holds"),
        ((12.0, 12.1, 12.05), "does not hold"),
        ((10.0, 10.02, 9.98), "does not hold (the same)"),
        ((9.0, 10.0, 10.5), "inconclusive"),
        ((8.0, 8.1), "too few seeds"),
        ((), "not measured"),
    ],
)
def test_lower_is_by_the_rule_of_verdicts(
    known: Catalogue, claims: dict[str, Claim], with_sam: tuple[float, ...], outcome: str
) -> None:
    plain = row("vgg_cifar", "CIFAR-10", "VGG-9", (10.0, 10.05, 9.95))
    of = found(claims["vgg-sam-lowers-error"], known, plain, row("vgg_cifar", "CIFAR-10", "VGG-9+SAM", with_sam))
    assert of[OURS, "CIFAR-10"].verdict == outcome
    assert of[OURS, "Fashion-MNIST"].verdict == "not measured" and of[PRINTED, EVERY_SET].verdict == "not printed"
    whole = of[OURS, EVERY_SET].verdict
    assert whole == ("not measured" if outcome == "not measured" else f"inconclusive ({outcome}; not measured)")
