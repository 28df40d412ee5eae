from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import changed

from benchmark.config.catalogue import Catalogue
from benchmark.config.paper import Last, Layout, Paper
from benchmark.config.reader import parse_paper
from benchmark.config.yamlfile import load
from benchmark.errors import UsageError
from benchmark.judging import printed
from tables.__main__ import main
from tables.documents.longcsv import long_csv
from tables.layout import html, latex, texts
from tables.layout.markdown import own_table
from tables.layout.pages import pages_of
from tables.layout.table import Options, PaperTable, paper_tables
from tables.layout.texts import Group, TextGrid
from tables.render import read
from tables.rows.judge import column_verdicts
from tables.rows.means import AVERAGE, means
from tables.rows.row import Row
from tests.tables.test_latex import pages

pytest_plugins = ("tests.tables.made_up", "tests.tables.printed_as_ours")

PRINTED = """paper,table,dataset,lookback,horizon,model,metric,value,std,status,provenance
made,Table 1,toy,16,4,With_SAM,mse,0.38,,verified,paper
made,Table 1,toy,16,8,With_SAM,mse,0.4,,verified,paper
made,Table 1,toy,16,avg,With_SAM,mse,0.39,,verified,paper
made,Table 1,toy,16,4,Plain,mse,0.5,,sum-checked,paper
made,Table 1,toy,16,8,Plain,mse,0.5,,verified,paper
made,Table 1,toy,,avg,Plain,mse,0.5,,verified,paper
made,Table 1,toy,96,4,Other_1,mse,0.38,,unverified,paper
made,Table 1,toy,96,8,Other_1,mse,0.45,,verified,paper
made,Table 1,toy,96,avg,Other_1,mse,0.415,,verified,paper
made,Ranks,all,,all,With_SAM,avg_rank,1.25,,verified,paper
made,Ranks,all,,all,Other_1,avg_rank,1.75,,verified,paper
"""

LAYOUT = Layout("Table 1", ("mse",), "both", ("toy",), ("With_SAM", "Plain", "Other_1"),
                (Last("improvement"), Last("rank", "Ranks", "avg_rank"), Last("first")))  # fmt: skip


@pytest.fixture
def paper(made: Any) -> Paper:
    (Path(printed.CONFIG_DIR) / "published" / "made.csv").write_text(PRINTED)
    return replace(made.paper, layout=(LAYOUT,))


@pytest.fixture
def rows(row: Any) -> list[Row]:
    """Of column Plain horizon 8 has a seed less."""
    numbers = {("With_SAM", 4): (0.38, 0.381, 0.379), ("With_SAM", 8): (0.4, 0.4, 0.4),
               ("Plain", 4): (0.5, 0.51, 0.49), ("Plain", 8): (0.5, 0.52)}  # fmt: skip
    return [
        row("toy", h, m, mean=sum(v) / len(v), std=0.0, n=len(v), published=0.38, values=v, sam=m == "With_SAM")
        for (m, h), v in numbers.items()
    ]


def test_a_pipe_in_the_place_of_printed_numbers_is_named(paper: Paper) -> None:
    path = Path(printed.CONFIG_DIR) / "published" / "made.csv"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UsageError, match=r"made\.csv: not a file of printed numbers .*found a pipe"):
        printed.printed_numbers(paper.printed)


def test_a_mean_over_horizons_is_seed_by_seed_and_of_all_horizons(paper: Paper, rows: list[Row]) -> None:
    with_sam, plain = means(paper, rows, "paper")
    assert with_sam.ours.values == pytest.approx((0.39, 0.3905, 0.3895))
    assert (with_sam.key.horizon, with_sam.key.lookback, with_sam.ours.n) == (AVERAGE, 16, 3)
    assert with_sam.comparison.verdict == "reproduced"
    assert (plain.ours.n, plain.ours.seeds, plain.missing) == (2, (0, 1), 1), "the seed that lacks a horizon does not count"
    assert plain.ours.mean == pytest.approx(0.5075)
    assert plain.comparison.verdict == "not comparable", "its look-back is not stated"
    assert [r.comparison.verdict for r in means(paper, rows[:1], "paper")] == ["missing"], "of one horizon there is no mean"
    assert [r.ours.mean for r in means(paper, [rows[0], changed(rows[1], values=(), seeds=(), n=0)], "paper")] == [None]


MARKDOWN = """\
## Table 1: test MSE

| data set                |   H | With\\_SAM ours    |   printed |    | Plain ours      |   printed |    |   _Other\\_1_ MSE |
|:------------------------|----:|:------------------|----------:|:--:|:----------------|----------:|:--:|-----------------:|
| toy                     |   4 | **0.380** ± 0.000 |     0.380 | =  | _0.500_ ± 0.000 |     0.380 | ↑  |           0.380‡ |
|                         |   8 | **0.400** ± 0.000 |     0.380 | ↑  | _0.510_ ± 0.000 |     0.380 | ○  |            0.450 |
|                         | avg | **0.390** ± 0.001 |     0.390 | =  | _0.508_ ± 0.011 |     0.500 | ×  |            0.415 |
| improvement, %          |     | –                 |         – |    | 22.77 (2)       |      0.00 |    |             8.43 |
| average rank, ours of 2 |     | 1.00 (2)          |      1.25 |    | 2.00 (2)        |         – |    |             1.75 |
| first places, ours of 2 |     | 2 (2)             |         2 |    | 0 (2)           |         2 |    |                1 |

Best of ours in bold, second in italics. Verdicts: = reproduced, ↑ worse, ○ too few seeds, × not comparable. \
Heads in italics: as printed, this suite has no recipe for it. \
Look-back, ours: 16. Look-back, printed: 16: With\\_SAM; 16 or not stated: Plain; 96: Other\\_1. \
Improvement, %: of the first column over each other one, by the sums over the lines that both have (how many); \
printed: the paper's own figure, where it has one. \
Average rank: among the columns, over the lines in which all have a number (how many), ties by the digits shown; \
printed: over all lines and columns of the paper's table. \
First places: ties counted for each; ours and printed each over the lines in which all of its columns have a number. \
Columns on average, over all their cells that are judged: With\\_SAM worse (2.6 % over 2 cells), \
Plain worse (31.6 % over 1 cell)."""  # noqa: E501


def test_a_papers_own_layout_as_markdown(paper: Paper, rows: list[Row]) -> None:
    (table,) = paper_tables(paper, rows, "paper", Options())
    assert own_table(table) == MARKDOWN
    theirs = "Look-back, printed: 16: With_SAM; 16 or not stated: Plain; 96: Other_1."
    assert theirs in html.own_table(table, "Table 1", lambda row: ""), "the page says it, too"


def test_our_look_backs_are_told_by_what_they_depend_on(paper: Paper, rows: list[Row], row: Any) -> None:
    def told(lookbacks: dict[tuple[str, int, str], int]) -> str:
        made = [row(d, h, m, lookback=lookback) for (d, h, m), lookback in lookbacks.items()]
        there = replace(paper, layout=(replace(LAYOUT, datasets=("toy", "other"), last=(), horizons="each"),))
        return texts.own_lookbacks(*paper_tables(there, made, "paper", Options()), str, "H = {}")

    assert told({("toy", 4, "Plain"): 8, ("toy", 8, "Plain"): 16}) == "8 (H = 4), 16 (H = 8)"
    assert told({("toy", 4, "Plain"): 8, ("toy", 4, "With_SAM"): 16}) == "8 (Plain), 16 (With_SAM)"
    assert told({("toy", 4, "Plain"): 8, ("other", 4, "Plain"): 16}) == "8 (toy), 16 (other)"
    both = {("toy", 4, "Plain"): 8, ("toy", 8, "Plain"): 16, ("toy", 4, "With_SAM"): 16, ("toy", 8, "With_SAM"): 8}
    assert told(both) == "8 to 16, cell by cell"


def test_a_papers_own_layout_as_latex(paper: Paper, rows: list[Row], tmp_path: Path) -> None:
    text = latex.document(paper, rows, "paper", "paper")
    body = text.partition("\\toprule\n")[2].partition("\\bottomrule")[0]
    expected = r"""\multicolumn{2}{c}{} & \multicolumn{3}{c}{With\_SAM} & \multicolumn{3}{c}{Plain} & \textit{Other\_1} \\
\cmidrule(lr){3-5} \cmidrule(lr){6-8} \cmidrule(lr){9-9}
data set & $H$ & ours & printed & & ours & printed & & MSE \\
\midrule
toy & 4 & \textbf{0.380} {\scriptsize$\pm$ 0.000} & 0.380 & $=$ & \underline{0.500} {\scriptsize$\pm$ 0.000} & 0.380 & $\uparrow$ & 0.380$^{\ddagger}$ \\
 & 8 & \textbf{0.400} {\scriptsize$\pm$ 0.000} & 0.380 & $\uparrow$ & \underline{0.510} {\scriptsize$\pm$ 0.000} & 0.380 & $\circ$ & 0.450 \\
 & avg & \textbf{0.390} {\scriptsize$\pm$ 0.001} & 0.390 & $=$ & \underline{0.508} {\scriptsize$\pm$ 0.011} & 0.500 & $\times$ & 0.415 \\
\midrule
improvement, \% & & -- & -- & & 22.77 (2) & 0.00 & & 8.43 \\
average rank, ours of 2 & & 1.00 (2) & 1.25 & & 2.00 (2) & -- & & 1.75 \\
first places, ours of 2 & & 2 (2) & 2 & & 0 (2) & 2 & & 1 \\
"""  # noqa: E501
    assert body == expected
    assert "(look-back 16: With\\_SAM; 16 or not stated: Plain; 96: Other\\_1)" in text
    assert "In italics: as printed" in text and pages(text, tmp_path) == 1


def test_an_improvement_over_other_cells_than_the_printed_one_has_the_printed_one_over_its_own(
    paper: Paper, rows: list[Row], tmp_path: Path
) -> None:
    numbers = {("With_SAM", 4): 0.38, ("With_SAM", 8): 0.4, ("Plain", 4): 0.5, ("Plain", 8): 0.45}
    rows = [replace(row, printed=replace(row.printed, value=numbers[row.key.model, row.key.horizon])) for row in rows]
    fewer = [changed(rows[3], mean=None, n=0, values=(), seeds=()) if i == 3 else row for i, row in enumerate(rows)]
    (whole,), (part,) = (paper_tables(paper, of, "paper", Options()) for of in (rows, fewer))
    assert [below.row for below in whole.below] == ["improvement", "rank", "first"], "all cells: one line says both"
    plain = (("Plain", False), "mse")
    assert plain not in part.below[0].ours and part.below[0].printed[plain] == pytest.approx(100 * (1 - 0.78 / 0.95))
    same = part.below[1]
    assert same.ours[plain] == (pytest.approx(24.0), 1) and same.printed[plain] == pytest.approx(24.0), "of horizon 4 alone"
    text = own_table(part)
    line = next(line for line in text.splitlines() if line.startswith("| the same cells, %"))
    assert [cell.strip() for cell in line.split("|")[3:10]] == ["–", "–", "", "24.00 (1)", "24.00", "", "–"]
    assert "The same cells, %: that improvement over the lines of which there are ours and printed numbers" in text
    assert "the same cells, " in latex.document(paper, fewer, "paper", "paper")


def test_transposed_without_std_and_with_other_digits(paper: Paper, rows: list[Row], tmp_path: Path) -> None:
    options = Options(digits=2, std=False, transposed=True, models=("Plain", "With_SAM"))
    text = latex.document(paper, rows, "paper", "paper", options)
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    assert (
        body
        == r"""Plain & ours & \underline{0.50} & \underline{0.51} & \underline{0.51} & -- & 2.00 (2) & 0 (2) \\
 & printed & 0.38 $\uparrow$ & 0.38 $\circ$ & 0.50 $\times$ & -- & -- & 2 \\
\addlinespace
With\_SAM & ours & \textbf{0.38} & \textbf{0.40} & \textbf{0.39} & $-$29.49 (2) & 1.00 (2) & 2 (2) \\
 & printed & 0.38 $=$ & 0.38 $\uparrow$ & 0.39 $=$ & 0.00 & 1.25 & 2 \\
"""
    )
    assert pages(text, tmp_path) == 1


def test_which_metrics_and_a_table_without_results(paper: Paper, rows: list[Row]) -> None:
    assert paper_tables(paper, rows, "paper", Options(metrics=("mae",))) == []
    assert paper_tables(paper, [changed(r, n=0, mean=None, values=(), seeds=()) for r in rows], "paper", Options()) == []
    both = replace(paper, layout=(replace(LAYOUT, metrics=("mse", "mae")),))
    (table,) = paper_tables(both, rows, "paper", Options(metrics=("mse",)))
    assert table.layout.metrics == ("mse",)


def test_two_metrics_side_by_side(paper: Paper, rows: list[Row], tmp_path: Path) -> None:
    both = replace(paper, layout=(replace(LAYOUT, metrics=("mse", "mae"), last=()),))
    rows = [*rows, *(changed(r, metric="mae", printed=None, verdict="") for r in rows)]
    text = latex.document(both, rows, "paper", "paper")
    assert r"data set & $H$ & MSE & printed & & MAE & MSE & printed & & MAE & MSE & MAE \\" in text
    assert pages(text, tmp_path) == 1


def test_the_csv_has_the_means_too(paper: Paper, rows: list[Row]) -> None:
    line = long_csv(means(paper, rows, "paper")).splitlines()[1]
    assert line.startswith(
        "made,paper,paper,toy,16,avg,With_SAM,on,mse,0.390000,0.000500,3,1,0 1 2,0.390000,verified,16,0.000000,repr"
    )
    mixed = means(paper, [rows[0], changed(rows[1], lookback=32)], "paper")
    assert long_csv(mixed).splitlines()[1].startswith("made,paper,paper,toy,,avg,")


def wide(groups: int, lines: int) -> TextGrid:
    names = tuple((f"set {i // 4}", str(i)) for i in range(lines))
    group = Group("model", ("ours",), ("l",), tuple(("0.123",) for _ in range(lines)))
    return TextGrid(("data set", "H"), names, (group,) * groups, lines)


@pytest.mark.parametrize(
    ("groups", "lines", "expected"),
    [
        (4, 32, [(4, 32, False)]),
        (18, 8, [(18, 8, True)]),  # too wide to stand, not to lie
        (4, 64, [(4, 32, False)] * 2),
        (18, 48, [(9, 48, False)] * 2),  # in two upright rather than in two halves lying
        (40, 8, [(20, 8, True)] * 2),
    ],
)
def test_what_does_not_fit_lies_or_is_split_evenly(groups: int, lines: int, expected: list[tuple[int, int, bool]]) -> None:
    found = [(len(p.grid.groups), len(p.grid.lines), p.sideways) for p in pages_of(wide(groups, lines))]
    assert found == expected


@pytest.mark.parametrize("name", ["samformer", "itransformer"])
@pytest.mark.parametrize("options", [Options(), Options(std=False, transposed=True)], ids=["upright", "transposed"])
def test_the_papers_own_tables_compile_and_fit(
    as_ours: tuple[Catalogue, Path], tmp_path: Path, name: str, options: Options
) -> None:
    known, folder = as_ours
    _, evidence = read(known, folder)
    text = latex.document(known.papers[name], evidence.rows_of[name]["paper", "paper"], "paper", "paper", options)
    assert pages(text, tmp_path) == text.count(r"\begin{table}") + text.count(r"\begin{sidewaystable}")
    assert r"\uparrow" not in text and r"\downarrow" not in text, "the printed numbers reproduce themselves"


def test_the_printed_numbers_as_ours_give_the_printed_totals(as_ours: tuple[Catalogue, Path]) -> None:
    known, folder = as_ours
    _, evidence = read(known, folder)
    table = paper_tables(known.papers["samformer"], evidence.rows_of["samformer"]["paper", "paper"], "paper", Options())[0]
    ours = {column: f"{value:.2f}" for ((column, _), _), (value, _) in table.below[0].ours.items()}
    printed = {column: f"{value:.2f}" for ((column, _), _), value in table.below[0].printed.items()}
    assert ours == {"Transformer": "16.96", "TSMixer": "14.33", "TSMixer+SAM": "5.25"}
    assert printed == {**ours, "iTransformer": "3.94", "PatchTST": "11.13", "FEDformer": "12.36"}
    verdicts = [of.found for name in ("samformer", "itransformer", "ltsf_linear")
                for of in column_verdicts(evidence.rows_of[name]["paper", "paper"], "paper").values()]  # fmt: skip
    assert len(verdicts) >= 8 and {found.verdict for found in verdicts} == {"reproduced"}
    assert max(found.cells for found in verdicts) == 52


BAD = [
    ("metrics: [mse]}", "unknown metric 'mme'", "metrics: [mme]}"),
    ("metrics: [mse]}", "'table' is missing", None),
    ("metrics: [mse]}", "unknown data set 'toi'; did you mean 'toy'?", "datasets: [toi]}"),
    ("metrics: [mse]}", "unknown line below a table 'frist'; did you mean 'first'?", "last: [{row: frist}]}"),
    ("metrics: [mse]}", "expected 'row', alone or with the 'table' and 'metric'", "last: [{row: rank, table: T}]}"),
    ("metrics: [mse]}", "unknown key 'horizon'; did you mean 'horizons'?", "horizon: mean}"),
]


@pytest.mark.parametrize(("_", "message", "line"), BAD, ids=[b[1] for b in BAD])
def test_a_layout_that_is_not_as_it_should_be(tmp_path: Path, _: str, message: str, line: str | None) -> None:
    layout = "layout: [{metrics: [mse]}]" if line is None else f"layout: [{{table: T, {line}]"
    path = tmp_path / "made.yaml"
    from tests.tables.made_up import PAPER  # at the top it would be read before pytest has taken it for a plugin

    path.write_text(f"{PAPER}{layout}\n".replace("'a_b & 50%#<1'", "toy2").replace("toy, toy2", "toy"))
    with pytest.raises(UsageError, match=re.escape(message)):
        parse_paper(load(path), ("toy",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "SAMformre"], "--models: unknown 'SAMformre'; did you mean 'SAMformer'?"),
        (["--papers", "samfomer"], "--papers: unknown 'samfomer'; did you mean 'samformer'?"),
        (["--metrics", "msse"], "--metrics: unknown 'msse'; did you mean 'mse'?"),
        (["--digits", "9"], "argument --digits: invalid choice: 9"),
        (["--papers", "samovar", "--metrics", "mae"], "--metrics: the tables of samovar have mse alone"),
        (["--papers", "samovar", "--models", "TSMixer"], "--models: samovar has none of TSMixer; it has SAMoVAR, "),
        (["--transpose"], "unknown option '--transpose'; did you mean '--transposed'?"),
    ],
)
def test_options_that_cannot_be(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cells").mkdir()
    try:
        status = main(["render", "--results-dir", str(tmp_path), *arguments])
    except SystemExit as end:
        status = int(str(end.code))
    assert status == 2 and message in capsys.readouterr().err


def test_options_reach_the_tables(as_ours: tuple[Catalogue, Path], tmp_path: Path) -> None:
    _, folder = as_ours
    (tmp_path / "cells").symlink_to(folder / "cells")
    command = ["render", "--results-dir", str(tmp_path), "--papers", "SAMformer", "--models", "transformer,samformer"]
    assert main([*command, "--digits", "4", "--no-std", "--metrics", "mse", "--no-figures"]) == 0
    written = sorted(p.name for p in (tmp_path / "tables").iterdir())
    assert written == ["samformer.csv", "samformer.md", "samformer.tex"], "the documents of all papers are left alone"
    text = (tmp_path / "tables" / "samformer.tex").read_text()
    assert r"ETTh1 & 96 & \underline{0.5090}$^{\S}$ & 0.5090 & $=$ & \textbf{0.3810} & 0.3810 & $=$ \\" in text
    assert "16.96" not in text, "the paper's improvement is over another first column"
    assert "MAE" not in text and "TSMixer" not in text.partition(r"\begin{tabular}")[2].partition(r"\end{tabular}")[0]


def test_sheet_knows_what_it_has(paper: Paper, rows: list[Row]) -> None:
    (table,) = paper_tables(paper, rows, "paper", Options())
    assert isinstance(table, PaperTable) and table.has(("With_SAM", True), "mse", "ours")
    assert not table.has(("Other_1", False), "mse", "ours") and table.has(("Other_1", False), "mse", "printed")
    assert table.not_run == ()
