"""LaTeX that goes into a paper as it is: what stands in it, and that it fits the pages that it is for."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tables.__main__ import main
from tables.layout.forpaper import PAGES, Wish, document
from tables.layout.table import AS_IT_IS, Options

pytest_plugins = ("tests.tables.made_up",)

WHOLE = r"""% needs: \usepackage{booktabs}
\begin{table}[tbp]
\centering
\setlength{\abovecaptionskip}{0pt}\setlength{\belowcaptionskip}{5pt}
\caption{Test MSE and MAE of made's models; best in bold, second underlined.}
\label{tab:made}
\footnotesize\setlength{\tabcolsep}{3pt}
\begin{tabular}{@{}lrcccc@{}}
\toprule
 & & \multicolumn{2}{c}{With\_SAM} & \multicolumn{2}{c}{Plain} \\
\cmidrule(lr){3-4} \cmidrule(lr){5-6}
 & $H$ & {MSE} & {MAE} & {MSE} & {MAE} \\
\midrule
toy & 4 & \textbf{0.380}{\tiny$\pm$0.001} & \textbf{0.480}{\tiny$\pm$0.001} & \underline{0.450}{\tiny$\pm$0.000} & \underline{0.550}{\tiny$\pm$0.000} \\
 & 8 & \textbf{0.415}{\tiny$\pm$0.007} & \textbf{0.515}{\tiny$\pm$0.007} & \textbf{0.415}{\tiny$\pm$0.000} & \textbf{0.515}{\tiny$\pm$0.000} \\
\addlinespace[2pt]
a\_b \& 50\%\#\textless{}1 & 4 & 0.100 & 0.200 & {--} & {--} \\
\bottomrule
\end{tabular}
\par\smallskip
\begin{minipage}{\linewidth}\scriptsize
Mean over 1 to 3 seeds $\pm$ standard deviation, on the standardised scale; $H$: horizon, look-back 16. --: not run, or not printed. Recipe values that are not verified at their source: Plain.
\end{minipage}
\end{table}
"""  # noqa: E501


def table(made: Any, capsys: pytest.CaptureFixture[str], *options: str, config: Path | None = None) -> str:
    made.fill()
    from tables.render import read
    from tables.rows.row import Row

    rows: list[Row] = list(read(made.catalogue, made.results)[1].rows_of["made"]["paper", "paper"])
    capsys.readouterr()
    return document(made.paper, rows, "paper", "paper", AS_IT_IS, Wish(verdicts="v" in options, printed="p" in options,
                    siunitx="s" in options, caption="Mine.", label="tab:mine") if options else Wish())  # fmt: skip


def test_whole(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert table(made, capsys) == WHOLE


def test_options(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = table(made, capsys, "p", "v")
    assert "\\caption{Mine.}\n\\label{tab:mine}\n" in text
    assert r"\textbf{0.380}{\tiny$\pm$0.001}{$^{=}$} & 0.380 & \textbf{0.480}" in text, "the printed number, a mark"
    assert "Against the printed number: $=$ reproduced; $\\downarrow$ better" in text and "Table 1" in text
    assert "in 21/15/10 \\% of cases at a spread of 2 \\%" in text, "how often a better is wrong"
    text = table(made, capsys, "s")
    assert r"S[table-format=1.3(1)]" in text and r"\bfseries 0.380(1) & " in text and r"{\underline{0.450}(0)}" in text
    assert r"\usepackage{booktabs,siunitx}" in text and "Against" not in text and "How often" not in text


def test_the_note_says_which_column_or_horizon_has_which_lookback(made: Any, row: Any) -> None:
    def said(*cells: tuple[int, str, int]) -> str:
        rows = [row("toy", horizon, model, lookback=lookback) for horizon, model, lookback in cells]
        text = document(made.paper, rows, "paper", "paper", AS_IT_IS, Wish())
        return text.partition("look-back ")[2].partition(". ")[0]

    assert said((4, "With_SAM", 16), (4, "Plain", 32)) == r"16 (With\_SAM), 32 (Plain)"
    assert said((4, "With_SAM", 16), (8, "With_SAM", 32)) == "16 ($H = 4$), 32 ($H = 8$)"


def wide(made: Any, row: Any, models: int) -> tuple[Any, list[Any]]:
    """A table of so many models with long names, four horizons, three data sets."""
    names = [f"A_long_name_{i}" for i in range(models)]
    paper = replace(made.paper, columns={n: replace(made.paper.columns["With_SAM"], name=n) for n in names},
                    datasets=("toy", "Electricity", "weather"))  # fmt: skip
    rows = [row(d, h, n, metric=m, mean=0.4 + i / 100, published=0.4, published_status="sum-checked")
            for d in paper.datasets for h in (96, 192, 336, 720) for i, n in enumerate(names)
            for m in ("mse", "mae")]  # fmt: skip
    return paper, rows


def test_a_wide_table_is_set_in_parts_and_a_long_one_in_several_floats(made: Any, row: Any) -> None:
    paper, rows = wide(made, row, 3)
    assert document(paper, rows, "paper", "paper", AS_IT_IS, Wish(page="icml")).count(r"\begin{tabular}") == 1
    paper, rows = wide(made, row, 9)
    text = document(paper, rows, "paper", "paper", AS_IT_IS, Wish(page="column"))
    assert text.count(r"\begin{tabular}") > 5 and text.count(r"\begin{table}") > 1
    assert r"\label{tab:made-2}" in text and "(1 of " in text and text.count("Mean over") == 1
    alone = document(paper, rows, "paper", "paper", Options(std=False), Wish(page="column"))
    assert alone.count(r"\begin{tabular}") < text.count(r"\begin{tabular}")


FRAMES = {
    "article": r"\documentclass{article}",
    "twocolumn": r"\documentclass[twocolumn]{article}",
    "neurips": r"\documentclass{article}\usepackage[textwidth=5.5in,textheight=9in]{geometry}",
    "icml": r"\documentclass[twocolumn]{article}\usepackage[textwidth=6.75in,textheight=9in,columnsep=0.25in]{geometry}",
    "column": r"\documentclass[twocolumn]{article}\usepackage[textwidth=6.75in,textheight=9in,columnsep=0.25in]{geometry}",
}


@pytest.mark.parametrize("page", PAGES)
def test_it_compiles_and_fits(page: str, made: Any, row: Any, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here: install texlive-latex-extra to have the tables compiled")
    units = shutil.which("kpsewhich") and subprocess.run(["kpsewhich", "siunitx.sty"], capture_output=True).stdout
    paper, rows = wide(made, row, 6)
    wishes = [Wish(page=page), Wish(page=page, printed=True, verdicts=True, label="tab:b")]
    wishes += [Wish(page=page, siunitx=True, printed=True, verdicts=True, label="tab:c")] if units else []
    texts = [document(paper, rows, "paper", "paper", AS_IT_IS, wish) for wish in wishes]
    texts.append(document(paper, rows, "paper", "paper", Options(std=False), Wish(page=page, label="tab:d")))
    packages = r"\usepackage{booktabs}" + (r"\usepackage{siunitx}" if units else "")
    (tmp_path / "paper.tex").write_text(
        FRAMES[page] + packages + "\\begin{document}\n" + "\\clearpage\n".join(texts) + "\\end{document}\n", "utf-8"
    )
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=tmp_path,
                          capture_output=True, text=True, errors="replace", timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Overfull" not in done.stdout and "Float too large" not in done.stdout, done.stdout[-3000:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["samforner"], "unknown 'samforner'; did you mean 'samformer'?"),
        (["samformer", "--models", "SAMfromer"], "--models: unknown 'SAMfromer'; did you mean 'SAMformer'?"),
        (["samformer", "--protocol", "released"], "no Result of samformer under protocol released, profile paper"),
        (
            ["fits", "--protocol", "paper+shuffled_truncated_validation+drop_last_train_batch"],
            "no Result of fits under protocol released, profile paper",
        ),
        (["samformer", "--protocol", "nope"], "--protocol: expected paper or released"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cells").mkdir()
    assert main(["latex", *arguments, "--results-dir", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and said.out == ""
