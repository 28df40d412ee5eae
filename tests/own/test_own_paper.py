"""A paper of a user's own: its printed numbers are read whole before anything is trained; the skeletons run as they are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, Run

import run_all as command
from benchmark import new
from benchmark.config.catalogue import catalogue
from benchmark.errors import UsageError
from benchmark.judging.printed import printed_numbers
from benchmark.judging.printedfile import check_own, mistakes
from tables.claims.reader import load_claims
from tables.render import read

HEAD = "paper,table,dataset,lookback,horizon,model,metric,value,std,seeds,status,provenance"
RIGHT = [f"mine,Table 1,toy,16,{h},{m},mse,0.3{h},,,verified,here" for h in (4, 8) for m in ("DLinear", "SAMformer")]
WRONG = {
    "mine,Tabel 1,toy,16,4,Informer,mse,0.4,,,verified,here": "table: unknown table 'Tabel 1'; did you mean 'Table 1'?",
    "mine,Table 1,Toyy,16,4,Informer,mse,0.4,,,verified,here": "dataset: no data set 'Toyy' in the YAML; did you",
    "mine,Table 1,toy,16,9,Informer,mse,0.4,,,verified,here": "horizon: expected one of the paper's for toy (4",
    "mine,Table 1,toy,16,4,Informr,mse,0.4,,,verified,here": "model: no column is printed as 'Informr'; did you",
    "mine,Table 1,toy,16,8,Informer,mes,0.4,,,verified,here": "metric: unknown metric 'mes' in the YAML",
    "mine,Table 1,toy,16,4,Informer,mse,375,,,verified,here": "value: is 375 right, or 0.375 meant? The others",
    "mine,Table 1,toy,16,8,Informer,mse,0.4,,,verifed,here": "status: unknown status 'verifed'; did you mean 'verified'?",
    "mine,Table 1,toy,16,8,DLinear,mse,0.4,,,verified,here": "value: toy 8 DLinear mse stands in line 4, too; keep one",
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    new.write("paper", "mine", tmp_path)
    return tmp_path / "mine.yaml"


def found(path: Path, *lines: str) -> list[str]:
    path.with_suffix(".csv").write_text("\n".join([HEAD, *RIGHT, *lines, ""]))
    paper = catalogue([path]).papers["mine"]
    assert paper.printed is not None
    return list(mistakes(paper, paper.printed))


def test_eight_mistakes_each_with_its_line_before_anything_is_trained(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(mine) == []
    said = found(mine, *WRONG)
    csv = mine.with_suffix(".csv")
    assert len(said) == 8
    for place, (line, what) in enumerate(zip(said, WRONG.values(), strict=True)):
        assert line.startswith(f"{csv}:{6 + place}: {what}"), line
    for more in ([], ["--dry-run"]):
        assert command.main(["--config", str(mine), "--results-dir", str(tmp_path / "results"), *more]) == 2
        err = capsys.readouterr().err
        assert err == "run_all.py: " + "\n".join(said) + "\n" and not (tmp_path / "results").exists()
    with pytest.raises(UsageError, match="Tabel 1"):
        read(catalogue([mine]), tmp_path / "results")


@pytest.mark.parametrize(("line", "what"), [
    ("mine,Table 1,toy,16,4,Informer,mse,\"0,4\",,,verified,here", "value: expected a number such as 0.375, found '0,4'"),
    ("mine,Table 1,toy,16,4,Informer,mse,nan,,,verified,here", "value: expected a number such as 0.375, found 'nan'"),
    ("mine,Table 1,toy,16,4,Informer,mse,-0.4,,,verified,here", "value: expected a number above 0, found '-0.4'"),
    ("mine,Table 1,toy,16,4,Informer,mse,0.4,-1,,verified,here", "std: expected a number from 0, or nothing"),
    ("mine,Table 1,toy,best,4,Informer,mse,0.4,,,verified,here", "lookback: expected a whole number (steps) from 1"),
    ("mine,Table 1,toy,16,4,Informer,mse,0.4,,0,verified,here", "seeds: expected a whole number (how many seeds)"),
    ("mine,Table 1,toy,16,4,Informer,mse,0.4,,,verified,", "provenance: expected the place where the number was read"),
    ("other,Table 1,toy,16,4,Informer,mse,0.4,,,verified,here", "paper: expected 'mine', the name in the YAML, found"),
    ("mine,Table 1,toy,16,4,Informer,mse,0.4,,,verified,here, there", "expected 12 fields, found 13; put a text"),
])  # fmt: skip
def test_what_is_wrong_in_a_line_is_said_with_its_column(mine: Path, line: str, what: str) -> None:
    (said,) = found(mine, line)
    assert said.startswith(f"{mine.with_suffix('.csv')}:6: {what}"), said


def test_a_line_with_too_many_fields_or_too_few_hides_no_other_mistake(mine: Path) -> None:
    first, second = list(WRONG)[:2]
    said = found(mine, first, "mine,Table 1,toy", second, "mine,Table 1,toy,16,4,Informer,mse,0.4,,,verified,here, there")
    assert [line.partition(".csv:")[2].partition(": ")[::2] for line in said] == [
        ("6", said[0].partition(":6: ")[2]), ("7", "expected 12 fields, found 3"), ("8", said[2].partition(":8: ")[2]),
        ("9", "expected 12 fields, found 13; put a text that has a comma in quotes"),
    ]  # fmt: skip


@pytest.mark.parametrize(("content", "what"), [
    (HEAD.replace(",", ";"), ":1: expected columns with commas between them (paper,table,"),
    (HEAD.replace("status", "stauts"), ":1: unknown column 'stauts'; did you mean 'status'?"),
    (HEAD.replace(",lookback", ""), ":1: the column lookback is missing; expected paper,table,"),
    (HEAD + ",std", ":1: column 'std' stands twice; remove one"),
    (HEAD + "\n", ":1: expected a line for each printed number below the names of the columns, found none"),
])  # fmt: skip
def test_what_is_wrong_in_its_head_is_said(mine: Path, content: str, what: str) -> None:
    mine.with_suffix(".csv").write_text(content)
    with pytest.raises(UsageError, match=re.escape(what)):
        check_own(catalogue([mine]).papers.values())


def test_a_large_value_that_is_printed_so_is_taken(mine: Path) -> None:
    mine.write_text(mine.read_text().replace("  metrics: [mse]\n", "  metrics: [mse]\n  large: true\n", 1))
    assert found(mine, "mine,Table 1,toy,16,4,Informer,mse,375,,,verified,here") == []


def test_a_file_that_is_written_anew_is_read_anew(mine: Path) -> None:
    """A notebook goes on while its files change."""
    printed = catalogue([mine]).papers["mine"].printed
    assert printed is not None
    assert printed_numbers(printed)["toy", "4", "DLinear", "mse"].value == 1.052
    found(mine)
    assert printed_numbers(printed)["toy", "4", "DLinear", "mse"].value == 0.34


def test_the_printed_numbers_of_the_suite_have_no_lost_points() -> None:
    for paper in catalogue().papers.values():
        said = list(mistakes(paper, paper.printed)) if paper.printed is not None else []
        assert not [
            line for line in said if re.search(": (value|std|seeds|status|provenance|horizon|metric|paper): ", line)
        ]


def test_claims_stand_beside_the_paper_and_are_read_before_anything_is_trained(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = catalogue([mine])
    assert "mine-samformer-over-dlinear" in [claim.name for claim in load_claims(there)]
    path = tmp_path / "mine.claims.yaml"
    path.write_text(path.read_text().replace("over: DLinear", "over: DLinaer"))
    assert command.main(["--config", str(mine), "--results-dir", str(tmp_path / "results")]) == 2
    said = capsys.readouterr().err
    assert f"{path}:8: " in said and "did you mean 'DLinear'?" in said, said


@pytest.mark.parametrize("kind", list(new.KINDS))
def test_a_skeleton_plans_what_its_own_file_chooses(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert new.main([kind, "mine"]) == 0
    assert capsys.readouterr().out.endswith("try it: python run_all.py --config mine.yaml --profile quick\n")
    assert command.main(["--config", "mine.yaml", "--profile", "quick", "--dry-run"]) == 0
    said = capsys.readouterr()
    cells = {"paper": 4, "model": 2, "dataset": 4}[kind]
    assert said.out.endswith(f"cells={cells} done=0 refused=0 failed=0\n"), said
    assert "its 'run' chooses --papers" in said.err
    assert command.main(["--config", "mine.yaml", "--papers", "var", "--dry-run"]) == 0
    assert "its 'run' chooses" not in capsys.readouterr().err, "options of one's own take its place"
    assert new.main([kind, "mine"]) == 2 and "nothing is written over" in capsys.readouterr().err
    for name, what in (("ETTh1" if kind != "model" else "SAMformer", "is taken"), ("1st", "begins with a letter")):
        assert new.main([kind, name]) == 2 and what in capsys.readouterr().err


def test_a_csv_that_is_there_is_the_data_sets_own(tmp_path: Path) -> None:
    text = new.made_up().replace("a,b,c", "x,y,z")
    (tmp_path / "mine.csv").write_text(text)
    assert new.write("dataset", "mine", tmp_path) == [tmp_path / "mine.yaml"]
    assert (tmp_path / "mine.csv").read_text() == text


def test_what_a_file_chooses_there_has_to_be(mine: Path) -> None:
    mine.write_text(mine.read_text().replace("run: {papers: [mine]}", "run: {papers: [mien]}"))
    with pytest.raises(UsageError, match=r"mine.yaml:\d+: run.papers: unknown name 'mien'; did you mean 'mine'"):
        catalogue([mine])


def test_the_worked_example_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run_all: Run
) -> None:
    text = (ROOT / "docs/own_paper.md").read_text("utf-8")
    (commands,) = re.findall(r"<!-- run -->\n```sh\n(.*?)```", text, re.DOTALL)
    first, plan, run = (shlex.split(line) for line in commands.splitlines())
    monkeypatch.chdir(tmp_path)
    assert new.main(first[3:]) == 0
    for name, content in re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(content)
    assert command.main(plan[2:]) == 0
    assert capsys.readouterr().out.endswith("cells=12 done=0 refused=0 failed=0\n")
    run[run.index("--config") + 1] = str(tmp_path / "my_paper.yaml")
    options = [word for word in run[2:] if word not in ("--no-mlflow", "--results-dir", "results")]
    done = run_all(*options, "--jobs", "1")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "cells=4 done=4 refused=0 failed=0", done
    assert "1.302‡" in (tmp_path / "results/tables/my_paper.md").read_text("utf-8")
    assert "SAMformer's MSE is 9 % lower" in (tmp_path / "results/tables/claims.md").read_text("utf-8")
