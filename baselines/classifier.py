"""The interface that all models of images share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn


class Classifier(nn.Module, ABC):
    """A model that gives each class of an image a score. The scores of an image depend, in eval mode, on it alone.

    It is built with the keywords `channels` (colours), `size` (pixels of a side) and `classes`, and its own arguments.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The scores [B, K] of the images x [B, C, S, S], each colour less its mean and over its deviation; the class is
        the one with the largest. x may lie in memory with the colours last."""

    def training_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Scalar to minimise on images x [B, C, S, S] and their classes y [B] (int64): here the cross-entropy."""
        return F.cross_entropy(self(x), y)
