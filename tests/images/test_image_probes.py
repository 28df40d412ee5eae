"""The probes of weights on classifiers: the loss is the cross-entropy over images, of which Hessian and landscape are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import baselines
from benchmark.analysis.probes.curvature import ends
from benchmark.analysis.probes.losses import LOSSES
from benchmark.config.recipe import Setting
from benchmark.errors import UsageError
from benchmark.problems.images import Pictures
from tables.figures.probes import landscape, sharpness
from tests.images import pictures

SIZES = {"channels": 3, "size": 32, "classes": 10}
SETTING = Setting(evaluation_batch=7, precision="float32")
LOSS = LOSSES["images"]


@pytest.fixture
def few() -> Pictures:
    """Twenty made-up images, each with its black edge."""
    pixels, labels = pictures.made(20, 0)
    padded = np.pad(pixels.transpose(0, 2, 3, 1), [(0, 0), (4, 4), (4, 4), (0, 0)])
    scaling = torch.full((3,), 1 / 64), torch.full((3,), -1.5)
    return Pictures(torch.from_numpy(padded), torch.tensor(labels), *scaling)


def test_the_hessian_is_that_of_the_cross_entropy(few: Pictures) -> None:
    torch.manual_seed(0)
    model = baselines.build("vgg", **SIZES, widths="2 M M M M").eval()
    of = LOSS.objective(model, few, SETTING)
    (x, y), = few.plain(20)  # fmt: skip
    assert of.value() == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-5)
    values = LOSS.values(model, few, SETTING)
    assert values["loss"] == pytest.approx(of.value(), rel=1e-5)
    assert values["accuracy"] == pytest.approx(100 * (model(x).argmax(1) == y).float().mean().item())
    v = np.random.default_rng(0).standard_normal(of.size)

    def slope(by: float) -> np.ndarray:
        moved = LOSS.objective(model, few, SETTING)
        with torch.no_grad():
            for each, part in zip(moved.trained.values(), of._parted(by * v).values(), strict=True):
                each.add_(part)
        return moved.gradient()

    product = of.product(v)
    assert np.linalg.norm(product - (slope(1e-6) - slope(-1e-6)) / 2e-6) < 1e-4 * np.linalg.norm(product)
    found = ends(of)
    assert float(found["lambda_max"]) > 0 and float(found["max_residual"]) < 1e-3 * float(found["lambda_max"])


def test_scores_that_are_no_numbers_have_no_accuracy(few: Pictures) -> None:
    model = baselines.build("vgg", **SIZES, widths="2 M M M M")
    with torch.no_grad():
        model.features[1].running_var.fill_(-1.0)
    assert np.isnan(list(LOSS.values(model, few, SETTING).values())).all() and not model.training


def test_a_kernel_network_has_no_second_derivative_and_says_so(few: Pictures) -> None:
    model = baselines.build("ckn", **SIZES, layout="scratch2", filters="random", fit_alpha=0.0).eval()
    with pytest.raises(UsageError, match="whose loss autograd can derive twice, found CKN"):
        ends(LOSS.objective(model, few, SETTING))


def test_the_figures_name_the_loss_and_the_images(tmp_path: Path) -> None:
    of = {"x": np.arange(3.0), "y": np.arange(3.0), "loss": np.ones((3, 3)) + np.eye(3), "centre": np.array(1.0),
          "windows": np.array(500), "split": np.array("train"), "measure": np.array("cross-entropy"),
          "example": np.array("image")}  # fmt: skip
    surface = landscape.surfaces([("small", of)]).panels[0].marks[0]
    assert getattr(surface, "label", "") == "cross-entropy, 500 images of train"
    with_accuracy = of | {"accuracy": 50 * np.eye(3), "centre_accuracy": np.array(50.0), "norm": np.array("dlayer"),
                          "biases": np.array("copy"), "dir_type": np.array("states")}  # fmt: skip
    both = landscape.surfaces([("small", with_accuracy)])
    labels = [getattr(panel.marks[0], "label", "") for panel in both.panels]
    assert labels == ["cross-entropy, 500 images of train", "accuracy in %, 500 images of train"]
    assert "The loss and the accuracy around the weights of small" in both.title
    assert both.notes == (
        "A direction's layers have length 1; of biases, norms and running statistics both have a copy",
        "The plus is at the weights; there the loss is 1.0000", "The accuracy there is 50.00 %",
    )  # fmt: skip
    of_two = landscape.surfaces([("one", with_accuracy), ("two", of | {"accuracy": np.eye(3)})])
    assert [panel.title for panel in of_two.panels] == ["one", "one", "two", "two"], "beside each loss its accuracy"
    assert {getattr(panel.marks[0], "limits", ()) for panel in of_two.panels[1::2]} == {(0.0, 50.0)}, "on one scale"
    assert of_two.notes[1] == "two: A direction's filters are as long as the weights' own; biases and norms stay"
    ends_of = {
        "lambda_max": np.array(2.0),
        "lambda_min": np.array(-1.0),
        "trace": np.array(3.0),
        "trace_error": np.array(0.1),
    }
    figure = sharpness.sharpness([("small/small-set/Net/s0", of | ends_of)])
    assert figure.title == "Hessian of the cross-entropy over 500 images of train"
