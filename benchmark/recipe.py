"""What one cell's training is made of: the typed recipe, and values that carry their source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

STATUSES = ("verified", "sum-checked", "unverified", "ours")
"""Of a value, best first. `ours`: chosen by us, because no paper says it."""


@dataclass(frozen=True)
class Sourced:
    """A value with the place where it was read."""

    value: Any
    source: str
    status: str


Share = Annotated[float, Field(ge=0, lt=1)]


class Recipe(BaseModel):
    """Everything a cell's training depends on, beside its data and its seed. One field, one key of a recipe's YAML.

    A field with a default may stand in no recipe at all; it then enters no digest either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lookback: PositiveInt = Field(description="input steps L")
    batch_size: PositiveInt = Field(description="windows of one micro-batch")
    accumulation: PositiveInt = Field(description="micro-batches of one optimizer step")
    epochs: PositiveInt = Field(description="at most")
    patience: PositiveInt | None = Field(description="epochs without a better validation MSE before it stops; null: never")
    optimizer: Literal["adam", "adamw", "keras_adam"]
    learning_rate: PositiveFloat
    betas: tuple[Share, Share]
    eps: PositiveFloat
    weight_decay: NonNegativeFloat = Field(description="L2 in the gradient (adam), decoupled (adamw)")
    schedule: Literal["constant", "cosine_restarts", "halved_every_epoch"]
    minimum_learning_rate: NonNegativeFloat = Field(description="floor of cosine_restarts")
    restart_period: PositiveInt = Field(description="epochs between restarts of cosine_restarts")
    clip_norm: PositiveFloat | None = Field(description="global gradient norm; null: no clipping")
    rho: NonNegativeFloat | None = Field(description="SAM's radius; null without SAM")
    selection: Literal["best_validation", "last_epoch"] = Field(description="which weights are tested")
    evaluation_batch: PositiveInt | None = Field(
        description="windows a batch of validation and test; null: as memory allows, since no metric depends on it"
    )
    precision: Literal["float32"]
    time_features: bool = Field(default=False, description="the model gets time features, where the file has dates")
    mask_sentinels: bool = Field(
        default=False, description="replace −9999 (Weather) by the channel's last value; the papers use it as it stands"
    )


@dataclass(frozen=True)
class Resolved:
    """A recipe for one cell, every value with its source; `arguments.*` are the model's own."""

    model: str
    sam: bool
    values: Mapping[str, Sourced]
    switches: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Names and values only, as they enter the digest and the Result."""
        return {"model": self.model, "sam": self.sam} | {k: v.value for k, v in sorted(self.values.items())}

    def weakest(self) -> str:
        """The worst status that any value has."""
        return max((v.status for v in self.values.values()), key=STATUSES.index, default="ours")


def typed(plain: Mapping[str, Any]) -> Recipe:
    """The typed recipe of `Resolved.plain()`."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items() if k in Recipe.model_fields}
    return Recipe.model_validate(values)


def arguments(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own arguments of `Resolved.plain()`."""
    prefix = "arguments."
    return {k.removeprefix(prefix): v for k, v in plain.items() if k.startswith(prefix)}
