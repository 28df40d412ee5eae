"""VGG for small images (Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556), with batch norm, as loss-landscape's
cifar10/models/vgg.py at 64ef4d5 has it (see docs/models.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from baselines.classifier import Classifier
from baselines.footprint_images import POOL, vgg_layers

Net = Literal["vgg9", "vgg16", "vgg19"]
Initialisation = Literal["torch", "he"]


class VGG(Classifier):
    """Blocks of 3 × 3 convolutions, each with batch norm and ReLU, and max-pooling by two; then two linear layers.

    net: its layers by name. widths: others in their place, those of the convolutions with M where it pools, such as
    ``64 M 128 M``.
    initialisation: torch's own, or He-normal convolutions, N(0, 1e-3²) linear layers and biases of 0.
    """

    def __init__(
        self, *, channels: int, size: int, classes: int, net: Net = "vgg9", widths: str | Sequence[int | str] | None = None,
        initialisation: Initialisation = "torch",
    ) -> None:  # fmt: skip
        super().__init__()
        modules: list[nn.Module] = []
        width = channels
        for layer in vgg_layers(net, widths):
            if layer == POOL:
                modules.append(nn.MaxPool2d(2, 2, ceil_mode=True))
                size //= 2
            else:
                modules += [nn.Conv2d(width, layer, 3, padding=1), nn.BatchNorm2d(layer), nn.ReLU(inplace=True)]
                width = layer
        self.features = nn.Sequential(*modules)
        self.fc = nn.Sequential(nn.Linear(width * size * size, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(width, classes)
        if initialisation == "he":
            self.apply(_he)

    def forward(self, x: Tensor) -> Tensor:
        """The scores [B, K] of the images x [B, C, S, S]."""
        found = self.features(x)  # [B, c, s, s]
        return cast(Tensor, self.classifier(self.fc(found.flatten(1))))


@torch.no_grad()
def _he(module: Any) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=1e-3)
    else:
        return
    assert module.bias is not None
    nn.init.zeros_(module.bias)
