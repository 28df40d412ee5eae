"""The convolutional kernel network without labels: filters by k-means, and linear support vector machines on its features
(Mairal et al., NIPS 2014, arXiv 1406.3332; cifar10_unsup.py of CKN-Pytorch-image at 19ae94b; see docs/models.md, CKN)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, cast

import numpy as np
import torch
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from baselines.arguments import Size
from baselines.base import Examples
from baselines.ckn import AT_ONCE, begin_filters, kernel_layers
from baselines.ckn_layer import KernelLayer
from baselines.ckn_nets import NETS
from baselines.classifier import Classifier

Widths = Literal["64-256", "256-1024", "512-8192"]
Filters = Literal["sampled", "first"]
FIRST, LAST, WITHOUT = -15, 15, 3
"""C of the machines is 2ᵃ: a from −15 on, until three in a row bring nothing on validation, or 15."""

Batches = Iterable[tuple[Tensor, Tensor]]


class CKNUnsupervised(Classifier):
    """Two kernel layers that are not trained, features less their mean and over their norm, one linear machine a class.

    widths_of: the filters of both layers. filters, patch_count: as `CKN` has them.
    """

    def __init__(
        self, *, channels: int, size: int, classes: int, widths_of: Widths = "64-256", filters: Filters = "sampled",
        patch_count: Size = 1_000_000,
    ) -> None:  # fmt: skip
        super().__init__()
        shape = NETS[widths_of]
        self.layers = nn.ModuleList(kernel_layers(KernelLayer, channels, shape)).requires_grad_(False)
        width = shape.widths[-1] * shape.sides(size)[-1] ** 2
        self.weight = nn.Parameter(torch.zeros(classes, width), requires_grad=False)
        self.filters, self.patch_count = filters, patch_count
        self.cost: float | None = None

    def _layers(self) -> list[KernelLayer]:
        return cast(list[KernelLayer], list(self.layers))

    def features(self, x: Tensor) -> Tensor:
        """[B, p·h·w] of the images x [B, C, S, S]: of mean 0 and norm 1."""
        for layer in self._layers():
            x = layer(x)
        flat = x.flatten(1)
        flat = flat - flat.mean(dim=1, keepdim=True)
        return torch.div(flat, flat.norm(dim=1, keepdim=True).clamp(min=1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """The scores [B, K] of the images x [B, C, S, S]."""
        return self.features(x) @ self.weight.T

    @torch.no_grad()
    def fit(self, train: Batches, validation: Batches) -> None:
        """Filters from the training images, machines on their features; C by the error on the validation images.

        Draws from torch's default generator, on the CPU.
        """
        x, y = (torch.cat(each) for each in zip(*train, strict=True))

        def batches(size: int) -> Iterator[tuple[Tensor, Tensor]]:
            return zip(torch.split(x, size), torch.split(y, size), strict=True)

        begin_filters(self._layers(), Examples(len(y), batches), self.patch_count, self.filters, torch.default_generator)
        features = torch.cat([self.features(part) for part, _ in batches(AT_ONCE)]).double().cpu().numpy()
        held = [(self.features(part).double().cpu().numpy(), its.cpu().numpy()) for part, its in validation]
        best, since = -1, 0
        for exponent in range(FIRST, LAST + 1):
            machines = LinearSVC(C=2.0**exponent, fit_intercept=False, random_state=0).fit(features, y.cpu().numpy())
            right = sum(int((machines.predict(part) == its).sum()) for part, its in held)
            since = 0 if right > best else since + 1
            if right > best:
                best, self.cost = right, 2.0**exponent
                self.weight.copy_(_by_class(machines, len(self.weight)))
            if since == WITHOUT:
                break


def _by_class(machines: LinearSVC, classes: int) -> Tensor:
    """The machines' weights [K, d]; of a class that no image has, zeros. (Of two classes there is one machine.)"""
    found = np.asarray(machines.coef_)
    found = np.concatenate([-found, found]) if len(machines.classes_) == 2 else found
    weight = torch.zeros(classes, found.shape[1])
    weight[torch.from_numpy(machines.classes_)] = torch.from_numpy(found).float()
    return weight
