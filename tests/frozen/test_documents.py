"""Not one byte of a document changes: every table of the frozen store beside what commit 8f7e94c rendered from it.

`documents/all` is what `python -m tables render` writes, without the figures; `documents/claims.txt` and `.md` what
`python -m tables claims` prints and writes; the other folders are samformer alone with other looks. `figures.txt` has the
names of all files of a render with figures. A document that is meant to change (a recipe, a claim, a printed number is
another one) is rendered anew from the store, looked at, and put in the place of the old one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import seams
from test_old_store import FROZEN, unpack

pytestmark = pytest.mark.usefixtures("semantics_2")

DOCUMENTS = FROZEN / "documents"
LOOKS = {
    "all": ("--no-figures",),
    "transposed": ("--no-figures", "--papers", "samformer", "--transposed"),
    "digits": ("--no-figures", "--papers", "samformer", "--digits", "2", "--no-std"),
    "mae": ("--no-figures", "--papers", "samformer", "--metrics", "mae"),
    "models": ("--no-figures", "--papers", "samformer", "--models", "Transformer,SAMformer,FEDformer"),
}
FIGURES_OF = "samformer"


def render(store: Path, *looks: str) -> dict[str, bytes]:
    """Every file that `python -m tables render` writes, by name."""
    assert seams.tables(["render", "--results-dir", str(store), *looks]) == 0
    return {path.name: path.read_bytes() for path in sorted((store / "tables").iterdir())}


def frozen(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((DOCUMENTS / folder).iterdir())}


@pytest.mark.parametrize("name", LOOKS)
def test_every_document(name: str, tmp_path: Path) -> None:
    today, before = render(unpack(tmp_path / "results"), *LOOKS[name]), frozen(name)
    if name != "all":  # the long CSV has everything, however the tables look
        before |= {file: content for file, content in frozen("all").items() if file.endswith(".csv") and file in today}
    assert sorted(today) == sorted(before)
    for file, content in before.items():
        assert today[file].decode() == content.decode(), f"{file} is another one"


def test_what_rendering_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = unpack(tmp_path / "results")
    render(store, *LOOKS["all"])
    said = capsys.readouterr()
    assert (said.out + said.err).replace(str(store), "RESULTS") == (DOCUMENTS / "said.txt").read_text("utf-8")


def test_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = unpack(tmp_path / "results")
    assert seams.tables(["claims", "--results-dir", str(store)]) == 0
    said = capsys.readouterr().out.replace(str(store), "RESULTS")
    assert said == (DOCUMENTS / "claims.txt").read_text("utf-8")
    assert (store / "tables" / "claims.md").read_text("utf-8") == (DOCUMENTS / "claims.md").read_text("utf-8")
    assert [path.name for path in (store / "tables").iterdir()] == ["claims.md"]


def test_every_figure_is_there(tmp_path: Path) -> None:
    today = render(unpack(tmp_path / "results"), "--papers", FIGURES_OF)
    assert sorted(today) == (DOCUMENTS / "figures.txt").read_text("utf-8").split()
    assert all(content for content in today.values())
