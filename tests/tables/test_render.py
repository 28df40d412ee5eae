from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import run_all
import tables.__main__ as command
from benchmark import Suite
from benchmark.grid.asked import Shown
from benchmark.store.store import Store
from tables import handover
from tables.__main__ import main
from tables.claims import reader as claims_reader
from tables.documents.brief import brief
from tables.layout.table import Options
from tables.render import FIGURES, Subject, read, render

pytest_plugins = ("tests.tables.made_up",)

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_written_and_twice_the_same(made: Any) -> None:
    made.fill()
    written = render(made.catalogue, made.results)
    kinds = ("md", "csv", "tex", "png", "svg", "deviation.png", "deviation.svg", "sam.png", "sam.svg")
    assert [p.name for p in written] == [
        *(f"made.{kind}" for kind in kinds), *(f"made.paper+other_rho.{kind}" for kind in kinds),
        *(f"made.released.{kind}" for kind in kinds), "protocols.md", "explain.md", "made.explain.png", "made.explain.svg",
        "claims.md", "report.html",
    ]  # fmt: skip
    first = {p: p.read_bytes() for p in written}
    assert {p: p.read_bytes() for p in render(made.catalogue, made.results)} == first
    assert sorted((made.results / "tables").iterdir()) == sorted(written[:-1]), "no temporary file is left"


def test_cost_and_learning_curves_are_of_protocol_paper_alone() -> None:
    assert [(file.suffix, file.protocol) for file in FIGURES] == [
        ("", None), ("deviation", None), ("sam", None), ("cost", "paper"), ("curves", "paper"),
    ]  # fmt: skip


def test_titles_name_the_protocol_and_a_smoke_run(made: Any) -> None:
    subject = Subject(paper=made.paper, rows=[], protocol="released", profile="quick")
    assert subject.about == "made, protocol released, profile quick (a smoke run)"
    assert (
        Subject(paper=made.paper, rows=[], protocol="paper", profile="paper").about == "made, protocol paper, profile paper"
    )


def test_tables_alone(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    written = render(made.catalogue, made.results, Options(figures=False))
    assert [path.name for path in written] == [
        "made.md", "made.csv", "made.tex", "protocols.md", "explain.md", "claims.md", "report.html",
    ]  # fmt: skip


def test_only_claims_of_papers_that_were_run_are_shown_and_the_others_are_a_sentence(
    made: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made.add("toy", 4, "With_SAM", 0.4, 0.4, 0.4)
    words = ["--papers", "other", "--results-dir", str(made.results)]
    other = replace(made.paper, name="other")
    both = replace(made.catalogue, papers={"made": made.paper, "other": other})
    claim = claims_reader.CLAIMS.read_text()
    its = claim.partition("claims:\n")[2].replace("made", "other").replace("with-over", "its-over")
    claims_reader.CLAIMS.write_text(claim + its)
    render(both, made.results, Options(figures=False))
    said = "the claims of papers without a Result: other (1). `python -m tables claims --papers other` checks them"
    text = (made.results / "tables" / "claims.md").read_text("utf-8")
    assert said in text and "## with-over-without" in text and "its-over-without" not in text
    shown = (made.results / "report.html").read_text("utf-8")
    assert "claims --papers other" in shown and "with-over-without" in shown and "its-over-without" not in shown
    monkeypatch.setattr(command, "catalogue", lambda _: both)
    assert main(["claims", *words]) == 0
    assert "its-over-without" in capsys.readouterr().out
    asked = (made.results / "tables" / "claims.md").read_text("utf-8")
    assert "## its-over-without" in asked and "with-over-without" not in asked.replace("its-over-without", "")
    claims_reader.CLAIMS.write_text("claims: {}\n")
    assert main(["claims", *words]) == 2 and capsys.readouterr().err.endswith("--papers: no claim is known of other\n")


def test_a_run_without_pictures_is_shown_without_them_and_says_how_to_write_the_same_again(
    made: Any, tmp_path: Path
) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    request = Suite(papers="made", no_figures=True, results_dir=made.results).request
    shown = Shown.of(request, [], made.catalogue.papers)
    written, _ = handover.render(made.catalogue, made.results, shown)
    assert {path.suffix for path in written} == {".md", ".csv", ".tex", ".html"}
    assert shown.words(made.results, ()) == ["--results-dir", str(made.results), "--no-figures"]


def test_a_render_takes_away_what_it_wrote_and_no_longer_writes_and_nothing_else(made: Any) -> None:
    made.fill()
    tables = made.results / "tables"
    there = {path.name for path in render(made.catalogue, made.results)}
    for name in ("mine.md", "made.mine.png", "forecast.0123456789ab.png"):
        (tables / name).write_text("of somebody else")
    other = replace(made.catalogue, papers={})
    assert render(other, made.results) == [], "of a paper that this render does not know nothing is taken away"
    assert {path.name for path in tables.glob("made.*")} >= {name for name in there if name.startswith("made.")} - {
        "made.explain.png", "made.explain.svg"}  # fmt: skip
    assert not (made.results / "report.html").exists(), "the page of all papers would be of Results that it does not have"
    for result in list(Store(made.results).results()):
        if result.cell["protocol"] != "paper":
            Store(made.results).path(result.digest).unlink()
    left = {path.name for path in render(made.catalogue, made.results, Options(figures=False))}
    mine = {"mine.md", "made.mine.png", "forecast.0123456789ab.png"}
    assert {path.name for path in tables.iterdir()} == (left | mine) - {"report.html"}
    assert not [name for name in left if "released" in name or name.endswith("png")]
    for result in list(Store(made.results).results()):
        Store(made.results).path(result.digest).unlink()
    assert render(made.catalogue, made.results) == []
    assert {path.name for path in tables.iterdir()} == mine and not (made.results / "report.html").exists()


def test_a_column_asked_for_by_name_stands_in_the_table_that_a_run_writes(made: Any) -> None:
    made.fill()
    kinds = (("made", "paper", "paper"),)
    run_all.render(made.catalogue, made.results, Shown(kinds))
    heads = [line for line in (made.results / "tables/made.md").read_text("utf-8").splitlines() if "With_SAM" in line]
    assert not any("Wider" in line for line in heads[:1])
    run_all.render(made.catalogue, made.results, Shown(kinds, ("Plain", "Wider", "NoResult")))
    for file in ("made.md", "made.tex"):
        text = (made.results / "tables" / file).read_text("utf-8")
        assert "Wider" in text.partition("Cell by cell")[0] and "NoResult" not in text


def test_a_run_ends_with_the_tables_in_short(made: Any) -> None:
    made.fill()
    evidence = read(made.catalogue, made.results)[1]
    assert brief(evidence, Shown((("made", "paper", "paper"),))) == SHORT
    assert all(len(line) <= 80 for line in SHORT.splitlines())
    assert brief(evidence, Shown((("made", "paper", "quick"), ("other", "paper", "paper")))) == "", "of what has no Result"


SHORT = """\
made, protocol paper, profile paper: our MSE beside the printed one
column    cells    seeds    off by    verdict     of its cells
--------  -------  -------  --------  ----------  -----------------------------
With_SAM  3 of 4   1 to 3   +0.0 %    reproduced  1 reproduced, 2 too few seeds
Plain     2 of 4   3        -10.0 %   better      1 better, 1 not comparable
Wider     1 of 1   1                  none
better, worse: wrong in 21 % at a spread of 2 %, 65 % at 5 % (docs/verdicts.md)"""


def test_quick_beside_paper_stands_in_files_of_its_own(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4, profile="quick")
    assert "made.md" in [p.name for p in render(made.catalogue, made.results)]
    made.add("toy", 4, "With_SAM", 0.4)
    assert {"made.md", "made.quick.md"} <= {p.name for p in render(made.catalogue, made.results)}


def test_a_table_names_torch_and_processor(made: Any) -> None:
    made.add("toy", 4, "Plain", 0.4, 0.4, 0.4)
    assert "Trained" not in markdown(made), "nothing says what these were trained with"
    store = Store(made.results)
    xeon, epyc, gpu = (
        {"torch": "2.13.0", "processor": processor, "device": device}
        for processor, device in (("Xeon", "cpu"), ("EPYC", "cpu"), ("EPYC", "NVIDIA H100"))
    )
    results = list(store.results())
    for result in results:
        store.write(replace(result, environment=xeon))
    assert "\n\nTrained with torch 2.13.0 on Xeon.\n" in markdown(made)
    for result, environment in zip(results, (xeon, epyc, gpu), strict=True):
        store.write(replace(result, environment=environment))
    assert (
        "\n\nTrained on 3 kinds of machine, between which the bits of a cell differ: 1 with torch 2.13.0 on EPYC (toy 1); "
        "1 with torch 2.13.0 on NVIDIA H100 (toy 1); 1 with torch 2.13.0 on Xeon (toy 1).\n"
    ) in markdown(made)


def test_a_table_names_semantics_and_commits(made: Any) -> None:
    made.add("toy", 4, "Plain", 0.4, 0.4)
    assert "Made under" not in markdown(made)
    store = Store(made.results)
    for result, commit in zip(list(store.results()), ("2e4ebd9bff42+", "8aca6a0d8450"), strict=True):
        store.write(replace(result, semantics=3, environment={"git_commit": commit}))
    assert (
        "\n\nMade under training semantics 3 by code at 2e4ebd9bff42+, 8aca6a0d8450 (+: with changes that were not "
        "committed).\n"
    ) in markdown(made)


def markdown(made: Any) -> str:
    render(made.catalogue, made.results, Options(figures=False))
    return str((made.results / "tables" / "made.md").read_text("utf-8"))


def test_an_empty_store_makes_no_table(made: Any) -> None:
    assert render(made.catalogue, made.results) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rendre"], "argument COMMAND: invalid choice: 'rendre' (choose from 'render', 'claims', 'explain', 'latex', "
         "'report', 'judge', 'forecast')"),
        (["render", "--results", "x"], "unknown option '--results'; did you mean '--results-dir'?"),
        (["render", "--results-dir", "no-such-folder"],
         "--results-dir: no Results below no-such-folder; train some with run_all.py first"),
        (["render", "--config", "no-such.yaml"], "no-such.yaml"),
    ],
)  # fmt: skip
def test_usage_errors_are_one_line_and_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(arguments)
    except SystemExit as end:
        status = int(str(end.code))
    out = capsys.readouterr()
    assert status == 2 and out.out == ""
    assert out.err.count("\n") == 1 and message in out.err and out.err.startswith("python -m tables: ")


def test_a_store_without_results_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cells").mkdir()
    assert main(["render", "--results-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no Result of any known paper in {tmp_path}\n"


def test_rendering_needs_no_torch(made: Any) -> None:
    made.fill()
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['mlflow'] = None\n"
        "from tables.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    config = made.results.parent / "made.yaml"
    config.write_text(config.read_text().replace("datasets: [toy, 'a_b & 50%#<1']", "datasets: [toy]").replace(
        "printed: {file: made.csv, tables: [Table 1], metrics: [mse]}\n", ""))  # fmt: skip
    command = [sys.executable, "-c", code, "render", "--results-dir", str(made.results), "--config", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert f"written: {made.results / 'tables' / 'made.tex'}" in done.stdout
