"""A published run: all is rendered from exported Results alone, the same each time; what is not whole is refused."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT

from benchmark.errors import UsageError
from benchmark.judging.verdict import VERDICTS
from benchmark.store import exchange
from benchmark.store.store import Store
from tables.__main__ import main
from tables.documents.verdicts import ON_AVERAGE

sys.path.insert(0, str(ROOT / "tests" / "frozen"))
from test_old_store import unpack

MEASURED = ROOT / "docs" / "measured"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "docs" / "measured"
    folder.mkdir(parents=True)
    exchange.export(Store(unpack(tmp_path / "results")), exchange.Chosen(papers=("samformer",)), folder / "a.jsonl.gz")
    return folder


@pytest.mark.usefixtures("semantics_2")
def test_one_seed_is_explained_where_a_cell_has_one_and_each_printed_metric_has_its_cells(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "measured"
    folder.mkdir(parents=True)
    chosen = exchange.Chosen(papers=("itransformer",), models=("iTransformer",))
    exchange.export(Store(unpack(tmp_path / "results")), chosen, folder / "a.jsonl.gz")
    assert main(["render", "--from", str(folder), "--no-figures"]) == 0
    document = (folder.parent / "reproduction.md").read_text("utf-8")
    assert "with 2 seeds a cell, under 1 protocol." in document
    assert document.count("\n#### MAE, where it is printed\n") == 1


@pytest.mark.usefixtures("semantics_2")
def test_it_renders_the_same_each_time_and_says_what_came_out_otherwise(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (published / "unmeasured.yaml").write_text("Traffic: its file was not at hand\n")
    words = ["render", "--from", str(published), "--no-figures"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "new: " in said and "otherwise" not in said, "what did not stand there did not come out otherwise"
    files = {path.name: path.read_bytes() for path in (published / "tables").iterdir()}
    assert {"samformer.md", "samformer.csv", "samformer.tex", "claims.md", "explain.md", "protocols.md"} <= files.keys()
    document = (published.parent / "reproduction.md").read_text("utf-8")
    assert "a.jsonl.gz: " in document and "### Protocol paper" in document and "its file was not at hand" in document
    assert "quick" not in document, "smoke runs say nothing about a paper"
    assert document.count(ON_AVERAGE) == 1 and "\nColumns as a whole:\n" in document
    assert re.search(r"\n\d+ Results, [\d.]+ core hours in all, on .*seeds a cell \(1: not trained, or one", document)
    assert document.count("| LastValue ") == 2, "ETTh1 at 96 and 192, under paper alone"
    same = (
        "Not trained, and the same under this protocol as under `paper`, where they stand: LastValue, SeasonalNaive, Ridge."
    )
    assert document.count(same) == 2
    capsys.readouterr()
    (published / "tables" / "old.md").write_text("stale")
    (published / "tables" / "claims.md").write_text("by hand")
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "came out otherwise: " in said and "claims.md" in said and "taken away: " in said and "old.md" in said
    assert {path.name: path.read_bytes() for path in (published / "tables").iterdir()} == files
    assert main(words) == 0
    count = len(files) + 1
    assert capsys.readouterr().out == f"{count} files, unchanged of these: {count}\n"


@pytest.mark.usefixtures("semantics_2")
@pytest.mark.parametrize("harm", ["none", "cut off", "changed", "reasons", "name"])
def test_what_is_not_whole_is_refused_in_a_line(published: Path, harm: str, capsys: pytest.CaptureFixture[str]) -> None:
    export = published / "a.jsonl.gz"
    lines = gzip.decompress(export.read_bytes()).splitlines(keepends=True)
    if harm == "none":
        export.unlink()
    elif harm == "cut off":
        export.write_bytes(gzip.compress(b"".join(lines[:-1])))
    elif harm == "changed":
        export.write_bytes(gzip.compress(b"".join([*lines[:-1], lines[-1].replace(b"0.", b"1.")])))
    elif harm == "reasons":
        (published / "unmeasured.yaml").write_text("[Traffic]\n")
    else:
        (published / "unmeasured.yaml").write_text("ECL: not at hand\nTrafic: not at hand\n")
    assert main(["render", "--from", str(published), "--no-figures"]) == 2
    said = capsys.readouterr().err
    expected = {
        "none": "no exported Results", "cut off": "1 Result is damaged or lost", "changed": "1 Result is damaged",
        "reasons": "expected a sentence by data set or column",
        "name": "yaml:2: Trafic: expected the name of a data set or of a column of a paper; did you mean 'Traffic'?",
    }[harm]  # fmt: skip
    assert expected in said and said.count("\n") == 1


def test_a_folder_of_exports_and_a_store_are_not_rendered_together(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", "--from", str(published), "--results-dir", "elsewhere", "--no-figures"]) == 2
    said = capsys.readouterr().err
    assert "give one of them" in said and said.count("\n") == 1 and not (published / "tables").exists()


def test_a_commit_with_changes_is_explained(tmp_path: Path) -> None:
    store = Store(unpack(tmp_path / "results"))
    one = next(iter(store.results()))
    for commit, explained in (("2e4ebd9bff42+", True), ("2e4ebd9bff42", False)):
        store.write(replace(one, environment={**one.environment, "git_commit": commit}))
        exchange.export(store, exchange.Chosen(), tmp_path / "a.jsonl.gz")
        assert ("(+: with changes that were not committed)" in exchange.in_words(tmp_path / "a.jsonl.gz")) == explained


@pytest.mark.skipif(not MEASURED.is_dir(), reason="nothing is published in this checkout")
def test_the_published_run_gives_the_published_documents(tmp_path: Path) -> None:
    """Without data and without training, byte by byte; pictures differ between versions of what draws them."""
    there = tmp_path / "docs" / "measured"
    shutil.copytree(MEASURED, there, ignore=shutil.ignore_patterns("tables"))
    assert main(["render", "--from", str(there)]) == 0
    assert {path.name for path in (there / "tables").iterdir()} == {path.name for path in (MEASURED / "tables").iterdir()}
    for path in sorted(path for path in (there / "tables").iterdir() if path.suffix not in (".png", ".svg")):
        published, made = (folder / "tables" / path.name for folder in (MEASURED, there))
        assert made.read_bytes() == published.read_bytes(), f"{path.name}: run `just docs`"
    made = (there.parent / "reproduction.md").read_bytes()
    assert made == (ROOT / "docs" / "reproduction.md").read_bytes(), "run `just docs`"


def test_the_strangers_check_says_which_of_the_two_it_checked(published: Path) -> None:
    done = subprocess.run([sys.executable, "tools/stranger.py", "no/such/key", "--from", str(published)],
                          capture_output=True, text=True, cwd=ROOT)  # fmt: skip
    assert done.returncode == 2 and "'no/such/key' is not in" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("machine", "bits", "fine"), [
    ("same", "equal", True), ("same", "other", False), ("another", "near", True), ("another", "far", False),
])  # fmt: skip
def test_bits_on_the_same_machine_and_seeds_elsewhere(published: Path, machine: str, bits: str, fine: bool) -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    import stranger

    old = next(r for r in stranger.published(published) if r.key == "samformer/ETTh1/96/SAMformer/sam/s0")
    value = old.metrics["test_mse"] + {"equal": 0, "other": 1e-12, "near": 0.001, "far": 0.1}[bits]
    environment = old.environment if machine == "same" else {**old.environment, "processor": "another"}
    new = replace(old, metrics={**old.metrics, "test_mse": value}, environment=environment)
    found, said = stranger.verdict(old, new, [0.370, 0.373, 0.375])
    assert found == fine and ("to the bit" in said) == (machine == "same")
    assert ("standard deviations of 3 published seeds" in said) == (machine == "another")


def test_a_stranger_without_a_key_gets_a_cell_that_any_machine_can_check(published: Path) -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    import stranger

    found = stranger.published(published)
    old = next(r for r in found if r.key == "samformer/ETTh1/96/SAMformer/sam/s0")
    alone = replace(old, key="alone", cell={**old.cell, "model": "Ridge"}, seconds=0.0)
    chosen = stranger.quickest([*found, alone])
    assert chosen.key != "alone" and len(stranger.seeds_of(chosen, found)) > 1
    assert stranger.quickest([alone]) is alone
    with pytest.raises(UsageError, match=r"no second seed is published .*; give a cell with several seeds"):
        stranger.verdict(alone, replace(alone, environment={}), [0.37])


def test_the_words_on_a_paper_need_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "samformer", "--results-dir", str(tmp_path)]) == 2
    assert "no Results below" in capsys.readouterr().err


@pytest.mark.usefixtures("semantics_2")
def test_the_words_on_a_paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = unpack(tmp_path / "results")
    assert main(["explain", "samformer", "--results-dir", str(store)]) in (0, 2)
    said = capsys.readouterr()
    assert "written: " in said.out or "expected cells with a printed number" in said.err


@pytest.mark.parametrize("name", ["samformer", "samovar"])
def test_older_numbers_stand_apart_with_their_conditions_and_without_a_verdict(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    before, _, older = text.partition("\n## Older numbers\n")
    numbers, _, _read_off = older.partition("\n### What a person reads off them\n")
    assert "±" not in before and "reproduction.md" in before, "what is measured is in the document that is generated"
    said = " ".join(numbers.split())
    assert all(word in said for word in ("raining semantics 2", "commit ", "processor", "±"))
    given = [word for word in VERDICTS if word != "missing"]
    tables = [line for line in numbers.splitlines() if line.startswith("|")]
    assert tables and not [line for line in tables if any(word in line for word in given)]
    for picture in re.findall(r"\]\(([^)]+\.png)\)", text):
        assert (ROOT / "docs" / picture).is_file()
