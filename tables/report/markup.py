"""Documents of Markdown as parts of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

DOWN = 2
"""A document's title is a third heading on the page."""
LEAST = 6
"""The smallest heading that HTML has."""


def html(markdown: str, name: str, title: bool = False) -> Markup:
    """A document's HTML: its headings two steps lower, with anchors that begin with `name`, its tables in frames that
    scroll. title: whether it keeps its first heading, which the page otherwise has itself.

    Markup in the document's text is text: what stands there as HTML is shown, not taken.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = list(_placed(reader.parse(markdown), name, title))
    text = str(reader.renderer.render(tokens, reader.options, {}))
    frame = f'<div class="scroll" role="region" tabindex="0" aria-label="{name}: table"><table>'
    return Markup(text.replace("<table>", frame).replace("</table>", "</table></div>"))


def inline(markdown: str) -> Markup:
    """A sentence."""
    return Markup(MarkdownIt("commonmark", {"html": False}).disable("image").renderInline(markdown))


def anchor(*words: str) -> str:
    """The words as the name of a place on the page: letters, digits and what an address has as it is."""
    return "--".join(re.sub(r"[^\w.+~-]+", "-", word).strip("-") for word in words)


def _placed(tokens: list[Token], name: str, title: bool) -> Iterator[Token]:
    """The tokens with their headings put in place."""
    skipping = False
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            skipping = not title and token.tag == "h1"
            token.attrSet("id", anchor(name, tokens[place + 1].content))
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(LEAST, int(token.tag[1]) + DOWN)}"
        if not skipping:
            yield token
        if token.type == "heading_close":
            skipping = False
