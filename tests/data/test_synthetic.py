"""Sets whose best possible error is known: the closed form against the forecast that has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Run

from benchmark.data import optimum, series, synthetic
from benchmark.data.registry import DATASETS

VAR = DATASETS["var"]


def test_the_process_is_stable_and_is_what_its_coefficients_say() -> None:
    first, second = synthetic.coefficients(VAR)
    identity, zero = np.eye(len(first)), np.zeros_like(first)
    companion = np.block([[first, second], [identity, zero]])
    assert np.abs(np.linalg.eigvals(companion)).max() == pytest.approx(0.995)
    assert np.abs(first - np.diag(np.diag(first))).max() > 0.1  # the channels depend on each other
    values = synthetic.var(VAR)
    noise = values[2:] - values[1:-1] @ first.T - values[:-2] @ second.T
    assert values.shape == (12_000, 7) and np.allclose(np.cov(noise.T), identity, atol=0.05)


@pytest.mark.parametrize("horizon", [1, 24, 96])
def test_the_true_coefficients_forecast_as_well_as_the_optimum_says(horizon: int) -> None:
    """On the test windows, on the standardised scale: within what 2,400 overlapping windows can tell."""
    first, second = synthetic.coefficients(VAR)
    values, lookback = synthetic.var(VAR), 96
    starts = series.load(VAR, None, lookback, horizon).test
    scale = values[: int(0.7 * len(values))].std(axis=0)
    last, before = values[starts + lookback - 1], values[starts + lookback - 2]
    errors = []
    for step in range(horizon):
        last, before = last @ first.T + before @ second.T, last
        errors.append((((last - values[starts + lookback + step]) / scale) ** 2).mean())
    best = optimum("var", lookback, horizon)
    assert best is not None and np.mean(errors) == pytest.approx(best, rel=0.03)


def test_the_closed_form_of_a_process_of_one_channel() -> None:
    """AR(2) by hand: ψ₀ = 1, ψ₁ = a₁, ψ₂ = a₁² + a₂; the error's variance after h steps is the sum of their squares."""
    from dataclasses import replace

    one = replace(VAR, name="one", options=dict(VAR.options) | {"radii": [0.9], "periods": [8]})
    first, second = (float(a[0, 0]) for a in synthetic.coefficients(one))
    scale = synthetic.var(one)[:8400].std() ** 2
    psi = [1.0, first, first**2 + second]
    expected = np.mean(np.cumsum(np.square(psi))) / scale
    DATASETS["one"] = one
    try:
        assert optimum("one", 96, 3) == pytest.approx(expected)
    finally:
        del DATASETS["one"]


def test_where_it_is_known() -> None:
    assert optimum("toy", 64, 24) == optimum("toy_large", 512, 96) == 0.25
    assert optimum("ETTh1", 512, 96) is None and optimum("nobody's", 1, 1) is None and optimum("var", 1, 24) is None
    code = "import sys; import benchmark.data as d; d.optimum('ETTh1', 9, 9); assert 'numpy' not in sys.modules; " \
           "d.optimum('var', 96, 24); assert 'torch' not in sys.modules"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_it_stands_in_the_table(run_all: Run) -> None:
    arguments = ("--subset", "var", "--models", "Transformer", "--horizons", "24", "--profile", "quick", "--jobs", "1")
    done = run_all(*arguments, "--verbose")
    assert done.returncode == 0 and done.stdout.endswith("cells=1 done=1 refused=0 failed=0\n"), done.stderr
    (table,) = (line.split()[1] for line in done.stdout.splitlines() if line.endswith("tables/var.md"))
    lines = Path(table).read_text("utf-8").splitlines()
    (header,) = (line for line in lines if "| verdict" in line)
    (row,) = (line for line in lines if line.startswith("| var") and "24 | Transformer" in line)
    cells = dict(zip((h.strip() for h in header.split("|")), (c.strip() for c in row.split("|")), strict=True))
    assert cells["optimum"] == "0.272" and float(cells["MSE, ours (n)"].split()[0]) > 0.272
