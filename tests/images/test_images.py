"""Images as a kind of task: their files, what is held out, how they are seen, and a cell's whole way."""

from __future__ import annotations

import csv
import json
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pools import Here
from recipes import made_up

import benchmark
import run_all
from benchmark.analysis.__main__ import main as main_of_analysis
from benchmark.config.catalogue import catalogue
from benchmark.config.resolve import resolve
from benchmark.data import images
from benchmark.data.files import Checksums
from benchmark.data.registry import DATASETS, DataSet
from benchmark.errors import DataError
from benchmark.problems import load
from benchmark.problems.images import PLAIN, WAYS, Images, held_out, means
from benchmark.runner import pool
from tables.__main__ import main as main_of_tables
from tests.images import pictures

Run = Callable[..., int]
CIFAR, FASHION = DATASETS["CIFAR-10"], DATASETS["Fashion-MNIST"]
FIELDS: dict[str, Any] = {"held_out": 0.2, "pixel_mean": None, "pixel_deviation": None, "augmentation": "none"}

UNTRAINED = {name: value for name, value in FIELDS.items() if name != "augmentation"}


def problem_of(folder: Path, dataset: DataSet = CIFAR, trained: bool = True, **values: Any) -> tuple[Images, Any]:
    recipe = made_up("vgg", trained=trained, **(FIELDS if trained else UNTRAINED) | values)
    recipe = replace(recipe, workload="images", values={n: v for n, v in recipe.values.items() if n != "lookback"})
    sha256 = str(Checksums().of(folder))
    found: Any = load(recipe, dataset, folder, 0, torch.device("cpu"), evaluation_batch=lambda channels: 7, sha256=sha256,
                      cache_dir=None)  # fmt: skip
    return found


def test_both_layouts_are_read_packed_and_unpacked(tmp_path: Path) -> None:
    folder = pictures.cifar(tmp_path / "cifar")
    train, test = images.read(CIFAR, folder)
    assert train.pixels.shape == (100, 32, 32, 3) and test.pixels.shape == (30, 32, 32, 3)
    assert np.array_equal(train.pixels[20:40].transpose(0, 3, 1, 2), pictures.made(20, 1)[0])
    assert list(train.labels[:12]) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-py")
    packed = images.read(CIFAR, tmp_path / "cifar.tar.gz")
    assert np.array_equal(packed[0].pixels, train.pixels) and np.array_equal(packed[1].labels, test.labels)
    one, other = pictures.idx(tmp_path / "packed"), pictures.idx(tmp_path / "unpacked", packed=False)
    train, test = images.read(FASHION, one)
    assert train.pixels.shape == (60, 32, 32, 3) and len(test.labels) == 20
    assert not train.pixels[:, :2].any() and np.array_equal(train.pixels[..., 0], train.pixels[..., 2])
    assert np.array_equal(images.read(FASHION, other)[0].pixels, train.pixels)
    assert Checksums().of(one) == Checksums().of(other), "the same images have the same checksum"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps(Path("x")), "a pickle that asks for pathlib"),
        (b"no pickle", "CIFAR-10's Python layout"),
        (pickle.dumps({b"data": np.zeros((2, 9), np.uint8), b"labels": [0, 1]}), "no array"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10]}), "classes from 0 to 10"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}), "102 images with 101 classes"),
        (pickle.dumps([1]), "CIFAR-10's Python layout"),
        (None, "no data_batch_5"),
    ],
)
def test_files_that_are_none_are_said_in_one_sentence(tmp_path: Path, content: bytes | None, said: str) -> None:
    folder = pictures.cifar(tmp_path / "set", each=25)
    (folder / "data_batch_5").unlink()
    if content is not None:
        (folder / "data_batch_5").write_bytes(content)
    with pytest.raises(DataError, match=said) as found:
        images.read(CIFAR, folder)
    assert "\n" not in str(found.value) and str(folder) in str(found.value)


def test_what_is_held_out_is_of_each_class_and_the_data_alone() -> None:
    labels = np.repeat(np.arange(10), 500)
    np.random.default_rng(0).shuffle(labels)
    one = held_out(labels, 0.1, "ab" * 32)
    assert list(np.bincount(labels[one])) == [50] * 10 and len(set(one)) == 500
    assert np.array_equal(one, held_out(labels, 0.1, "ab" * 32))
    assert not np.array_equal(one, held_out(labels, 0.1, "ac" * 32))


def test_images_are_seen_cropped_and_flipped_as_by_hand(tmp_path: Path) -> None:
    problem, _ = problem_of(pictures.cifar(tmp_path / "set"), augmentation="crop_flip")
    pixels = images.read(CIFAR, tmp_path / "set")[0].pixels
    train = np.delete(pixels, held_out(np.tile(np.arange(10), 10), 0.2, str(Checksums().of(tmp_path / "set"))), axis=0)
    mean, deviation = train.reshape(-1, 3).mean(0), train.reshape(-1, 3).std(0)
    parts = problem.micro_batches(torch.Generator().manual_seed(0), 16)
    assert sorted(torch.cat(list(parts)) // WAYS) == list(range(80))
    for code in parts[0]:
        number, way = divmod(int(code), WAYS)
        down, across = divmod(way // 2, 9)
        seen = np.pad(train[number], [(4, 4), (4, 4), (0, 0)])[down : down + 32, across : across + 32]
        seen = seen[:, ::-1] if way % 2 else seen
        x, _ = problem.batch(code[None])
        torch.testing.assert_close(x[0].permute(1, 2, 0).double(), torch.from_numpy((seen - mean) / deviation),
                                   rtol=1e-4, atol=1e-4)  # fmt: skip
    again = problem.micro_batches(torch.Generator().manual_seed(0), 16)
    assert all(torch.equal(one, other) for one, other in zip(parts, again, strict=True))
    assert not torch.equal(parts[0], problem.micro_batches(torch.Generator().manual_seed(1), 16)[0])


def test_departures_of_the_released_code(tmp_path: Path) -> None:
    folder = pictures.cifar(tmp_path / "set")
    problem, held = problem_of(folder, unshuffled=True, selects_on_test=True, selected_by="cross_entropy",
                               full_batches_counted=True)  # fmt: skip
    assert problem.counts() == (100, 30) and len(held) == 30 and problem.selected_by == "cross_entropy"
    assert torch.equal(problem.validation.labels, held.pictures.labels)
    parts = problem.micro_batches(torch.Generator().manual_seed(5), 8)
    assert torch.cat(list(parts)).tolist() == [number * WAYS + PLAIN for number in range(100)]

    class Perfect(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            right = held.pictures.labels[self.at : self.at + len(x)]
            self.at += len(x)
            return 100.0 * torch.nn.functional.one_hot(right, 10).float()

    perfect: Any = Perfect()
    perfect.at = 0
    assert held.measure(perfect)["error"] == pytest.approx(100 - 100 * 30 / 32)  # four batches of 8 are counted
    perfect.at = 0
    assert float(means(perfect, held.pictures, held.setting)["error"]) == 0


def test_switches_act_on_what_their_source_is_of() -> None:
    """sam_experiments trains with Adam; of CKN each script trains one kind of net."""
    papers = catalogue().papers

    def active(paper: str, column: str, sam: bool = False) -> set[str]:
        there = papers[paper]
        return set(resolve(there, there.columns[column], "CIFAR-10", 0, sam, list(there.switches), "paper").switches)

    engine = {"selects_on_test", "unshuffled", "full_batches_counted"}
    for column in ("VGG-9", "VGG-16", "VGG-19"):
        assert active("vgg_cifar", column) == engine
        assert active("vgg_cifar", column, sam=True) == engine | {"statistics_twice", "second_pass_loss"}
    assert active("vgg_cifar", "VGG-9-SGD") == active("vgg_cifar", "VGG-9-SGD+SAM", sam=True) == set()
    assert active("ckn", "CKN-14") == {"best_test_epoch", "released_backward", "first_patches"}
    assert active("ckn", "CKN-64-256") == {"best_test_penalty", "first_patches"}
    assert active("ckn", "CKN2-scratch") == set()


def test_a_model_that_is_not_trained_may_be_chosen_by_the_test_images_too(tmp_path: Path) -> None:
    folder = pictures.cifar(tmp_path / "set")
    (chosen, _), (problem, held) = (problem_of(folder, trained=False, selects_on_test=each) for each in (False, True))
    assert chosen.counts() == (80, 20) and problem.counts() == (100, 30)
    assert torch.equal(problem.validation.labels, held.pictures.labels)


def test_a_single_image_joins_the_batch_before_it(tmp_path: Path) -> None:
    problem, _ = problem_of(pictures.cifar(tmp_path / "set"))
    parts = problem.micro_batches(torch.Generator(), 79)
    assert [len(part) for part in parts] == [80]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run_all.py` in this process, on a made-up set that joins a small paper's grid."""
    monkeypatch.setattr(pool, "LocalPool", Here)
    configs = [word for path in pictures.configs(tmp_path) for word in ("--config", str(path))]

    def call(*asked: str) -> int:
        own = ["--papers", "small", "--subset", "small-set", "--results-dir", str(tmp_path / "results"), "--no-mlflow"]
        return run_all.main([*configs, *own, *asked])

    return call


def test_a_cell_goes_all_the_way(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plan, training, Result, tables: with and without SAM, in all switches, and no horizon anywhere."""
    assert run("--sam", "both", "--keep", "weights,predictions") == 0
    found = [json.loads(path.read_text()) for path in (tmp_path / "results/cells").glob("*.json")]
    assert {each["key"] for each in found} == {f"small/small-set/Net{sam}/s{n}" for sam in ("", "/sam") for n in (0, 1)}
    for each in found:
        assert each["metrics"].keys() == {f"{of}_{n}" for of in ("val", "test") for n in ("error", "cross_entropy")}
        assert each["extra_metrics"]["test_accuracy"] == pytest.approx(100 - each["metrics"]["test_error"])
        assert each["windows"] == {"train": 80, "val": 20, "test": 30}
        assert [round(epoch["lr"], 9) for epoch in each["epochs"]] == [0.05, 0.005]
        assert each["epochs"][1]["train_loss"] < each["epochs"][0]["train_loss"]
        with np.load(tmp_path / f"results/predictions/{each['digest']}.npz") as kept:
            error = 100 * np.mean(kept["scores"].argmax(1) != kept["labels"])
            assert error == pytest.approx(each["metrics"]["test_error"])
    capsys.readouterr()
    assert run("--protocol", "released", "--dry-run", "--json", "--seeds", "1") == 0
    cell = json.loads(capsys.readouterr().out)["cells"][0]
    assert (cell["key"], cell["lookback"], cell["horizon"]) == ("small/released/small-set/Net/s0", None, None)
    assert run("--protocol", "released", "--seeds", "1") == 0
    markdown = (tmp_path / "results/tables/small.md").read_text()
    assert "small-set" in markdown and "look-back" not in markdown.casefold() and "avg" not in markdown
    rows = list(csv.DictReader((tmp_path / "results/tables/small.csv").open()))
    assert rows and all(row["horizon"] == row["lookback"] == "" for row in rows)
    assert {row["metric"] for row in rows} == {"error", "cross_entropy"}
    nothing_of_forecasting(tmp_path, capsys)
    probes_of_images(tmp_path, capsys)


def nothing_of_forecasting(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No horizon, no MSE, no windows: in both forms of LaTeX, in Markdown, in what stands of protocols, on the page."""
    tables = folder / "results/tables"
    latex = (tables / "small.tex").read_text()
    assert r"\begin{tabular}{l" in latex and "data set & Net" in latex and "data set & & " not in latex
    configs = ["--config", str(folder / "small.yaml"), "--config", str(folder / "own.yaml")]
    asked = ["latex", "small", *configs, "--results-dir", str(folder / "results")]
    capsys.readouterr()
    assert main_of_tables(asked) == 0
    for_paper = capsys.readouterr().out
    assert r"\begin{tabular}{@{}lc" in for_paper and r"\cmidrule(lr){2-" in for_paper
    protocols = (tables / "protocols.md").read_text()
    assert "Test Error in percent of the images, mean ±" in protocols and "| data set   | column" in protocols
    markdown, page = (tables / "small.md").read_text(), (folder / "results/report.html").read_text()
    for text in (latex, for_paper, markdown, protocols.partition("## small")[2]):
        assert not any(word in text for word in ("$H$", "horizon", "look-back", "MSE", "windows", "| H"))
    assert "A number opens its seeds, recipe and curves." in page
    table = page[page.index('<table class="own"') :]
    assert '<th scope="col"></th>' not in table[: table.index("</table>")]


def probes_of_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Landscape and sharpness of the two that were kept, with SAM and without."""
    configs = ["--config", str(folder / "small.yaml"), "--config", str(folder / "own.yaml")]
    asked = ["small/small-set/Net/s0", "small/small-set/Net/sam/s0", *configs, "--results-dir", str(folder / "results")]
    capsys.readouterr()
    assert main_of_analysis(["landscape", *asked, "--grid", "2", "--windows", "10"]) == 0
    assert main_of_analysis(["sharpness", *asked, "--windows", "10", "--vectors", "2"]) == 0
    said = capsys.readouterr().out
    assert "over 10 validation images at its own weights" in said and "10 of 80 train images, cross-entropy" in said
    assert "power_iteration" not in said and len(list((folder / "results/analysis").glob("*/landscape.png"))) == 1
    over_the_training_set(folder, [asked[0], *asked[2:]], capsys)


def over_the_training_set(folder: Path, asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As the released tool has it: every image that was trained on, not augmented though the recipe says so."""
    options = ["--grid", "3", "--split", "train", "--norm", "layer", "--biases", "copy", "--dir-type", "states"]
    assert main_of_analysis(["landscape", *asked, *options]) == 0
    assert "over 80 train images at its own weights" in capsys.readouterr().out
    model, task = benchmark.load(asked[0], folder / "results", config=[folder / "small.yaml", folder / "own.yaml"])
    assert isinstance(task.training, Images) and task.training.augmented
    (seen,) = task.training.train.plain(80)
    with torch.no_grad():
        scores: Any = model(seen.x)
    with np.load(folder / "results/analysis" / task.result.digest / "landscape.npz") as file:
        assert float(file["centre"]) == pytest.approx(F.cross_entropy(scores, seen.y).item(), rel=1e-5)
        assert float(file["centre_accuracy"]) == pytest.approx(100 * (scores.argmax(1) == seen.y).double().mean().item())
        assert file["windows"] == 80 and file["loss"][1, 1] == file["centre"]
        assert file["accuracy"].shape == (3, 3) and file["accuracy"][1, 1] == file["centre_accuracy"]
        assert [str(file[name]) for name in ("split", "norm", "biases", "dir_type")] == ["train", "layer", "copy", "states"]


def test_what_does_not_belong_together_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = "datasets:\n  pic: {file: set, reader: cifar, papers: [toy]}\n"
    for text, said in (
        (own, "pic has images, and the task is forecasting"),
        (own.replace("cifar,", "cifar, step: 1 h,"), "a set of images has no step; leave it out"),
        (own.replace("file: set", "file: other"), "expected CIFAR-10's Python layout"),
    ):
        pictures.cifar(tmp_path / "set")
        (tmp_path / "other").write_text("a,b\n1,2\n")
        (tmp_path / "own.yaml").write_text(text)
        run_all.main(["--config", str(tmp_path / "own.yaml"), "--papers", "toy", "--dry-run", "--results-dir",
                      str(tmp_path / "results")])  # fmt: skip
        assert said in "".join(capsys.readouterr())
    for text, said in (
        (pictures.PAPER.replace("seeds:", "horizons: {value: [4], source: test, status: ours}\nseeds:", 1), "no horizons"),
        (pictures.PAPER.replace("model: vgg", "model: dlinear"), "dlinear is a model for forecasting"),
        (pictures.PAPER.replace("[CIFAR-10]", "[ETTh1]"), "ETTh1 has series, and the task is images"),
    ):
        (tmp_path / "small.yaml").write_text(text)
        run_all.main(["--config", str(tmp_path / "small.yaml"), "--papers", "small", "--dry-run", "--results-dir",
                      str(tmp_path / "results")])  # fmt: skip
        assert said in "".join(capsys.readouterr())
