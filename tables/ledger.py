"""What renders have written below a results folder, so that the next one leaves nothing stale behind, and no file of others
is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmark import files

NAME, SCHEMA = "rendered.json", 1
ALL = ""
"""The owner of what is about all papers."""


def take_away_stale(
    results_dir: Path, of_paper: Mapping[str, Sequence[Path]], of_all: Sequence[Path], *, whole: bool
) -> None:
    """Takes away what an earlier render wrote and this one did not, and notes down what this one wrote.

    of_paper: files by paper, of every paper that was rendered, also one without a file. of_all: those about all papers.
    whole: whether these are all that there is; else earlier ones about all papers stay. What is of a paper that was not
    rendered stays, and so does every file that no render wrote.

    Raises OSError where the disk does not take the list.
    """
    earlier = _read(results_dir)
    today = {name: paper for paper, paths in of_paper.items() for name in _names(results_dir, paths)}
    today |= dict.fromkeys(_names(results_dir, of_all), ALL)
    rendered = {*of_paper, *([ALL] if whole else [])}
    for name, owner in earlier.items():
        if name not in today and owner in rendered:
            with suppress(OSError):  # gone already, or it is another's by now
                (results_dir / name).unlink()
    kept = {name: owner for name, owner in earlier.items() if owner not in rendered}
    if (known := kept | today) or earlier:
        content = {"schema": SCHEMA, "files": dict(sorted(known.items()))}
        files.write_atomically(results_dir / NAME, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def _names(results_dir: Path, paths: Sequence[Path]) -> list[str]:
    return [path.relative_to(results_dir).as_posix() for path in paths]


def _read(results_dir: Path) -> dict[str, str]:
    """By file, the paper that it is of; nothing where there is no list, or none that can be used."""
    try:
        content = json.loads(files.read(results_dir / NAME))
        if content["schema"] != SCHEMA:
            return {}
        found = {str(name): str(owner) for name, owner in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: owner for name, owner in found.items() if ".." not in Path(name).parts and not Path(name).is_absolute()}
