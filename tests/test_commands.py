"""Every command: the same form of help, message and status; and nothing that is asked for passes in silence."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from test_split_brain import job

import run_all
from benchmark.analysis.__main__ import main as analysis
from benchmark.check import main as check
from benchmark.console import command
from benchmark.data.__main__ import main as data
from benchmark.errors import counted, either
from benchmark.forecast import main as forecast
from benchmark.new import main as new
from benchmark.perf.__main__ import main as perf
from benchmark.runner import queue
from benchmark.show import main as show
from benchmark.store.__main__ import main as store
from benchmark.store.leases import Leases
from benchmark.tracking.__main__ import main as tracking
from tables.__main__ import main as tables
from tables.claims.simulation import main as claims_simulation
from tables.explain.simulation import main as explain_simulation
from tables.rows.simulation import main as simulation

Main = Callable[[list[str]], int]
COMMANDS: dict[str, tuple[Main, tuple[str, ...]]] = {
    "python -m benchmark.analysis": (analysis, ("attention", "var", "sharpness", "landscape")),
    "python -m benchmark.check": (check, ("FILE.yaml",)),
    "python -m benchmark.new": (new, ("paper", "model", "dataset")),
    "python -m benchmark.data": (data, ("status", "fetch")),
    "python -m benchmark.forecast": (forecast, ("KEY|DIGEST",)),
    "python -m benchmark.show": (show, ("KEY|DIGEST",)),
    "python -m benchmark.store": (store, ("export", "import")),
    "python -m benchmark.tracking": (tracking, ("sync",)),
    "python -m tables": (tables, ("render", "claims", "explain", "forecast", "judge")),
}
ALL: dict[str, Main] = {name: main for name, (main, _) in COMMANDS.items()} | {
    "run_all.py": run_all.main, "python -m benchmark.perf": perf, "python -m tables.rows.simulation": simulation,
    "python -m tables.claims.simulation": claims_simulation, "python -m tables.explain.simulation": explain_simulation,
}  # fmt: skip


def call(main: Main, *words: str) -> int:
    try:
        return main(list(words))
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_without_a_word_a_command_shows_what_it_can(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main, words = COMMANDS[name]
    assert call(main) == 2, "nothing was done"
    said = capsys.readouterr()
    assert said.err == "" and said.out.startswith(f"usage: {name}")
    for word in words:
        assert re.search(rf"^ +{re.escape(word)}\s+\w", said.out, re.MULTILINE), f"{word} with what it does"


@pytest.mark.parametrize("name", ALL)
def test_what_cannot_be_is_one_line_that_begins_with_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(ALL[name], "--nonsense") == 2
    said = capsys.readouterr()
    assert said.out == "" and re.fullmatch(rf"{re.escape(name)}: .+\n", said.err)


def test_every_module_that_is_a_command_is_held_here() -> None:
    found = {
        "python -m " + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        for folder in ("benchmark", "tables")
        for path in (ROOT / folder).rglob("*.py")
        if '__name__ == "__main__"' in path.read_text("utf-8")
    }
    assert found == ALL.keys() - {"run_all.py"}


OPTION = re.compile(r"--[a-z][a-z-]*")


def documented() -> dict[str, set[str]]:
    """By command, with its word where it has some, the options in docs/interfaces.md; 'the same' are analysis' first."""
    found: dict[str, set[str]] = {"run_all.py": set()}
    for line in (ROOT / "docs/interfaces.md").read_text("utf-8").splitlines():
        first, *_, last = re.split(r"(?<!\\)\|", line)[1:-1] or [""] * 2
        if line.startswith("| `--"):
            found["run_all.py"] |= {*OPTION.findall(first)}
        elif named := re.match(r" `(python -m [\w.]+)((?: [a-z]+(?:\\\|[a-z]+)*)?)[ `]", first):
            for word in named[2].split(r"\|"):
                also = found["python -m benchmark.analysis attention"] if "the same" in last else set()
                found[f"{named[1]} {word.strip()}".strip()] = also | {*OPTION.findall(first + last)}
    return found


def test_every_option_of_every_help_is_in_the_interfaces(capsys: pytest.CaptureFixture[str]) -> None:
    def said(main: Main, *words: str) -> str:
        assert call(main, *words, "--help") == 0
        return capsys.readouterr().out

    found: dict[str, set[str]] = {}
    for name, main in ALL.items():
        for word in re.findall(r"^    ([a-z]+)(?: |$)", said(main), re.MULTILINE) or [""]:
            told = said(main, *filter(None, [word]))
            found[f"{name} {word}".strip()] = {*re.findall(r"^  (--[a-z-]+)", told, re.MULTILINE)}
    assert documented() == {name: options for name, options in found.items() if not name.endswith(".simulation")}


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.data.__main__.chosen", interrupted)
    assert data(["status"]) == 130
    assert capsys.readouterr().err == "interrupted: nothing half-written is left\n"


def test_a_reader_that_has_gone_ends_it_quietly(tmp_path: Path) -> None:
    command = [sys.executable, "run_all.py", "--dry-run", "--subset", "toy", "--results-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141, "as a shell says it of SIGPIPE"


def test_which_code_this_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(run_all.main, "--version") == 0
    said = r"forecast-benchmark \d+\.\d+\.\d+, commit ([0-9a-f]{12}\+?|not known: .*), training semantics \d+\n"
    assert re.fullmatch(said, capsys.readouterr().out)


def test_what_there_is_to_choose_from(tiny: Callable[[int], Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(run_all.main, "--list", "--config", str(tiny(1))) == 0
    out = capsys.readouterr().out
    assert (
        "\n  tiny: a grid of tiny cells, for tests\n    data sets:     toy\n    columns:       SAMformer, Transformer\n"
        in out
    )
    assert "\n    switches:      batch_mixed_denorm, buffered_order, epochs_100, " in out
    papers = "fits, itransformer, ltsf_linear, patchtst, samformer, samovar"
    assert f"\n  ETTh1:           17,420 rows, 7 channels, of {papers}\n" in out
    assert "\n  ETT:             ETTh1, ETTh2, ETTm1, ETTm2\n" in out
    assert call(run_all.main, "--list", "--no-mlflow") == 2
    assert "--no-mlflow does not go with it" in capsys.readouterr().err


PLAN = ("--dry-run", "--seeds", "1", "--results-dir", "nowhere")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--papers", "samformer", "--protocol", "paper+void_accumulation"), 2,
         "--protocol: no selected paper has the switch 'void_accumulation', which is of samovar"),
        (("--papers", "samformer", "--protocol", "paper+fixed_rho_0.7+void_accumulation"), 0,
         "--protocol: no selected paper has the switch 'void_accumulation', which is of samovar: it changes nothing"),
        (("--papers", "samformer,ltsf_linear", "--subset", "ETTh1", "--protocol", "paper+fixed_rho_0.7"), 0,
         "--protocol paper+fixed_rho_0.7 is as protocol paper in ltsf_linear: no such switches there"),
        (("--papers", "samformer", "--models", "Transformer", "--protocol", "paper+fixed_rho_0.7"), 0,
         "--protocol: the switch fixed_rho_0.7 changes no cell of samformer that is selected"),
        (("--papers", "toy", "--protocol", "released"), 0,
         "--protocol released is as protocol paper in toy: no such switches there"),
        (("--papers", "samformer", "--protocol", "paper+fixed_rho_0.7"), 0, None),
        (("--papers", "samformer", "--protocol", "paper+fixed_rho_0.7", "--shard", "2/16", "--subset", "ETTh1"), 0, None),
    ],
)  # fmt: skip
def test_a_switch_that_changes_nothing_is_said(
    words: tuple[str, ...], status: int, said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(run_all.main, *PLAN, *words) == status
    assert capsys.readouterr().err == (f"run_all.py: {said}\n" if said else "")


def test_a_file_that_changes_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.yaml"
    for text in ("epochs: 2", "epochs: {value: 2, source: 'a colleague: two', status: ours}"):
        mine.write_text(f"recipes:\n  toy:\n    {text}\n")
        assert call(run_all.main, *PLAN, "--config", str(mine), "--papers", "samformer") == 0
        assert capsys.readouterr().err == f"run_all.py: --config {mine}: it changes no cell that is selected\n"
        assert call(run_all.main, *PLAN, "--config", str(mine), "--papers", "toy") == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--shard", "0/4"), "expected I/N with 1 ≤ I ≤ N, such as 1/4 to 4/4, found '0/4'"),
        (("--shard", "1-4"), "expected I/N with 1 ≤ I ≤ N, such as 1/4 to 4/4, found '1-4'"),
        (("--seeds", "1,1"), "expected each once, found '1' 2 times"),
        (("--horizons", "96,192,96"), "expected each once, found '96' 2 times"),
        (("--subset", "ETTh1,ETTh1"), "expected each once, found 'ETTh1' 2 times"),
    ],
)
def test_what_is_allowed_is_said(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(run_all.main, "--dry-run", *words) == 2
    assert said in capsys.readouterr().err


class Nobody:
    """A pool without workers."""

    alone = True

    def room(self) -> int:
        return 0


def test_whom_one_waits_for_is_said_once(
    tmp_path: Path, tiny: Callable[[int], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "POLL_SECONDS", 0.001)
    each = job(tiny(1), tmp_path)
    held = Leases(tmp_path)
    assert held.take(each.digest) is not None
    (tmp_path / "leases" / "0.json").write_text("garbage")
    waits = queue.Queue([], Nobody(), tmp_path, lambda result: None)  # type: ignore[arg-type]
    waits.busy = {each.digest: each, "0": each}
    monkeypatch.setattr(queue, "TELL_SECONDS", 1e9)
    waits._take_in()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(queue, "TELL_SECONDS", -1.0)
    for _ in range(3):
        waits._take_in()
    assert re.fullmatch(
        r"run_all\.py: waiting for cells that are held elsewhere: 1 by process \d+ on \S+, 1 by \S+/leases/0\.json, "
        r"no lease; who is silent for 60 s loses them\n",
        capsys.readouterr().err,
    )


SEVERAL = {
    "self.replicas", "len(place):,", "name", "found['results']:,.0f", "found['planned']:,.0f", "sets", "len(by_cell)",
    "LEAST_SETS", "out", "found.cells",
}  # fmt: skip
"""What is no count, or never 1."""
COUNTED = re.compile(
    r"\{([^{}]+)\} (?:\w+ )?"
    r"(?:cells|files|Results|rows|channels|gaps|runs|programs|values|columns|windows|data sets|days|models)\b"
)


def test_a_number_and_what_it_counts_agree() -> None:
    """No message says `1 cells`: where a number may be 1, `counted` and `either` find the words."""
    assert [counted(number, "data set") for number in (0, 1, 2)] == ["0 data sets", "1 data set", "2 data sets"]
    assert counted(12_000, "cell") == "12,000 cells" and [either(n, "is", "are") for n in (0, 1)] == ["are", "is"]
    sources = [path for folder in ("benchmark", "tables", "tools", "baselines") for path in (ROOT / folder).rglob("*.py")]
    assert {found for path in sources for found in COUNTED.findall(path.read_text("utf-8"))} <= SEVERAL


def test_a_closed_output_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell's `>&-` leaves it."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with command("x") as ended:
        print("said to nobody")
    assert ended.status == 0
