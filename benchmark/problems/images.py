"""Images as the loop sees them: pixels and classes on the device, cropped and flipped there, their error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from baselines.classifier import Classifier
from benchmark.config.recipe import Recipe, Setting
from benchmark.data import images
from benchmark.data.images import SIZE
from benchmark.data.registry import DataSet
from benchmark.errors import DataError
from benchmark.problems.precision import autocast
from benchmark.workloads.images import IMAGES

EDGE = 4
"""Pixels of black about an image, of which a crop may take some."""
_SHIFTS = 2 * EDGE + 1
WAYS = 2 * _SHIFTS**2
"""In how many ways an image is seen: down, across, and left for right."""
PLAIN = 2 * (EDGE * _SHIFTS + EDGE)
"""The one in which it is seen as it is."""


class Batch(NamedTuple):
    """x [B, C, S, S] (float32, in memory colours last), y [B] (int64)."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Pictures:
    """Images on a device: padded [N, S + 8, S + 8, C] (uint8), labels [N] (int64), and what each colour is multiplied by
    and then added: scale, shift [C] (float32)."""

    padded: Tensor
    labels: Tensor
    scale: Tensor
    shift: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def seen(self, part: Tensor) -> Batch:
        """The images of some numbers, each times `WAYS` plus the way in which it is seen [B]."""
        number, way = part // WAYS, part % WAYS
        at, flipped = way // 2, (way % 2).bool()
        along = torch.arange(SIZE, device=part.device)
        rows = (at // _SHIFTS)[:, None] + along  # [B, S]
        columns = (at % _SHIFTS)[:, None] + torch.where(flipped[:, None], SIZE - 1 - along, along)
        side = self.padded.shape[1]
        places = ((number * side)[:, None] + rows)[:, :, None] * side + columns[:, None]  # [B, S, S]
        pixels = self.padded.view(-1, self.padded.shape[-1])[places]  # [B, S, S, C]
        x = pixels.float().mul_(self.scale).add_(self.shift).permute(0, 3, 1, 2)
        return Batch(x, self.labels[number])

    def plain(self, size: int) -> Iterator[Batch]:
        """All of them as they are, in their order, so many at once."""
        numbers = torch.arange(len(self), device=self.labels.device)
        for part in torch.split(numbers, size):
            yield self.seen(part * WAYS + PLAIN)

    def evenly(self, most: int | None) -> Pictures:
        """At most so many of them, evenly spaced."""
        if most is None or most >= len(self):
            return self
        chosen = torch.linspace(0, len(self) - 1, most, device=self.labels.device).round().long()
        return Pictures(self.padded[chosen], self.labels[chosen], self.scale, self.shift)


@torch.no_grad()
def means(model: Classifier, pictures: Pictures, setting: Setting, full_batch: int | None = None) -> dict[str, Tensor]:
    """`error` in percent, and `cross_entropy` [] (float64), over all images, still on the device.

    full_batch: as `full_batches_counted` has it, the size of the batches whose last one counts as if it were full; None:
    each image counts.
    """
    model.eval()
    device = pictures.labels.device
    right, lost = torch.zeros((), dtype=torch.int64, device=device), torch.zeros((), dtype=torch.float64, device=device)
    for x, y in pictures.plain(setting.evaluation_batch or len(pictures)):
        with autocast(setting, device):
            scores = model(x)
        right += (scores.argmax(dim=1) == y).sum()
        lost += F.cross_entropy(scores.float(), y, reduction="sum")
    model.train()
    counted = len(pictures) if full_batch is None else full_batch * math.ceil(len(pictures) / full_batch)
    return {"error": 100.0 - 100.0 * right.double() / counted, "cross_entropy": lost / len(pictures)}


@dataclass(frozen=True)
class Images:
    """Images to train on and to validate on.

    train, validation: on the device. setting: how they are evaluated. augmented, shuffled: as the recipe has it.
    selected_by: the metric that selects.
    full_batch: as `means` has it.
    """

    train: Pictures
    validation: Pictures
    setting: Setting
    augmented: bool = False
    shuffled: bool = True
    selected_by: str = "error"
    full_batch: int | None = None

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.train.labels.device

    def shape(self) -> Mapping[str, int]:
        """channels, size, classes."""
        return IMAGES.shape(self.train.padded.shape[-1], 0, 0)

    def counts(self) -> tuple[int, int]:
        """Images of training and of validation."""
        return len(self.train), len(self.validation)

    def micro_batches(self, order: torch.Generator, size: int) -> Sequence[Tensor]:
        """The training images in a new order, each with the way in which it is seen, cut into parts of `size` [n].

        Both are drawn from the stream of the order, so each seed has its own, in whatever company, and after a checkpoint.
        One that is left over alone joins the part before it: of a single image batch norm knows no variance.
        """
        count = len(self.train)
        numbers = torch.randperm(count, generator=order) if self.shuffled else torch.arange(count)
        ways = torch.randint(WAYS, (count,), generator=order) if self.augmented else torch.tensor(PLAIN)
        parts = list(torch.split((numbers * WAYS + ways).to(self.device), size))
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        return parts

    def batch(self, part: Tensor) -> Batch:
        """The images of these numbers and ways [n]."""
        return self.train.seen(part)

    def in_order(self, size: int) -> Iterator[Batch]:
        """The training images as they are, in the order of the files."""
        return self.train.plain(size)

    def size(self, batch: Batch) -> int:
        """Its images."""
        return len(batch.y)

    def examples(self, part: Tensor) -> int:
        """As `size` of the images of these numbers [n]."""
        return len(part)

    def loss(self, model: Classifier, batch: Batch) -> Tensor:
        """The model's own training loss []."""
        return model.training_loss(*batch)

    def gradients(self, model: Classifier, batch: Batch) -> tuple[Tensor, Sequence[Tensor | None]] | None:
        """None: autograd derives them [...]."""
        return None

    @property
    def steady(self) -> bool:
        """Validation is over all its images, in their order."""
        return True

    def selecting(self, model: Classifier) -> Tensor:
        """`selected_by` [] over all validation images, still on the device."""
        return means(model, self.validation, self.setting, self.full_batch)[self.selected_by]

    def validate(self, model: Classifier, holdout: torch.Generator) -> float:
        """`selected_by` over all validation images."""
        return float(self.selecting(model))

    def measure(self, model: Classifier) -> dict[str, float]:
        """The metrics on validation."""
        found = means(model, self.validation, self.setting, self.full_batch)
        return {name: float(value) for name, value in found.items()}

    def fit(self, model: Any) -> None:
        """From all images that are trained on and validated on, as they are, in the order of the files."""
        size = self.setting.evaluation_batch or len(self.train)
        model.fit(self.train.plain(size), self.validation.plain(size))


@dataclass
class HeldImages:
    """The test images. setting, full_batch: as `Images` has them. extra: further metrics, once they have been measured."""

    pictures: Pictures
    setting: Setting
    full_batch: int | None = None
    extra: dict[str, float | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pictures)

    def measure(self, model: Classifier) -> dict[str, float]:
        """The metrics on all of them."""
        found = {n: float(value) for n, value in means(model, self.pictures, self.setting, self.full_batch).items()}
        self.extra = {"accuracy": 100.0 - found["error"]}
        return found

    @torch.no_grad()
    def scores(self, model: Classifier) -> Iterator[Tensor]:
        """The scores that `measure` measures, batch by batch in the order of the files: [B, K] (float32)."""
        model.eval()
        for x, _ in self.pictures.plain(self.setting.evaluation_batch or len(self)):
            with autocast(self.setting, x.device):
                found = model(x)
            yield found.float()
        model.train()


def held_out(labels: NDArray[np.int64], share: float, sha256: str) -> NDArray[np.int64]:
    """Of each class the numbers of a share of its images, in rising order [n]: drawn by the checksum of the data, so that
    all seeds, machines and models have the same."""
    dice = np.random.default_rng(int(sha256, 16))
    chosen = []
    for each in np.unique(labels):
        of_class = np.flatnonzero(labels == each)
        chosen.append(dice.permutation(of_class)[: round(share * len(of_class))])
    return np.sort(np.concatenate(chosen))


def _scaling(recipe: Recipe, train: images.Images) -> tuple[Tensor, Tensor]:
    """What each colour is multiplied by, and then added [C]: so that the recipe's mean becomes 0 and its deviation 1; where
    it has none, those of the images."""
    mean, deviation = recipe.task.pixel_mean, recipe.task.pixel_deviation
    pixels = train.pixels.reshape(-1, train.pixels.shape[-1])
    mean = np.array(mean) if mean is not None else pixels.mean(axis=0, dtype=np.float64)
    deviation = np.array(deviation) if deviation is not None else pixels.std(axis=0, dtype=np.float64)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return torch.from_numpy(1 / deviation).float(), torch.from_numpy(-mean / deviation).float()


def load(
    recipe: Recipe, dataset: DataSet, path: Path | None, horizon: int, device: torch.device, *,
    evaluation_batch: Callable[[int], int], sha256: str, cache_dir: Path | None,
) -> tuple[Images, HeldImages]:  # fmt: skip
    """As `benchmark.problems.load` says."""
    assert path is not None
    task, training = recipe.task, recipe.training
    there, test = images.load(dataset, path, sha256)
    chosen = np.zeros(len(there.labels), dtype=bool)
    if not task.selects_on_test:
        chosen[held_out(there.labels, task.held_out, sha256)] = True
        if not 0 < chosen.sum() < len(chosen):
            raise DataError(f"{dataset.name}: {len(chosen)} images to train on are too few to hold out {task.held_out:g}")
    train = images.Images(there.pixels[~chosen], there.labels[~chosen])
    scaling = _scaling(recipe, train)

    def of(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Pictures:
        padded = np.pad(pixels, [(0, 0), (EDGE, EDGE), (EDGE, EDGE), (0, 0)])
        tensors = (torch.from_numpy(padded), torch.from_numpy(labels), *scaling)
        return Pictures(*(each.to(device) for each in tensors))

    most = recipe.bounds.max_windows
    setting = recipe.setting.model_copy(update={"evaluation_batch": evaluation_batch(there.pixels.shape[-1])})
    held = of(*test).evenly(most)
    validation = held if task.selects_on_test else of(there.pixels[chosen], there.labels[chosen]).evenly(most)
    full = training.batch_size if training is not None and task.full_batches_counted else None
    if training is None:
        return Images(of(*train), validation, setting), HeldImages(held, setting)
    problem = Images(of(*train), validation, setting, task.augmentation == "crop_flip", not task.unshuffled,
                     task.selected_by, full)  # fmt: skip
    return problem, HeldImages(held, setting, full)
