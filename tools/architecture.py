"""``python tools/architecture.py``: the house as the code's own imports have it, as numbers and as a picture.

It writes docs/images/architecture.svg and the numbers of docs/architecture.md, and prints these. ``--root DIR`` looks at
another checkout, and writes nothing.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("benchmark", "baselines", "tables")
Arrows = dict[str, set[str]]
"""By room, the rooms that it imports."""
ABOVE = {"benchmark.analysis.__main__": "analyse", "benchmark.tracking.__main__": "track"}
"""Commands that lie in a folder and stand above it, each a room of its own: `analyse` loads a model, probes it and draws,
`track` judges and draws what MLflow is to show."""


def files(root: Path) -> list[Path]:
    """Every Python file of the suite, tests and tools aside."""
    return [root / "run_all.py", *(path for folder in FOLDERS for path in sorted((root / folder).rglob("*.py")))]


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """The dotted names that a file imports, anywhere or at its top level alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body if top_level else list(ast.walk(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def dotted(path: Path, root: Path = ROOT) -> str:
    """A file's dotted name."""
    return ".".join(path.relative_to(root).with_suffix("").parts)


def room(name: str) -> str | None:
    """The room of a dotted name; None for what is not ours, and for `benchmark` itself."""
    parts = name.split(".")
    if name in ABOVE:
        return ABOVE[name]
    if parts[0] in ("tables", "baselines", "run_all"):
        return parts[0]
    return parts[1] if parts[0] == "benchmark" and len(parts) > 1 and not parts[1].startswith("__") else None


def arrows(root: Path = ROOT) -> Arrows:
    """Which room imports which."""
    found: Arrows = {}
    for path in files(root):
        mine = room(dotted(path, root))
        if mine is not None:
            found.setdefault(mine, set()).update(r for name in imports(path) if (r := room(name)) not in (None, mine))
    known = set(found)
    return {name: others & known for name, others in found.items()}


def floors(of: Arrows) -> dict[str, int]:
    """On which floor each room stands: one above the highest that it imports; the ground is 0.

    Raises ValueError for rooms that import each other in a circle.
    """
    floor: dict[str, int] = {}
    while left := [name for name in of if name not in floor]:
        ready = [name for name in left if of[name] <= floor.keys()]
        if not ready:
            raise ValueError(f"a circle among {', '.join(sorted(left))}")
        floor |= {name: 1 + max((floor[other] for other in of[name]), default=-1) for name in ready}
    return floor


def without_detours(of: Arrows) -> Arrows:
    """The arrows that do not follow from others: to what no imported room imports already."""

    def reached(name: str) -> set[str]:
        return set().union(*(of[other] | reached(other) for other in of[name]))

    return {name: others - reached(name) for name, others in of.items()}


def numbers(root: Path) -> dict[str, object]:
    """What the table in docs/architecture.md has."""
    of = arrows(root)
    inside = Counter(path.parent for path in files(root) if path.stem not in ("__init__", "__main__"))
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in files(root)]
    most = max((count, str(folder.relative_to(root))) for folder, count in inside.items() if folder != root)
    return {
        "files": len(lengths),
        "folders with code": len({path.parent for path in files(root)}),
        "modules in the fullest folder": f"{most[0]} ({most[1]})",
        "rooms": len(of),
        "imports between rooms": sum(map(len, of.values())),
        "of these, not through another": sum(map(len, without_detours(of).values())),
        "floors": 1 + max(floors(of).values()),
        "lines in the longest file": max(lengths),
    }


def picture(of: Arrows) -> str:
    """The rooms by floor, run_all.py at the top, as SVG."""
    floor, reduced = floors(of), without_detours(of)
    rows: dict[int, list[str]] = {}
    for name in sorted(of):
        rows.setdefault(floor[name], []).append(name)
    wide, high, gap = 118, 34, 26
    across = max(map(len, rows.values()))
    width, height = across * (wide + gap) + gap, len(rows) * (high + gap + 14) + gap
    place: dict[str, tuple[float, float]] = {}
    for level, names in rows.items():
        left = (width - len(names) * (wide + gap) + gap) / 2
        for i, name in enumerate(names):
            place[name] = (left + i * (wide + gap), height - gap - high - level * (high + gap + 14))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="13">',
             f'<rect width="{width}" height="{height}" fill="white"/>']  # fmt: skip
    for name, others in sorted(reduced.items()):
        x, y = place[name]
        for other in sorted(others):
            a, b = place[other]
            parts.append(f'<path d="M{x + wide / 2:g},{y + high:g} C{x + wide / 2:g},{y + high + 40:g} {a + wide / 2:g},'
                         f'{b - 40:g} {a + wide / 2:g},{b:g}" fill="none" stroke="#999999"/>')  # fmt: skip
    for name, (x, y) in sorted(place.items()):
        colour = "#e8f1fa" if (ROOT / "benchmark" / name).is_dir() else "#f7f7f7"
        parts += [f'<rect x="{x:g}" y="{y:g}" width="{wide}" height="{high}" rx="4" fill="{colour}" stroke="#444444"/>',
                  f'<text x="{x + wide / 2:g}" y="{y + high / 2 + 5:g}" text-anchor="middle">{name}</text>']  # fmt: skip
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Prints the numbers; draws the picture of this checkout, and puts its numbers into the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR")
    root: Path = parser.parse_args().root.resolve()
    for name, value in numbers(root).items():
        print(f"| {name} | {value} |")
    if root == ROOT:
        (ROOT / "docs" / "images" / "architecture.svg").write_text(picture(arrows()), encoding="utf-8")
        document = ROOT / "docs" / "architecture.md"
        text = document.read_text(encoding="utf-8")
        for name, value in numbers(root).items():
            line = re.compile(rf"^(\| {re.escape(name)} \|[^|]*\|)[^|]*\|$", re.MULTILINE)
            text = line.sub(lambda found, value=value: f"{found[1]} {value} |", text)
        document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
