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
    assert LOSS.mean(model, few, SETTING) == pytest.approx(of.value(), rel=1e-5)
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
    ends_of = {
        "lambda_max": np.array(2.0),
        "lambda_min": np.array(-1.0),
        "trace": np.array(3.0),
        "trace_error": np.array(0.1),
    }
    figure = sharpness.sharpness([("small/small-set/Net/s0", of | ends_of)])
    assert figure.title == "Hessian of the cross-entropy over 500 images of train"
