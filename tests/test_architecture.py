"""The arrows of the house: who may import whom, read off the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import ROOT

ORDER = ["errors", "bounded", "console", "yamlfile", "layout", "recipe", "paper", "values", "config", "data", "memory",
         "resolution", "grid", "store", "leases", "watch", "watchdog", "interrupt", "evaluation", "samples", "training",
         "cell", "remote", "pool", "packing", "listing", "runner", "cluster", "tracking", "session"]  # fmt: skip
FREE_OF_TORCH = set(ORDER[: ORDER.index("evaluation")]) - {"data"} | {"listing"}
FILES = [p for folder in ("benchmark", "baselines", "tables") for p in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "benchmark" and len(parts) > 1 else parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows(path: Path) -> None:
    found = imports(path)
    package = path.relative_to(ROOT).parts[0]
    if package == "baselines":
        assert not any(name.split(".")[0] in ("benchmark", "tables", "run_all") for name in found)
    if package == "benchmark":
        assert not any(name.split(".")[0] in ("tables", "run_all") for name in found)
        mine = module(path)
        if mine in ORDER:
            above = set(ORDER[ORDER.index(mine) + 1 :])
            used = {name.split(".")[1] for name in found if name.startswith("benchmark.")}
            assert not used & above, f"{mine} imports what stands above it"
        if mine in FREE_OF_TORCH:
            assert not any(name.split(".")[0] in ("torch", "mlflow") for name in found)
    if package == "tables":
        allowed = {"console", "config", "layout", "paper", "resolution", "grid", "store", "data", "errors", "recipe",
                   "session", "yamlfile"}  # fmt: skip
        used = {name.split(".")[1] for name in found if name.startswith("benchmark.")}
        assert used <= allowed, f"tables imports {used - allowed}"
        assert not any(name.split(".")[0] in ("torch", "mlflow", "baselines") for name in found)


def test_the_command_line_has_no_third_party_imports() -> None:
    assert {name.split(".")[0] for name in imports(ROOT / "run_all.py")} <= {
        "__future__", "argparse", "gc", "re", "sys", "pathlib", "typing", "benchmark", "tables",
    }  # fmt: skip
