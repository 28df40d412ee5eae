"""The rules of the house, read off the code: who may import whom, as packages; how large a room may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from tools.architecture import arrows, dotted, files, floors, imports, numbers, picture, room

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
    "analysis": GROUND | {"store", "data", "workloads", "config", "problems", "training", "baselines"},
    "cell": PLAN | {"problems", "training", "analysis", "baselines"},
    "runner": PLAN | {"problems", "training", "analysis", "cell", "baselines"},
    "trial": PLAN | {"runner", "analysis", "baselines"},
    "new": GROUND | {"config", "baselines"},
    "check": PLAN | {"trial", "runner", "analysis"},
    "session": PLAN | {"runner", "cell", "tracking", "trial"},
    "suite": PLAN | {"session", "tables"},
    "forecast": GROUND | {"data", "problems", "load", "tables", "baselines"},
    "perf": PLAN | {"problems", "training", "analysis", "cell", "runner", "baselines"},
    "show": PLAN,
    "load": PLAN | {"show", "cell", "problems", "baselines"},
    "analyse": PLAN | {"analysis", "load", "problems", "baselines", "tables"},
    "track": PLAN | {"tracking", "tables"},
    "tables": PLAN,
    "run_all": PLAN | {"session", "tables"},
    "baselines": set(),
}
"""By room: the rooms that it may import. A room that is not here may not be."""

OF_DATA = {"registry", "files", "optimum", "DATASETS", "GROUPS", "DataSet", ""}
"""Of `benchmark.data`, what the tables and `show` may use: no reader, no windows."""
FREE_OF_TORCH = (GROUND | PLAN | {"tables", "show", "session", "run_all", "runner", "tracking", "track"}) - {"data"}
"""Rooms that import torch at no time, or (session, runner) inside a function alone."""
LATE = {"session", "runner"}

MOST_MODULES, MOST_LINES, MOST_BODY = 10, 300, 50
LONG_FILES = {"benchmark/perf/reference.py"}
FILES = files(ROOT)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_what_stands_below_it(path: Path) -> None:
    mine = room(dotted(path))
    if mine is None:
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
    floor = floors(arrows())
    assert set(MAY) == set(floor), "every room has its rule"
    assert floor["errors"] == 0 and floor["run_all"] == max(floor.values())


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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_docstrings_give_shapes_and_say_what_each_field_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and "dataclass" in " ".join(map(ast.unparse, node.decorator_list)):
            left = undocumented(node)
            assert len(fields(node)) < MANY_FIELDS or not left, f"{node.name} does not say what {', '.join(left)} is"
    if path.parts[-2] in ("baselines", "training", "problems", "data", "analysis"):
        public = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
        public += [n for c in tree.body if isinstance(c, ast.ClassDef) and c.name[0] != "_" for n in c.body
                   if isinstance(n, ast.FunctionDef)]  # fmt: skip
        for function in public:
            signature = ast.unparse(function.args) + (ast.unparse(function.returns) if function.returns else "")
            if "Tensor" in signature and function.name[0] != "_":
                assert "[" in (ast.get_docstring(function) or ""), f"{function.name} gives no shape"


MANY_FIELDS = 6


def fields(node: ast.ClassDef) -> list[str]:
    return [n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]


def undocumented(node: ast.ClassDef) -> list[str]:
    """The fields that neither the docstring nor a text below them tells of."""
    told = {n.target.id for n, text in zip(node.body, node.body[1:], strict=False)
            if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name) and isinstance(text, ast.Expr)}  # fmt: skip
    return [name for name in fields(node) if name not in told and name not in (ast.get_docstring(node) or "")]


def test_the_picture_and_the_numbers_of_the_documents_are_todays() -> None:
    assert (ROOT / "docs/images/architecture.svg").read_text("utf-8") == picture(arrows()), "run tools/architecture.py"
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    lines = {cells[1].strip(): cells[3].strip() for line in text.splitlines() if len(cells := line.split("|")) == 5}
    for name, value in numbers(ROOT).items():
        assert lines[name] == str(value), f"docs/architecture.md: {name} is {value}, not {lines[name]}"
