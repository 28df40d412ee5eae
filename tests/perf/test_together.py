"""Several trainings as one program are measured beside one alone, and a table's time is estimated from that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.perf import replicas
from benchmark.perf.__main__ import main
from benchmark.perf.cases import Case
from benchmark.perf.replicas import STACKED, Table, table


def test_what_stands_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replicas, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(replicas, "COUNTS", {"cpu": (1, 2)})
    monkeypatch.setattr(replicas, "STACKED", STACKED[1:2])
    monkeypatch.setattr(replicas, "table", lambda device, turns: Table(12.0, 160, {"SAMformer": 12.0}))
    monkeypatch.setattr(replicas, "SEEDS", 2)
    asked = ["--parts", "replicas", "--models", "SAMformer", "--turns", "1", "--json", str(tmp_path / "x.json")]
    assert main(asked) == 0
    (found,) = json.loads((tmp_path / "x.json").read_text())["together"]
    assert found["case"]["switches"] == ["batch_mixed_denorm"] and found["alone"] > 0 and not found["graphs"]
    assert sorted(found["step"]) == ["1", "2"] and min(found["step"].values()) > 0
    out = capsys.readouterr().out
    assert "| SAMformer + batch_mixed_denorm, SAM, L 512 |" in out and "160 cells" in out and "12 s of training" in out


def test_a_tables_time_is_its_epochs_steps_and_validations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas._Group, "__init__", lambda self, case, device, count, stacked: None)
    monkeypatch.setattr(replicas._Group, "milliseconds", lambda self, turns: 10.0)
    monkeypatch.setattr(replicas._Group, "validation", lambda self: 0.3)
    monkeypatch.setattr(replicas, "SETS", ("ETTh1",))
    monkeypatch.setattr(replicas, "HORIZONS", (96,))
    found = table("cpu", 1, ("SAMformer",))
    windows = 12 * 30 * 24 - 512 - 96 + 1
    steps = -(-windows // 32)
    assert found.cells == 5
    assert found.seconds == pytest.approx(17 * (steps * 10.0 + windows / 3 * 0.3) / 1e3)


def test_programs_at_once_take_as_many_steps_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(replicas, "SEEDS", 2)
    made, make = list[replicas._Group](), replicas._Group

    def group(*given: object, **more: object) -> replicas._Group:
        made.append(make(*given, **more))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(replicas, "_Group", group)
    assert replicas.round_of(Case("samformer", "SAMformer", "ETTh1", 96), "cpu", 2) > 0
    assert [each.replica.progress.steps for one in made for each in one.together] == [2] * 4
