"""The loss of a classifier over images, as the probes of weights take it: the cross-entropy."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from baselines.classifier import Classifier
from benchmark.analysis.probes.curvature import Objective
from benchmark.config.recipe import Setting
from benchmark.problems.images import Pictures, means


def objective(model: Classifier, pictures: Pictures, setting: Setting) -> Objective:
    """The cross-entropy over images as they are, in float64. The model given is left alone."""

    def batches() -> Iterator[tuple[Any, float]]:
        for x, y in pictures.plain(setting.evaluation_batch or len(pictures)):
            yield (x.double(), y), len(y) / len(pictures)

    def loss(classifier: Classifier, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(classifier(batch[0]), batch[1])

    return Objective(copy.deepcopy(model).double().eval(), loss, batches)


def values(model: Classifier, pictures: Pictures, setting: Setting) -> Mapping[str, float]:
    """`loss`, the cross-entropy over images as they are, and `accuracy` in %, in the model's own precision; neither is a
    number where a score is none."""
    found = means(model, pictures, setting)
    model.eval()
    loss = float(found["cross_entropy"])
    return {"loss": loss, "accuracy": math.nan if math.isnan(loss) else 100.0 - float(found["error"])}
