"""Images: from 3 × 32 × 32 numbers to one of ten classes. A cell has neither look-back nor horizon; both are 0."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.data.registry import DataSet
from benchmark.workloads.base import Metric

SIZE, CLASSES = 32, 10
_PADDED = 40
"""Pixels of a side on the device, with the edge of which a crop may take some."""
Share = Annotated[float, Field(gt=0, lt=1)]
OfColours = tuple[float, float, float]


class ImageFields(BaseModel):
    """What any model's classes depend on, trained or not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    held_out: Share = Field(
        description="of each class's training images, the part that is validated on: drawn once, by the data's checksum"
    )
    pixel_mean: OfColours | None = Field(
        description="of 255, by colour; taken off before a model sees an image; null: that of the images trained on"
    )
    pixel_deviation: OfColours | None = Field(description="of 255, by colour; divided by; null: that of these images")
    selects_on_test: bool = Field(
        default=False, description="nothing is held out, and the test images are what is validated on"
    )


class ImageTrainingFields(ImageFields):
    """What a trained model's classes depend on besides."""

    augmentation: Literal["none", "crop_flip"] = Field(
        description="crop_flip: 32 × 32 out of 40 × 40 with a black edge of 4, and half of them left for right"
    )
    unshuffled: bool = Field(default=False, description="every epoch has the same batches, in the order of the files")
    selected_by: Literal["error", "cross_entropy"] = Field(
        default="error", description="the metric on validation that selects weights"
    )
    full_batches_counted: bool = Field(
        default=False, description="the error's share is of whole batches, the last one counted as if it were full"
    )


class Images:
    """The workload of papers that say ``workload: images``."""

    name = "images"
    axes: tuple[str, ...] = ()
    measured = "over all test images: mean ± sample standard deviation (n − 1) over n seeds. Error in percent."
    examples = "images"
    metrics: tuple[Metric, ...] = (
        Metric("error", "Error", absolute=0.1, scale="in percent of the images"),
        Metric("cross_entropy", "Cross-entropy", scale="in nats an image"),
        Metric("accuracy", "Accuracy", higher_is_better=True, absolute=0.1, extra=True, scale="in percent of the images"),
    )
    fields: type[BaseModel] = ImageFields
    training_fields: type[BaseModel] = ImageTrainingFields
    listed: str | None = None
    unsaid: Mapping[str, Any] = MappingProxyType({})
    profiles: Mapping[str, Mapping[str, int]] = MappingProxyType({
        "paper": {}, "quick": {"max_steps": 60, "max_windows": 256},
    })  # fmt: skip

    def variant(self, values: Mapping[str, Any]) -> str:
        """None: all classes, all images."""
        return ""

    def channels(self, dataset: DataSet, variant: str) -> int | None:
        """The colours."""
        return dataset.channels

    def partial(self, dataset: DataSet, variant: str) -> str | None:
        """An image has one class, and it counts."""
        return None

    def shape(self, channels: int, lookback: int, horizon: int) -> Mapping[str, int]:
        """As in baselines: channels, size (of a side, in pixels), classes."""
        return {"channels": channels, "size": SIZE, "classes": CLASSES}

    def example(self, channels: int, lookback: int, horizon: int) -> int:
        """Numbers in one image, and its class."""
        return channels * SIZE * SIZE + 1

    def train_examples(self, dataset: DataSet, lookback: int, horizon: int) -> int:
        """Images to train on, those held out among them; 1 where that is not known."""
        return dataset.bounds[0] if dataset.bounds is not None else 1

    def forecasts(self, dataset: DataSet, variant: str, lookback: int, horizon: int) -> tuple[int, int, int] | None:
        """Test images, one number a class for each, and their classes."""
        if dataset.bounds is None:
            return None
        count = dataset.bounds[2] - dataset.bounds[1]
        return count, CLASSES, count

    def data_bytes(self, dataset: DataSet, lookback: int, horizon: int) -> int | None:
        """The files' pixels, and those on the device with their edge: a byte each."""
        if dataset.rows is None or dataset.channels is None:
            return None
        return dataset.rows * dataset.channels * (2 * SIZE**2 + _PADDED**2)

    def infeasible(self, dataset: DataSet, lookback: int, horizon: int) -> str | None:
        """That the data set has no images, if it is so."""
        return None if dataset.split == "given" else f"{dataset.name} has series, and the task is images"


IMAGES = Images()
