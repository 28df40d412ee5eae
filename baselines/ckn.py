"""The convolutional kernel network (Mairal, NIPS 2016, arXiv 1605.06265), as CKN-Pytorch-image has it at 19ae94b (see
docs/models.md, CKN)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, cast

import torch
from torch import Generator, Tensor, nn

from baselines.arguments import Size, Weight
from baselines.base import Examples, SelfMoving
from baselines.ckn_fit import fitted, squared_hinge
from baselines.ckn_kmeans import Drawn, begun, drawn_patches
from baselines.ckn_layer import KernelLayer
from baselines.ckn_nets import Shape, shape_of
from baselines.classifier import Classifier

Layout = Literal["ckn5", "ckn14", "scratch2", "scratch3", "scratch5"]
Backward = Literal["exact", "released"]
Filters = Literal["sampled", "first", "random"]
Loss = Literal["squared_hinge", "cross_entropy"]
AT_ONCE = 64
"""Images whose patches, or features, are taken together: the released code's batches."""


class CKN(Classifier, SelfMoving):
    """Kernel layers, then one linear layer.

    layout: the layers of that name. widths, kernel_sizes, subsampling, kernels, sigmas: others in their place, one a layer.
    backward, ridge_inside: as `KernelLayer` has them. filters: where they begin: k-means of `patch_count` patches, sampled
    from all or the first ones of each batch of 64 images; or at random. Each step leaves them of norm 1. loss: of training.
    fit_alpha: of the last layer's penalty; 0: that layer is not fitted. alternating: it is fitted before every epoch, and
    steps have no penalty; else before the first alone, and its penalty is part of the loss.
    """

    layer: ClassVar[type[KernelLayer]] = KernelLayer

    def __init__(
        self, *, channels: int, size: int, classes: int, layout: Layout = "ckn5", backward: Backward = "exact",
        ridge_inside: bool = False, filters: Filters = "sampled", patch_count: Size = 150_000,
        loss: Loss = "squared_hinge", fit_alpha: Weight = 0.001, alternating: bool = True,
        widths: str | Sequence[int] | None = None, kernel_sizes: Sequence[int] | None = None,
        subsampling: Sequence[int] | None = None, kernels: Sequence[str] | None = None,
        sigmas: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        shape = shape_of(layout, kernel_sizes, widths, subsampling, kernels, sigmas)
        self.layers = nn.ModuleList(kernel_layers(self.layer, channels, shape, backward, ridge_inside))
        self.classifier = nn.Linear(shape.widths[-1] * shape.sides(size)[-1] ** 2, classes)
        self.filters, self.patch_count, self.loss = filters, patch_count, loss
        self.fit_alpha, self.alternating = fit_alpha, alternating
        if fit_alpha and not alternating:
            self.register_buffer("penalty", torch.zeros(()))

    def _layers(self) -> list[KernelLayer]:
        return cast(list[KernelLayer], list(self.layers))

    def features(self, x: Tensor) -> Tensor:
        """The last layer's map [B, p·h·w] of the images x [B, C, S, S]."""
        x = x.contiguous()  # with the colours last, norms go along places no more, and a step takes a fifth longer
        for layer in self._layers():
            x = layer(x)
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """The scores [B, K] of the images x [B, C, S, S]."""
        scores: Tensor = self.classifier(self.features(x))
        return scores

    def training_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss [] of images x [B, C, S, S] of the classes y [B], with the last layer's penalty where that is not
        fitted before every epoch."""
        loss = squared_hinge(self(x), y) if self.loss == "squared_hinge" else super().training_loss(x, y)
        if self.alternating or not self.fit_alpha:
            return loss
        assert isinstance(self.penalty, Tensor)
        square = self.classifier.weight.square().sum() + self.classifier.bias.square().sum()
        return loss + 0.5 * self.penalty * square

    @torch.no_grad()
    def before_training(self, examples: Examples, dice: Generator) -> None:
        """Has the filters begin as `filters` says, layer by layer."""
        if self.filters != "random":
            begin_filters(self._layers(), examples, self.patch_count, self.filters, dice)

    @torch.no_grad()
    def before_epoch(self, epoch: int, examples: Examples) -> None:
        """Fits the last layer to the features of all examples, where that is to be done before this epoch (from 0)."""
        if not self.fit_alpha or (epoch and not self.alternating):
            return
        self.eval()
        pairs = [(self.features(x), y) for x, y in examples.batches(AT_ONCE)]
        self.train()
        x, y = (torch.cat(each) for each in zip(*pairs, strict=True))
        found = fitted(x, y, self.classifier.weight, self.classifier.bias, self.fit_alpha)
        self.classifier.weight.copy_(found.weight)
        self.classifier.bias.copy_(found.bias)
        if not self.alternating:
            assert isinstance(self.penalty, Tensor)
            self.penalty.fill_(found.penalty)

    def after_step(self) -> None:
        """Takes the filters back to the sphere."""
        for layer in self._layers():
            layer.project()


def kernel_layers(
    kind: type[KernelLayer], channels: int, shape: Shape, backward: Backward = "exact", ridge_inside: bool = False
) -> Iterator[KernelLayer]:
    """The layers of a shape, for images of so many colours."""
    for size, width, by, kernel, sigma in zip(
        shape.sizes, shape.widths, shape.subsampling, shape.kernels, shape.sigmas, strict=True
    ):
        yield kind(channels, width, size, by, kernel, sigma, backward, ridge_inside)
        channels = width


@torch.no_grad()
def begin_filters(layers: Sequence[KernelLayer], examples: Examples, count: int, drawn: Drawn, dice: Generator) -> None:
    """Filters from k-means of `count` patches of what each layer is given, the layers below it having theirs."""

    def maps(below: int) -> Iterator[Tensor]:
        for x, _ in examples.batches(AT_ONCE):
            for layer in layers[:below]:
                x = layer(x)
            yield x

    for number, layer in enumerate(layers):
        points = drawn_patches(maps(number), layer.size, count, -(-len(examples) // AT_ONCE), drawn, dice)
        layer.weight.copy_(begun(points, layer.weight, dice))
