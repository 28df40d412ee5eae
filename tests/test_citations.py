"""A docstring cites what is there, files and headings of documents; and documents say what a reader relies on."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

CITED = re.compile(r"docs/(\w+)\.md(?:, ([A-Z][\w ]*\w))?")
FILES = [path for folder in ("benchmark", "baselines", "tables") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_cited_is_there(path: object) -> None:
    text = " ".join(path.read_text("utf-8").split())  # type: ignore[attr-defined]
    if ROOT / "tables" not in path.parents:  # type: ignore[attr-defined]  # a render writes a protocols.md, too
        assert not re.search(r"(?<![\w/])(protocols|models|interfaces)\.md", text), "name it as docs/….md"
    for name, heading in CITED.findall(text):
        document = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
        headings = re.findall(r"^#+ (.*)$", document, re.MULTILINE)
        assert not heading or any(line.startswith(heading) for line in headings), f"docs/{name}.md has no '{heading}'"


def said(document: str) -> str:
    """A document's text on one line."""
    return " ".join((ROOT / document).read_text("utf-8").split())


def test_the_readme_says_what_runs_code_and_what_is_the_same_again() -> None:
    readme = said("README.md")
    for document in (readme, said("docs/machines.md")):
        assert re.search(r"Whoever reaches a Dask scheduler can run (any )?code on its workers", document)
    assert (
        "On one kind of processor, with one version of torch and on the CPU, a cell gives bit for bit the same Result"
        in readme
    )


@pytest.mark.parametrize("name", ["samformer", "samovar", "performance", "reproduction"])
def test_a_document_of_measured_numbers_names_torch_and_processor(name: str) -> None:
    """Between kinds of processor the bits of a training differ; where nobody noted which it was, the document says so."""
    text = said(f"docs/{name}.md")
    assert re.search(r"torch \d+\.\d+", text)
    assert re.search(r"Xeon|[Ww]hich processor it was has not been noted", text)
