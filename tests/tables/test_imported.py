"""Numbers of other code beside a paper's: read by their form, placed, judged by the same rule, marked, never in a store."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.config.catalogue import catalogue
from benchmark.errors import UsageError
from benchmark.judging.printed import printed_numbers
from tables.__main__ import main
from tables.claims.evidence import Evidence
from tables.imported.csvfile import read_csv
from tables.imported.judged import judge_file, write
from tables.imported.tslib import read_tslib
from tables.rows.judge import judge

TAIL = "dm512_nh8_el2_dl1_df2048_expand2_dc4_fc1_ebtimeF_dtTrue_Exp"


def setting(model_id: str, model: str, data: str, lookback: int, horizon: int, run: int = 0, features: str = "M") -> str:
    """As run.py of Time-Series-Library writes it."""
    return f"long_term_forecast_{model_id}_{model}_{data}_ft{features}_sl{lookback}_ll48_pl{horizon}_{TAIL}_{run}"


def test_the_printed_numbers_are_all_reproduced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = catalogue().papers["samformer"]
    assert paper.printed is not None
    lines = ["dataset,horizon,model,seed,mse,lookback"] + [
        f"{dataset},{horizon},{model},{seed},{number.value},{number.lookback}"
        for (dataset, horizon, model, _), number in printed_numbers(paper.printed).items()
        for seed in range(3)
        if model in paper.columns and number.lookback == "512"
    ]  # fmt: skip
    path = tmp_path / "results.csv"
    path.write_text("\n".join(lines) + "\n")
    assert main(["judge", str(path), "--paper", "SAMformer"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("SAMformer: Under protocol `imported` it holds on average: over the 32 cells that are judged")
    folder = tmp_path / "results.csv.judged"
    assert not (folder / "cells").exists() and not (folder / "judged.json").exists()
    with (folder / "tables/samformer.imported.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["n"] == "3"]
    assert len(rows) == (len(lines) - 1) // 3
    assert {(row["verdict"], row["recipe_status"]) for row in rows} == {("reproduced", "imported")}
    for name in ("samformer.imported.md", "samformer.imported.tex", "samformer.imported.png", "claims.md"):
        assert (folder / "tables" / name).is_file(), out
    table = (folder / "tables/samformer.imported.md").read_text("utf-8")
    assert "**Imported: " in table and "neither trained nor tested" in table and "§" not in table and "_PatchTST_" in table
    claims = (folder / "tables/claims.md").read_text("utf-8")
    assert "imported" in claims and "samovar" not in claims
    page = (folder / "report.html").read_text("utf-8")
    assert "Imported: " in page and 'id="protocols"' not in page and "0 trainings" not in page


def test_a_column_whose_cells_cancel_is_told_cell_by_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = catalogue().papers["samformer"].printed
    assert printed is not None
    ours = {key: number for key, number in printed_numbers(printed).items() if key[2] == "SAMformer"}
    values = [(key, number.value * (1.1 if place % 2 else 0.9)) for place, (key, number) in enumerate(ours.items())]
    path = tmp_path / "results.csv"
    path.write_text("\n".join([
        "dataset,horizon,model,seed,mse,lookback",
        *(f"{d},{h},{model},{seed},{value},512" for (d, h, model, _), value in values for seed in range(3)),
    ]))  # fmt: skip
    assert main(["judge", str(path), "--paper", "SAMformer"]) == 0
    out = capsys.readouterr().out
    assert "it holds on average: over the 32 cells" in out and "cell by cell 16 better, 16 worse; the largest" in out


TSLIB = "\n".join([
    setting("ETTh1_96_96", "iTransformer", "ETTh1", 96, 96), "mse:0.386, mae:0.405", "",
    setting("weather_96_192", "iTransformer", "custom", 96, 192) + "  ", "mse:0.221, mae:0.254, dtw:Not calculated", "",
    setting("weather_96_192", "iTransformer", "custom", 96, 192, run=1), "mse:0.222, mae:0.255, dtw:1.5", "",
    setting("ECL_96_96", "Nonstationary_Transformer", "custom", 96, 96), "mse: nan, mae: nan", "",
    "weather_96_336_iTransformer_custom_M_ft96_sl48_ll336_pl512_dm8_nh3_el1_dl512_df1_fctimeF_ebTrue_dtExp_projection_0  ",
    "mse:0.278, mae:0.296", "",
    setting("traffic", "iTransformer", "custom", 96, 96), "mse:0.395, mae:0.268", "",
])  # fmt: skip


def test_result_files_of_time_series_library(tmp_path: Path) -> None:
    path = tmp_path / "result_long_term_forecast.txt"
    path.write_text(TSLIB)
    known = catalogue()
    judged = judge_file(known, path, known.papers["itransformer"])
    assert judged.left == [] and judged.notes == []
    found = {(r.key.dataset, r.key.horizon, r.key.model): r for r in judged.subject.rows if r.key.metric == "mse" and
             (r.ours.n or r.ours.not_finite)}  # fmt: skip
    assert {cell: (row.ours.values, row.key.lookback) for cell, row in found.items()} == {
        ("ETTh1", 96, "iTransformer"): ((0.386,), 96), ("Weather", 192, "iTransformer"): ((0.221, 0.222), 96),
        ("Weather", 336, "iTransformer"): ((0.278,), 96), ("Traffic", 96, "iTransformer"): ((0.395,), 96),
        ("ECL", 96, "Nonstationary_Transformer"): ((), 96),
    }  # fmt: skip
    row = found["ETTh1", 96, "iTransformer"]
    assert row.printed is not None and row.comparison.words == "too few seeds" and row.comparison.deviation_pct == 0
    assert found["ECL", 96, "Nonstationary_Transformer"].ours.not_finite == (0,)
    mae = next(r for r in judged.subject.rows if r.key.metric == "mae" and r.key.dataset == "Weather" and r.ours.n == 2)
    assert mae.ours.values == (0.254, 0.255)


def test_what_cannot_be_read_is_named_by_its_line() -> None:
    text = "\n".join([
        setting("ETTh1_96_96", "DLinear", "ETTh1", 96, 96), setting("ETTh1_96_96", "DLinear", "ETTh1", 96, 96),
        "mse:0.3, mae:0.4", "mse:0.3, mae:0.4", "presente_PV_Coffee.csv_sl52_ll26_pl52", "mse:0.3, mae:0.4",
        setting("ECL_96_96", "DLinear", "custom", 96, 96, features="S"), "mse:0.3, mae:0.4",
        setting("test", "Unknown", "custom", 96, 96), "mse:0.3, mae:0.4",
        setting("ETTh1_96_96", "DLinear", "ETTh1", 96, 96), "mse:0.3, rmse:0.4", setting("a_1_2", "DLinear", "x", 9, 9),
    ])  # fmt: skip
    read = read_tslib(text, ["DLinear"])
    assert [number.line for number in read.numbers] == [2]
    said = dict(read.left)
    assert sorted(said) == [1, 4, 5, 7, 9, 11, 13]
    expected = {1: "without errors below", 4: "without a setting above", 5: "expected a setting", 7: "features S",
                9: "cannot tell data set and model", 11: "expected mae:NUMBER", 13: "without errors"}  # fmt: skip
    for line, words in expected.items():
        assert words in said[line]


CSV = """dataset,horizon,model,seed,mse,lookback,remark
etth1,96,samformer,0,0.381,512,
ETTh1,96,SAMformer,1,0.382,512,
ETTh1,96,SAMformer,2,0.380,512,
ETTh1,96,SAMformer,2,0.999,512,again
ETTh1,96,SAMformer,3,0.5,336,
ETTh1,96,SAMformer,x,0.381,512,
ETTh1,96,SAMformer,4,zero,512,
ETTh1,100,SAMformer,0,0.381,512,
Wether,96,SAMformer,0,0.381,512,
ETTh1,96,Mine,0,0.36,512,
ETTh1,96,SAMformer,5,0,381,512,
ETTh1,96,SAMformer,6,1e200,512,
"""


def test_lines_without_a_place_are_named_and_the_rest_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(CSV)
    assert main(["judge", str(path), "--paper", "samformer", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{path}: columns that are not used: remark"
    expected = {
        5: "the same training has other numbers in line 4, which is taken",
        6: "lookback: 336, of a cell of which those of look-back 512 stand in the table",
        7: "seed: expected a whole number from 0, found 'x'", 8: "mse: expected a number, found 'zero'",
        9: "horizon: samformer has 96, 192, 336, 720 for ETTh1, found 100",
        10: "dataset: 'Wether' is not in the grid of samformer; did you mean 'Weather'?",
        12: "expected 7 fields as in the head, found 8: decimal commas?",
        13: "mse: expected a number from 0 to 1e+100, found '1e200'",
    }  # fmt: skip
    assert said[1:] == [f"{path}:{line}: {what}; left out" for line, what in expected.items()]
    text = (tmp_path / "out/tables/samformer.imported.csv").read_text()
    found = [row for row in csv.DictReader(io.StringIO(text)) if (row["dataset"], row["metric"]) == ("ETTh1", "mse")]
    rows = {(row["horizon"], row["model"]): row for row in found}
    assert (rows["96", "SAMformer"]["verdict"], rows["96", "SAMformer"]["seeds"]) == ("reproduced", "0 1 2")
    assert (rows["96", "Mine"]["mean"], rows["96", "Mine"]["verdict"]) == ("0.360000", "")
    assert "Mine ours" in (tmp_path / "out/tables/samformer.imported.md").read_text("utf-8")


def test_a_misspelt_column_and_another_look_back_are_said(tmp_path: Path) -> None:
    path, known = tmp_path / "given.csv", catalogue()
    lines = ["ETTh1,96,SAMformr,0,0.38,512", "ETTh1,96,SAMformer,0,0.38,96", "ETTh1,192,SAMformer,0,0.42,96"]
    path.write_text("\n".join(["dataset,horizon,model,seed,mse,lookback", *lines]))
    judged = judge_file(known, path, known.papers["samformer"])
    assert judged.left == [] and len(judged.notes) == 2
    assert "'SAMformr' is no column of samformer" in judged.notes[0] and "did you mean 'SAMformer'?" in judged.notes[0]
    assert judged.notes[1].endswith("2 cells of look-back 96, printed at 512: not compared")


def test_what_a_table_program_writes_is_read_or_said() -> None:
    """Whole numbers as 512.0, an index without a name, a column that is nearly called so, separators that are no commas."""
    read = read_csv("x.csv", ",dataset,horizon,model,seed,mse,look_back\n0,ETTh1,96.0,SAMformer,0.0,0.38,512\n")
    assert (read.numbers[0].horizon, read.numbers[0].seed, read.numbers[0].lookback, read.left) == (96, 0, 0, [])
    assert read.notes == ["x.csv: columns that are not used: one without a name, look_back (did you mean 'lookback'?)"]
    with pytest.raises(UsageError, match=r"x\.csv:1: the columns are separated by ';'; expected commas"):
        read_csv("x.csv", "dataset;horizon;model;seed;mse\n")
    read = read_csv("x.csv", "dataset,horizon,model,mse,std,n\nETTh1,96,SAMformer,0.38,0.01,1000000000000\n")
    assert read.left == [(2, "n: expected a whole number from 1 to 100,000, found '1000000000000'")]


def test_means_have_a_deviation_and_a_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "means.csv"
    path.write_text("dataset,horizon,model,mse,std,n\nETTh1,96,SAMformer,0.381,0.001,5\nETTh1,192,SAMformer,0.409,,5\n")
    known = catalogue()
    judged = judge_file(known, path, known.papers["samformer"])
    assert judged.left == [f"{path}:3: std: expected the standard deviation over the 5 trainings, found nothing; left out"]
    (row,) = (row for row in judged.subject.rows if row.ours.n)
    assert row.comparison.words == "not comparable"
    assert judged.notes[0].endswith("or --lookback 512 where it is that of the printed numbers, says it")
    judged = judge_file(known, path, known.papers["samformer"], lookback=512)
    (row,) = (row for row in judged.subject.rows if row.ours.n)
    assert (row.comparison.words, row.ours.mean, row.ours.std, row.ours.n) == ("reproduced", 0.381, 0.001, 5)
    assert judged.notes == []
    path.write_text("dataset,horizon,model,mse,std,n\nETTh1,96,SAMformer,0.381,0.001,5\nETTh1,96,iTransformer,0.4,0.01,5\n")
    judged = judge_file(known, path, known.papers["samformer"])
    assert "2 cells without" in judged.notes[0] and judged.notes[0].endswith("or --lookback N, says it"), (
        "printed: 512 and 96"
    )
    path.write_text("dataset,horizon,model,mse,std,n\nETTh1,96,SAMformer,0.381,0.001,5\nETTh1,192,SAMformer,0.409,,5\n")
    assert main(["judge", str(path), "--paper", "samformer", "--lookback", "512", "--out", str(tmp_path / "out")]) == 1


@pytest.mark.parametrize(("content", "what"), [
    ("dataset,horizon,modle,seed,mse\n", ":1: the column 'model' is missing; did you mean 'modle'?; expected"),
    ("", ":1: the column 'dataset' is missing; expected dataset,horizon"),
    ("dataset,horizon,model,mse\n", ":1: the column 'seed' is missing"),
    ("dataset,horizon,model,seed,mse\nX,96,SAMformer,0,0.3\n", ": no number of it has a place in the grid of samformer"),
])  # fmt: skip
def test_a_file_of_another_form_is_said_in_one_line(
    tmp_path: Path, content: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.csv"
    path.write_text(content)
    assert main(["judge", str(path), "--paper", "samformer"]) == 2
    assert (said := capsys.readouterr().err).startswith(f"python -m tables: {path}{what}") and said.count("\n") == 1, said
    assert [each.name for each in tmp_path.iterdir()] == ["results.csv"]


LOG = """Args in experiment:
Namespace(random_seed=2024, model='AutoregressiveAlignment', data='ETTh1')
>>>>>>>start training : {setting}>>>>>>>>>>>>>>>>>>>>>>>>>>
Starting Training Epoch: 0
\titers: 100, epoch: 1 | loss: 1.0349131
Test Steps: 221, Steps: 221 | Train Loss: 1.1034913 Vali Loss: 0.7012345 Test Loss: 0.3912345
>>>>>>>testing : {setting}<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<
(2785, 96, 7) (2785, 96, 7)
"""
"""In the form in which SAMoVAR's code prints it; made up."""


@pytest.mark.parametrize(("content", "line", "what"), [
    (LOG, 6, "a log, which has a loss on the test windows after every epoch, and not which epoch counts"),
    ("{setting}\n\n{setting}\n", 1, "settings without their errors, as SAMoVAR's code writes them into result.txt"),
])  # fmt: skip
def test_a_log_is_no_result_and_it_is_said_what_is(
    tmp_path: Path, content: str, line: int, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "2024_AutoregressiveAlignment_LinearAttention_ETTh1_1024_96.log"
    name = f"{path.stem}_AutoregressiveAlignment_ETTh1_ftM_sl1024_ll1024_pl96_dm0_nh8_ebtimeF_Exp_0"
    path.write_text(content.format(setting=name))
    assert main(["judge", str(path), "--paper", "samovar"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"python -m tables: {path}:{line}: {what}; give ") and said.count("\n") == 1
    assert "CSV (dataset,horizon,model,seed,mse[,mae,lookback] or " in said and "that validation chose" in said
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_store_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results/cells").mkdir(parents=True)
    assert main(["judge", "x.csv", "--paper", "samformer", "--out", str(tmp_path / "results")]) == 2
    assert "not mixed with imported numbers" in capsys.readouterr().err


def test_a_stores_protocols_stand_beside_it_where_that_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "means.csv"
    path.write_text("dataset,horizon,model,mse,std,n,lookback\nETTh1,96,SAMformer,0.381,0.001,5,512\n")
    known = catalogue()
    judged = judge_file(known, path, known.papers["samformer"])
    rows = [replace(row, ours=replace(row.ours, mean=0.4)) if row.ours.n else row for row in judged.subject.rows]
    stored = Evidence(known, {"samformer": {("paper", "paper"): judge(rows, "paper")}})
    written = write(judged, tmp_path / "out", lambda of, base: [], lambda of: [], stored)
    assert tmp_path / "out/tables/explain.md" in written
    text = (tmp_path / "out/tables/explain.md").read_text("utf-8")
    nearness = {words[1].strip(): words[2].strip() for line in text.splitlines() if len(words := line.split("|")) > 6}
    assert nearness["**imported**"] == "0.0" and nearness["paper"] == "5.0", text
