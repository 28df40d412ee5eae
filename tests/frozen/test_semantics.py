"""Results of earlier training semantics are kept and counted, and said to be left out: never silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import seams
from test_old_store import unpack

pytestmark = pytest.mark.usefixtures("semantics_2")


def test_a_plan_and_a_table_say_how_many_results_are_of_earlier_semantics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = unpack(tmp_path / "results")
    cells = seams.planned(seams.checksums(dict(seams.registry()), tmp_path), papers=("samformer",), subset=("ETTh1",))
    assert seams.left_out(cells, store) is None, "today's Results are left out nowhere"
    seams.set_semantics(monkeypatch, 3)
    cells = seams.planned(seams.checksums(dict(seams.registry()), tmp_path), papers=("samformer",), subset=("ETTh1",))
    said = seams.left_out(cells, store)
    assert said is not None and said.endswith("Results of semantics 2 are left out: the training semantics are 3 now")
    count = int(said.split()[0])
    assert count > 10 and all(seams.Store(store).read(d) for d in seams.Store(store).digests()), "all are still read"
    assert seams.tables(["render", "--results-dir", str(store), "--no-figures", "--papers", "samformer"]) == 0
    assert "Results of semantics 2 are left out" in capsys.readouterr().err
    written = (store / "tables" / "samformer.md").read_text("utf-8")
    assert "Results of semantics 2 are left out: the training semantics are 3 now." in written
