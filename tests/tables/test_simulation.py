"""The tables of docs/verdicts.md are what the simulation gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tables.rows.simulation import _figures, narrow_only, ours, shares

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "verdicts.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("start", "how"),
    [
        (("5 %", "3"), {"sigma": 0.05, "n": 3, "deviation": 0.0}),
        (("20 %", "5"), {"sigma": 0.05, "n": 5, "deviation": 0.2}),
        (("1", "5 %", "5"), {"sigma": 0.05, "n": 5, "deviation": 0.0, "of_paper": 1}),
    ],
)
def test_the_documents_lines(start: tuple[str, ...], how: dict[str, float]) -> None:
    wanted = [*start, *_figures(**how)]  # type: ignore[arg-type]
    lines = [line.strip("|").split("|") for line in DOCUMENT.splitlines() if line.startswith("| ")]
    assert wanted in [[cell.strip() for cell in line] for line in lines]


def test_false_verdicts_are_rare_and_large_deviations_are_seen() -> None:
    right = shares(ours, sigma=0.05, n=3, deviation=0, draws=4000)
    before = shares(narrow_only, sigma=0.05, n=3, deviation=0, draws=4000)
    false, false_before = (found["better"] + found["worse"] for found in (right, before))
    assert false < 2 and false < false_before + 0.3
    assert sum(right.values()) == pytest.approx(100)
    wrong = [shares(rule, sigma=0.05, n=5, deviation=0.2, draws=4000) for rule in (ours, narrow_only)]
    assert wrong[0]["worse"] > 70 > 5 > wrong[1]["worse"] and wrong[0]["reproduced"] == 0
    assert shares(ours, sigma=0.01, n=5, deviation=0, draws=4000)["reproduced"] > 95
