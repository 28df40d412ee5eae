"""The rules of the house, read off the code: who may import whom, as packages; how large a room may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

GROUND = {"errors", "console", "files", "machine"}
PLAN = GROUND | {"store", "data", "workloads", "config", "grid", "judging"}
"""What a plan and a table stand on. All of it is free of torch, but for `data.windows`."""

MAY = {
    **dict.fromkeys(GROUND, GROUND),
    "store": GROUND,
    "tracking": GROUND | {"store"},
    "data": GROUND,
    "workloads": GROUND | {"data"},
    "config": GROUND | {"data", "workloads", "baselines"},
    "grid": GROUND | {"store", "data", "workloads", "config", "baselines"},
    "judging": GROUND | {"store", "data", "workloads", "config", "grid"},
    "problems": GROUND | {"data", "workloads", "config", "baselines"},
    "training": GROUND | {"config", "problems", "baselines"},
    "analysis": GROUND | {"data", "workloads", "config", "problems", "training", "baselines"},
    "cell": PLAN | {"problems", "training", "analysis", "baselines"},
    "runner": PLAN | {"problems", "training", "analysis", "cell", "baselines"},
    "session": PLAN | {"runner", "cell", "tracking"},
    "perf": PLAN | {"problems", "training", "analysis", "cell", "runner", "baselines"},
    "show": PLAN,
    "tables": PLAN,
    "run_all": PLAN | {"session", "tables"},
    "baselines": set(),
}
"""By room: the rooms that it may import. A room that is not here may not be."""

OF_DATA = {"registry", "files", "optimum", "DATASETS", "GROUPS", "DataSet", ""}
"""Of `benchmark.data`, what the tables and `show` may use: no reader, no windows."""
FREE_OF_TORCH = (GROUND | PLAN | {"tables", "show", "session", "run_all", "runner", "tracking"}) - {"data"}
"""Rooms that import torch at no time, or (session, runner) inside a function alone."""
LATE = {"session", "runner"}

MOST_MODULES, MOST_LINES, MOST_BODY = 10, 300, 50
LONG_FILES = {"benchmark/perf/reference.py"}
FILES = [ROOT / "run_all.py", *(p for f in ("benchmark", "baselines", "tables") for p in sorted((ROOT / f).rglob("*.py")))]


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(name: str) -> str | None:
    """The room of a dotted name; None for what is not ours, and for the package `benchmark` itself."""
    parts = name.split(".")
    if parts[0] in ("tables", "baselines", "run_all"):
        return parts[0]
    return parts[1] if parts[0] == "benchmark" and len(parts) > 1 and parts[1] != "__version__" else None


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_what_stands_below_it(path: Path) -> None:
    mine = room(dotted(path))
    if mine in (None, "__init__"):
        assert not any(room(name) for name in imports(path, top_level=True)), "benchmark/__init__ imports late"
        return
    used = {found for name in imports(path) if (found := room(name)) is not None} - {mine}
    assert used <= MAY[mine], f"{mine} may not import {', '.join(sorted(used - MAY[mine]))}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_torch_where_a_plan_or_a_table_is_made(path: Path) -> None:
    mine = room(dotted(path))
    if mine in FREE_OF_TORCH:
        found = imports(path, top_level=mine in LATE)
        assert not {name.split(".")[0] for name in found} & {"torch", *(["mlflow"] if mine != "tracking" else [])}


def test_tables_and_show_use_the_registry_and_the_files_of_the_data_alone() -> None:
    for path in FILES:
        if room(dotted(path)) in ("tables", "show"):
            used = {name.split(".")[2] if name.count(".") > 1 else "" for name in imports(path) if room(name) == "data"}
            assert used <= OF_DATA, f"{path.relative_to(ROOT)}: {used - OF_DATA}"


def test_the_rooms_have_no_circle() -> None:
    arrows: dict[str, set[str]] = {}
    for path in FILES:
        mine = room(dotted(path))
        if mine not in (None, "__init__"):
            arrows.setdefault(str(mine), set()).update(r for name in imports(path) if (r := room(name)) not in (None, mine))
    free: set[str] = set()
    while left := set(arrows) - free:
        next_ = {name for name in left if arrows[name] <= free | (GROUND if name in GROUND else set())}
        assert next_, f"a circle among {', '.join(sorted(left))}"
        free |= next_


def test_a_folder_holds_at_most_ten_modules() -> None:
    for folder in {path.parent for path in FILES}:
        if folder in (ROOT, ROOT / "benchmark", ROOT / "baselines"):
            continue  # commands stand at the top of benchmark; in baselines a model is a file
        modules = [p for p in folder.glob("*.py") if p.stem not in ("__init__", "__main__")]
        assert len(modules) <= MOST_MODULES, f"{folder.relative_to(ROOT)}: {len(modules)} modules"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_and_its_functions_fit_on_their_screens(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if str(path.relative_to(ROOT)) not in LONG_FILES:
        assert len(text.splitlines()) <= MOST_LINES
    for name, lines in functions(ast.parse(text)):
        assert lines <= MOST_BODY, f"{name}: {lines} lines"


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every function with its number of lines, its docstring aside."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_the_command_line_has_no_third_party_imports() -> None:
    assert {name.split(".")[0] for name in imports(ROOT / "run_all.py")} <= {
        "__future__", "argparse", "gc", "re", "sys", "pathlib", "typing", "benchmark", "tables",
    }  # fmt: skip
