"""A docstring cites what is in the repository: files, and headings of documents."""

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
