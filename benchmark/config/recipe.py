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


class Setting(BaseModel):
    """What any model's Result depends on, trained or not, beside its data and its own arguments.

    A field with a default may stand in no recipe at all; it then enters no digest either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lookback: PositiveInt = Field(
        description="input steps L; a recipe may list several: then each is trained, and validation chooses (tables)"
    )
    evaluation_batch: PositiveInt | None = Field(
        description="windows a batch of validation and test; null: as memory allows, since no metric depends on it"
    )
    precision: Literal["float32", "bfloat16_on_cuda"] = Field(
        description="bfloat16_on_cuda: autocast on a CUDA device; on a CPU it is float32, and the Result says so"
    )
    mask_sentinels: bool = Field(
        default=False, description="replace −9999 (Weather) by the channel's last value; the papers use it as it stands"
    )


class Recipe(Setting):
    """Everything a cell's training depends on, beside its data and its seed. One field, one key of a recipe's YAML."""

    batch_size: PositiveInt = Field(description="windows of one micro-batch")
    accumulation: PositiveInt = Field(description="micro-batches of one optimizer step")
    epochs: PositiveInt = Field(description="at most")
    patience: PositiveInt | None = Field(description="epochs without a better validation MSE before it stops; null: never")
    optimizer: Literal["adam", "adamw", "keras_adam"]
    learning_rate: PositiveFloat
    betas: tuple[Share, Share]
    eps: PositiveFloat
    weight_decay: NonNegativeFloat = Field(description="L2 in the gradient (adam), decoupled (adamw)")
    schedule: Literal["constant", "cosine_restarts", "halved_every_epoch", "one_cycle"]
    minimum_learning_rate: NonNegativeFloat = Field(description="floor of cosine_restarts; last rate of one_cycle")
    restart_period: PositiveInt = Field(description="epochs between restarts of cosine_restarts")
    clip_norm: PositiveFloat | None = Field(description="global gradient norm; null: no clipping")
    rho: NonNegativeFloat | None = Field(description="SAM's radius; null without SAM")
    selection: Literal["best_validation", "last_epoch"] = Field(description="which weights are tested")
    time_features: bool = Field(default=False, description="the model gets time features, where the file has dates")
    warmup_share: Share = Field(default=0.05, description="of all steps, the part in which one_cycle's rate rises")
    warmup_divisor: PositiveFloat = Field(default=10.0, description="one_cycle begins with the learning rate divided by it")
    cycled_beta1: tuple[Share, Share] | None = Field(
        default=None, description="one_cycle moves beta1 from the first to the second and back; null: it stays"
    )
    drop_last_test_batch: bool = Field(
        default=False, description="test on whole training batches alone: the windows of an incomplete last one are dropped"
    )
    void_accumulation: bool = Field(
        default=False, description="zero the gradient before every micro-batch; step on every k-th one's alone"
    )
    clip_before_unscale: bool = Field(
        default=False, description="clip after each micro-batch, the gradient multiplied by CUDA's default loss scale"
    )
    shuffled_truncated_validation: bool = Field(
        default=False, description="validate on whole batches of a new shuffle each epoch; what is left over is dropped"
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
    return Recipe.model_validate(_of(Recipe, plain))


def setting(plain: Mapping[str, Any]) -> Setting:
    """What of `Resolved.plain()` concerns a model that is not trained, too."""
    return Setting.model_validate(_of(Setting, plain))


def _of(kind: type[Setting], plain: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items() if k in kind.model_fields}


def arguments(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own arguments of `Resolved.plain()`."""
    prefix = "arguments."
    return {k.removeprefix(prefix): v for k, v in plain.items() if k.startswith(prefix)}
