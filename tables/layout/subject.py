"""What the documents and figures of one paper, protocol and profile are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmark.config.paper import Paper
from tables.layout.table import AS_IT_IS, Options
from tables.rows.results import Curve
from tables.rows.row import Row


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the files of one paper, protocol and profile are about.

    rows: every cell's. notes: stand at the end. options: how tables are shown. curves: of the whole store, by digest.
    """

    paper: Paper
    rows: Sequence[Row]
    protocol: str
    profile: str
    notes: Sequence[str] = ()
    options: Options = AS_IT_IS
    curves: Mapping[str, Curve] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """How the titles of its figures begin."""
        smoke = "" if self.profile == "paper" else " (a smoke run)"
        return f"{self.paper.name}, protocol {self.protocol}, profile {self.profile}{smoke}"
