"""What a run asks of the tables, each imported when it is needed: a plan needs none of it."""

from __future__ import annotations

from pathlib import Path

from benchmark.config.catalogue import Catalogue
from benchmark.grid.asked import Shown


def render(catalogue: Catalogue, results_dir: Path, shown: Shown) -> tuple[list[Path], str]:
    """The tables of a store, and the short form of those of a run; imported late, since a plan needs none."""
    from tables.documents.brief import brief
    from tables.layout.table import Options
    from tables.render import read
    from tables.render import render as write

    held = read(catalogue, results_dir)
    options = Options(also=shown.columns, figures=shown.figures)
    return write(catalogue, results_dir, options, held=held), brief(held[1], shown)


def check_claims(catalogue: Catalogue) -> None:
    """Raises UsageError for claims of the user's that are not as they should be: before anything is trained."""
    if any(paper.claims for paper in catalogue.papers.values()):
        from tables.claims.reader import load_claims

        load_claims(catalogue)


def judge(catalogue: Catalogue, results_dir: Path) -> None:
    """What a plan needs to know of the Results; imported late, too."""
    from tables.render import judge as write

    write(catalogue, results_dir)


def picture(forecasts: Path, key: str) -> bytes | None:
    """A PNG of what the cell `key` has kept of its forecasts, for MLflow."""
    from tables.figures.forecast import picture as draw

    return draw(forecasts, key)
