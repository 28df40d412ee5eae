"""How LaTeX writes names, numbers, marks and verdicts."""

from __future__ import annotations

import unicodedata

from tables.layout.texts import Style
from tables.numbers import DIGITS, fixed, known
from tables.rows.row import Row

HOLE = "--"
MARKS = {"sum-checked": r"$^{\dagger}$", "unverified": r"$^{\ddagger}$"}
RECIPE_MARK, FILLED_MARK, CODE_MARK = r"$^{\S}$", r"$^{\P}$", r"$^{\diamond}$"
EMPHASIS = ("", r"\textbf", r"\underline")
VERDICTS = {
    "reproduced": ("$=$", "reproduced"),
    "better": (r"$\downarrow$", "better (lower than printed)"),
    "worse": (r"$\uparrow$", "worse (higher than printed)"),
    "within": (r"$\sim$", "neither is proven (within what, the list of cells in the .md beside this .tex says)"),
    "too few seeds": (r"$\circ$", "too few seeds"),
    "not finite": ("$!$", "not finite (a seed diverged)"),
    "not comparable": (
        r"$\times$",
        "not comparable (other or unstated look-back, a quoted number, other windows or another task)",
    ),
    "missing": ("", ""),
}

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": "`", "–": "--", "—": "---", "−": "$-$", "±": r"$\pm$",
    "×": r"$\times$", "·": r"$\cdot$", "‘": "`", "’": "'",
    "[": "{[}", "]": "{]}", "*": "{*}", "“": "``", "”": "''", "…": r"\ldots{}", "→": r"$\to$",
}  # fmt: skip


def escape(text: str) -> str:
    """Text that pdflatex prints as it is. What its fonts do not have is printed by its code point, never dropped."""
    return "".join(map(_character, " ".join(text.split())))


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    letter = character.isascii() or ("À" <= character <= "ž" and unicodedata.category(character)[0] == "L")
    return character if letter and character.isprintable() else f"[U+{ord(character):04X}]"


class Latex(Style):
    """How LaTeX writes what stands in a cell."""

    hole, marks = HOLE, MARKS

    def escape(self, text: str) -> str:
        """As the function of that name."""
        return escape(text)

    def ours(self, row: Row | None, place: int, digits: int = DIGITS, std: bool = True) -> str:
        """Our mean ± deviation; bold where it is the best of its line, underlined where second; a dash for a hole."""
        if row is None or not known(row.ours.mean):
            return HOLE
        text = self.plain(row.ours.mean, digits)
        if place:
            text = f"{EMPHASIS[place]}{{{text}}}"
        if std and known(row.ours.std):
            text += rf" {{\scriptsize$\pm$ {fixed(row.ours.std, digits)}}}"
        text += f" ({escape(row.variant)})" if row.variant else ""
        text += RECIPE_MARK if row.weak else ""
        return text + (FILLED_MARK if row.filled else "") + (CODE_MARK if row.other_code else "")

    def sign(self, row: Row | None) -> str:
        """The sign of the verdict; nothing where there is none."""
        return VERDICTS[row.comparison.verdict][0] if row is not None and row.comparison.verdict else ""

    def alone(self, text: str) -> str:
        """Italics: the column is printed only."""
        return rf"\textit{{{text}}}"

    def plain(self, value: float | None, digits: int) -> str:
        """A number with fixed digits and a minus as a sign."""
        return (fixed(value, digits) or HOLE).replace("-", "$-$") if known(value) else HOLE
