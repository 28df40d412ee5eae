"""Models of a user's own in a plan: read and not run, what is wrong told in one line, files in the digest; variants."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import TINY

import baselines
from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.data.registry import DataSet
from benchmark.errors import UsageError
from benchmark.grid.asked import idle
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.plan import plan
from benchmark.store.result import Result
from benchmark.store.store import Store
from tables.layout.table import AS_IT_IS
from tables.render import render

SIX_LINES = """from torch import nn
class Mine(nn.Module):
    def __init__(self, lookback, horizon, channels, width: int = 8):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(lookback, width), nn.ReLU(), nn.Linear(width, horizon))
    def forward(self, x): return self.net(x.transpose(1, 2)).transpose(1, 2)
"""
YAML = """models:
  mine: {file: my_model.py, class: Mine, arguments: {width: 32}}
recipes:
  samformer:
    columns:
      Mine: {model: mine, arguments: {width: 64}}
"""


def a_file(dataset: DataSet) -> str:
    return dataset.sha256 or "0" * 64


def written(folder: Path, yaml: str = YAML, model: str = SIX_LINES) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "my_model.py").write_text(model)
    (folder / "my.yaml").write_text(yaml)
    return folder / "my.yaml"


def cells(there: Catalogue, *models: str, paper: str = "samformer", horizon: int = 96) -> list[Planned]:
    asked = Selection(papers=(paper,), subset=("ETTh1",), horizons=(horizon,), models=models or None, seeds=(0, 1, 2))
    return plan(there, asked, a_file)


def test_six_lines_stand_in_the_papers_main_columns_and_none_of_them_is_run(tmp_path: Path) -> None:
    path = written(tmp_path, model=SIX_LINES + "raise SystemExit('it was run')\n")
    there = catalogue([path])
    found = [planned for planned in cells(there) if planned.cell.model == "Mine"]
    assert [planned.cell.key for planned in found] == [f"samformer/ETTh1/96/Mine/s{seed}" for seed in range(3)]
    recipe = found[0].recipe
    assert recipe is not None and recipe.arguments == {"width": 64} and not recipe.sam and recipe.training is not None
    assert recipe.training.rho is None and recipe.lookback == 512  # the paper's recipe
    assert recipe.values["arguments.width"].source == f"{path}:6"
    assert idle(found, "paper", there.papers, [path]) == []
    others = [p.digest for p in cells(there) if p.cell.model != "Mine"]
    assert others == [p.digest for p in cells(catalogue())], "the paper's own cells are what they were"


def test_the_digest_is_of_the_file_and_of_what_it_imports_and_of_no_name(tmp_path: Path) -> None:
    def digest(folder: str, yaml: str = YAML, **files: str) -> str | None:
        path = written(tmp_path / folder, yaml, "import layers\n" + SIX_LINES)
        for name, text in ({"layers": "from pieces import one", "pieces": "one = 1", "other": ""} | files).items():
            path.with_name(f"{name}.py").write_text(text)
        return cells(catalogue([path]), "Mine")[0].digest

    first = digest("a")
    assert digest("b") == first
    assert digest("c", YAML.replace("mine", "my_net")) == first
    assert digest("d", other="changed = True") == first, "it is imported by nobody"
    assert len({first, digest("e", pieces="one = 2"), digest("f", layers="import pieces")}) == 3


@pytest.mark.parametrize(
    ("change", "yaml", "line", "said"),
    [
        (("my_model.py", "my_modle.py"), "", 2, "there is no file "),
        (("class: Mine", "class: Mien"), "", 2, "my_model.py has no class 'Mien'; did you mean 'Mine'?"),
        (("class: Mine", "klass: Mine"), "", 2, "unknown key 'klass'; did you mean 'class'?"),
        ((", class: Mine", ""), "", 2, "'class' is missing"),
        (("mine: {file", "samformer: {file"), "", 2, "the name 'samformer' is taken"),
        (("model: mine", "model: mien"), "", 6, "unknown model 'mien'; did you mean 'mine'?"),
        (("width: 64", "widht: 64"), "", 6, "unknown key 'widht'; did you mean 'width'?"),
        (("width: 32", "widht: 32"), "", 2, "unknown key 'widht'; did you mean 'width'?"),
        (("width: 64", "width: 6.4"), "", 6, "expected a whole number, found 6.4"),
        (("Mine: {", "SAMFormer: {"), "", 6, "the column 'SAMFormer' exists"),
        (("Mine: {", "M/ine: {"), "", 6, "expected a column whose name is of letters"),
        (("file: my_model.py, class: Mine", "import: no_such_thing:Mine"), "", 2, "no module 'no_such_thing'"),
        (("file: my_model.py, class: Mine", "import: my_model"), "", 2, "expected package.module:Class, found 'my_model'"),
        (("", ""), "class Mine: pass", 2, "Mine is no torch.nn.Module"),
        (("", ""), "def f(:", 2, "my_model.py:1: not Python"),
        (("", ""), SIX_LINES.replace(", channels", ""), 2, "does not take 'channels'; it is built with the keywords"),
        (("", ""), SIX_LINES.replace("self, lookback", "self, n, lookback"), 6, "mine needs n; say it under 'arguments'"),
        (("", ""), SIX_LINES.replace("self, lookback", "self, n, /, lookback"), 2, "takes 'n' by its place alone"),
        (("", ""), SIX_LINES.replace("forward(self, x)", "forwards(self, x)"), 2, "Mine has no method forward(x)"),
        (("", ""), SIX_LINES.replace("(self, x)", "(self, x, y, z)"), 2, "as forward(x) or forward(x, marks), and asks"),
        (("", ""), "from . import layers\n" + SIX_LINES, 2, "my_model.py:1: a relative import in a file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_the_plan_in_one_line_with_its_place(
    tmp_path: Path, change: tuple[str, str], yaml: str, line: int, said: str
) -> None:
    text = YAML.replace(*change, 1) if change[0] else YAML
    path = written(tmp_path, text, yaml or SIX_LINES)
    with pytest.raises(UsageError) as error:
        catalogue([path])
    assert str(error.value).startswith(f"{path}:{line}: ") and said in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


def test_arguments_are_read_through_bases_and_files(tmp_path: Path) -> None:
    text = "from base import Base\nclass Mine(Base):\n    def __init__(self, *, depth: int | None = None, **more): 0\n"
    path = written(tmp_path, YAML.replace("width: 64", "width: 64, depth: null"), text)
    (tmp_path / "base.py").write_text(SIX_LINES.replace("Mine", "Base"))
    (planned, *_) = cells(catalogue([path]), "Mine")
    assert planned.recipe is not None and planned.recipe.arguments == {"width": 64, "depth": None}
    path = written(tmp_path, YAML.replace("width: 64", "depth: deep"), text)
    with pytest.raises(UsageError, match="expected a whole number or null, found 'deep'"):
        catalogue([path])


def test_a_full_interface_may_be_in_closed_form_and_have_a_loss_of_its_own(tmp_path: Path) -> None:
    head = "from baselines.base import ClosedForm\n"
    plain = head + SIX_LINES.replace("nn.Module", "ClosedForm") + "    def fit(self, train, validation): pass\n"
    with pytest.raises(UsageError, match=r"called with the marks, too, .*: forward\(self, x, marks=None\)"):
        catalogue([written(tmp_path, model=plain)])
    text = plain.replace("forward(self, x)", "forward(self, x, marks=None)")
    found = cells(catalogue([written(tmp_path, model=text)]), "Mine")
    assert [planned.cell.seed for planned in found] == [0] and found[0].recipe and found[0].recipe.training is None
    signature = catalogue([written(tmp_path)]).models["mine"].signature
    assert signature.partial_targets
    own_loss = SIX_LINES + "    def training_loss(self, x, y): return (self(x) - y).abs().mean()\n"
    assert not catalogue([written(tmp_path, model=own_loss)]).models["mine"].signature.partial_targets


@pytest.mark.parametrize(
    ("head", "base", "ours"),
    [
        ("from baselines.base import Forecaster", "Forecaster", True),
        ("from baselines.base import Forecaster as Base", "Base", True),
        ("from baselines import base as b", "b.Forecaster", True),
        ("import baselines.base", "baselines.base.Forecaster", True),
        ("from other_library.models import Forecaster", "Forecaster", False),
        ("import other_library as lib", "lib.Forecaster", False),
    ],
)
def test_a_base_of_the_same_name_from_elsewhere_is_not_ours(tmp_path: Path, head: str, base: str, ours: bool) -> None:
    """Ours is called with the marks, and whoever derives from it without taking them is told so."""
    path = written(tmp_path, model=f"{head}\n{SIX_LINES.replace('nn.Module', base)}")
    if not ours:
        assert catalogue([path]).models["mine"].signature.partial_targets
        return
    with pytest.raises(UsageError, match="called with the marks, too"):
        catalogue([path])


def test_what_travelled_is_what_is_built_and_two_folders_do_not_mix(tmp_path: Path) -> None:
    models = []
    for name, horizon in (("a", "horizon"), ("b", "horizon + 1")):
        path = written(
            tmp_path / name, model="from shared import size\n" + SIX_LINES.replace("width, horizon", "width, size(horizon)")
        )
        path.with_name("shared.py").write_text(f"def size(horizon): return {horizon}\n")
        models.append(catalogue([path]).models["mine"].signature.source)
        path.with_name("shared.py").unlink()  # as if it were on another machine
    for source, last in zip((*models, models[0]), (4, 5, 4), strict=True):
        built: Any = baselines.build(source, lookback=8, horizon=4, channels=2, width=3)
        assert built.model.net[-1].out_features == last and built.partial_targets
    assert not any(str(tmp_path) in folder for folder in sys.path)


def test_a_file_that_is_called_as_a_loaded_library_is_refused_and_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "a_library", ModuleType("a_library"))
    path = written(tmp_path, YAML.replace("my_model.py", "a_library.py"))
    path.with_name("my_model.py").rename(path.with_name("a_library.py"))
    source = catalogue([path]).models["mine"].signature.source
    with pytest.raises(ImportError, match=r"^a_library\.py: a module 'a_library' is loaded already; give the file another"):
        baselines.build(source, lookback=8, horizon=4, channels=2, width=3)


def test_an_installed_package_counts_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "own_package_for_tests"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from own_package_for_tests.net import Mine\n")
    (package / "net.py").write_text(SIX_LINES)
    monkeypatch.syspath_prepend(str(package.parent))
    yaml = YAML.replace("file: my_model.py, class: Mine", "import: own_package_for_tests.net:Mine")
    path = written(tmp_path / "here", yaml)
    (planned, *_) = cells(catalogue([path]), "Mine")
    assert planned.recipe is not None and planned.recipe.source is not None
    assert "own_package_for_tests" not in sys.modules
    baselines.build(planned.recipe.source, lookback=8, horizon=4, channels=2, width=3)
    (package / "net.py").write_text(SIX_LINES + "\n# changed\n")
    baselines.own.installed.cache_clear()
    with pytest.raises(ImportError, match="own_package_for_tests is another"):
        baselines.build(planned.recipe.source, lookback=8, horizon=4, channels=2, width=3)
    assert cells(catalogue([path]), "Mine")[0].digest != planned.digest
    with pytest.raises(UsageError, match="has no module 'own_package_for_tests"):
        catalogue([written(tmp_path / "here", yaml.replace("tests.net:", "tests.nets:"))])


def test_it_stands_in_the_papers_table_without_a_verdict_and_in_bold_where_it_is_best(tmp_path: Path) -> None:
    there, folder = catalogue([written(tmp_path)]), tmp_path / "results"
    Store(folder).prepare()
    mse = {"SAMformer": 0.39, "Mine": 0.37}
    for planned in cells(there, *mse):
        value = mse[planned.cell.model] + planned.cell.seed / 1000
        metrics = dict.fromkeys(("test_mse", "test_mae", "val_mse", "val_mae"), value)
        assert planned.digest is not None
        Store(folder).write(Result(planned.cell.key, planned.digest, "done", dict(vars(planned.cell)), metrics=metrics,
                                   data_sha256=a_file(there.datasets["ETTh1"])))  # fmt: skip
    render(there, folder, AS_IT_IS)
    text = (folder / "tables/samformer.md").read_text("utf-8")
    assert "| Mine ours" in text and "**0.371** ± 0.001" in text, text
    assert "Columns of the user's own, not of the paper: Mine (my\\_model:Mine)." in text
    listed = next(line for line in text.splitlines() if "| Mine " in line and "ETTh1" in line)
    assert "no printed number" in listed


VARIANTS = """variants:
  wide: {samformer: {arguments: {width: 32}}}
  long: {samformer: {epochs: 7}}
"""


def test_variants_stand_beside_the_original_whose_digests_stay(tmp_path: Path) -> None:
    there = catalogue([written(tmp_path, YAML + VARIANTS)])
    names = list(dict.fromkeys(planned.cell.model for planned in cells(there)))
    assert names[:3] == ["SAMformer", "SAMformer~wide", "SAMformer~long"]
    assert "TSMixer~wide" not in names and "TSMixer~long" in names and "Mine~wide" in names  # by what the model takes
    original = {p.cell.key: p.digest for p in cells(catalogue())}
    found = {p.cell.key: p for p in cells(there)}
    assert {key: found[key].digest for key in original} == original
    wide, long = (found[f"samformer/ETTh1/96/SAMformer~{name}/sam/s0"].recipe for name in ("wide", "long"))
    assert wide is not None and long is not None and wide.training is not None and long.training is not None
    assert (wide.arguments["width"], long.arguments["width"], long.training.epochs) == (32, 16, 7)
    assert wide.training.rho == 0.5, "what the paper has by model and data set holds for its variants"
    assert there.papers["samformer"].layout[0].columns[:3] == tuple(names[:3])
    replaced = tmp_path / "replaced.yaml"
    replaced.write_text("recipes: {samformer: {arguments: {width: 32}}}\n")
    same = {p.cell.key: p.digest for p in cells(catalogue([replaced]), "SAMformer")}
    assert same["samformer/ETTh1/96/SAMformer/sam/s0"] == found["samformer/ETTh1/96/SAMformer~wide/sam/s0"].digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("variants: {wide: {samfomer: {epochs: 7}}}", ":1: variants.wide.samfomer: unknown paper 'samfomer'; did you mean"),
        ("variants: {wide: {samformer: {epohcs: 7}}}", ":1: variants.wide.samformer: unknown key 'epohcs'; did you"),
        ("variants: {wide: {samformer: {epochs: x}}}", ":1: variants.wide.samformer.epochs: input should be"),
        ("variants: {wide: {samformer: {}}}", ":1: variants.wide.samformer: it changes no column"),
        ("variants: {w~: {samformer: {epochs: 7}}}", ":1: variants.w~.samformer: expected a variant whose name"),
    ],
)
def test_what_is_wrong_with_a_variant_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        catalogue([path])
    assert str(error.value).startswith(f"{path}{said}"), str(error.value)


def test_a_paper_of_ones_own_has_models_of_ones_own(tmp_path: Path) -> None:
    models = "models:\n  mine: {file: my_model.py, class: Mine, arguments: {width: 3}}\n"
    path = written(tmp_path, TINY.replace("EPOCHS", "2") + "  Mine: {model: mine}\n" + models)
    there = catalogue([path])
    found = plan(there, Selection(papers=("tiny",), seeds=(0,)), a_file)
    assert [p.cell.model for p in found if p.cell.horizon == 4] == ["SAMformer", "Transformer", "Mine"]
    assert [p.recipe.arguments for p in found if p.recipe and p.recipe.source] == [{"width": 3}] * 2
