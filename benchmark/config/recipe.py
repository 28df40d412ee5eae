"""What one cell's training is made of: typed values, each with the place where it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from baselines import Source
from benchmark.workloads import WORKLOADS, Workload

STATUSES = ("verified", "sum-checked", "unverified", "ours")
"""Of a value, best first. `ours`: chosen by us, because no paper says it."""

ARGUMENTS, PROFILE = "arguments.", "profile."
"""Before the names of a model's own arguments, and of a profile's bounds."""


@dataclass(frozen=True)
class Sourced:
    """A value with the place where it was read."""

    value: Any
    source: str
    status: str


Share = Annotated[float, Field(ge=0, lt=1)]


class Setting(BaseModel):
    """How any model is evaluated, trained or not, whatever the kind of task.

    A field with a default may stand in no recipe at all; it then enters no digest either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    evaluation_batch: PositiveInt | None = Field(
        description="windows a batch of validation and test; null: as memory allows, since no metric depends on it"
    )
    precision: Literal["float32", "bfloat16_on_cuda"] = Field(
        description="bfloat16_on_cuda: autocast on a CUDA device; on a CPU it is float32, and the Result says so"
    )


class Training(Setting):
    """How a model is trained, whatever the kind of task. One field, one key of a recipe's YAML."""

    batch_size: PositiveInt = Field(description="windows of one micro-batch")
    accumulation: PositiveInt = Field(description="micro-batches of one optimizer step")
    epochs: PositiveInt = Field(description="at most")
    patience: PositiveInt | None = Field(description="epochs without a better validation MSE before it stops; null: never")
    optimizer: Literal["adam", "adamw", "keras_adam", "sgd"]
    learning_rate: PositiveFloat
    betas: tuple[Share, Share]
    eps: PositiveFloat
    weight_decay: NonNegativeFloat = Field(description="L2 in the gradient (adam, sgd), decoupled (adamw)")
    schedule: Literal[
        "constant",
        "cosine_restarts",
        "halved_every_epoch",
        "decayed_every_epoch",
        "one_cycle",
        "cosine_cycle",
        "multi_step",
        "linear",
    ]
    minimum_learning_rate: NonNegativeFloat = Field(
        description="floor of cosine_restarts; last rate of one_cycle, cosine_cycle and linear"
    )
    restart_period: PositiveInt = Field(description="epochs between restarts of cosine_restarts")
    clip_norm: PositiveFloat | None = Field(description="global gradient norm; null: no clipping")
    rho: NonNegativeFloat | None = Field(description="SAM's radius (GSAM's largest one); null without SAM")
    selection: Literal["best_validation", "last_epoch"] = Field(description="which weights are tested")
    warmup_share: Share = Field(default=0.05, description="of all steps, the part in which a cycle's rate rises")
    warmup_divisor: PositiveFloat = Field(default=10.0, description="a cycle begins with the learning rate divided by it")
    epoch_decay: Share = Field(default=0.95, description="decayed_every_epoch multiplies the rate by it")
    full_rate_epochs: PositiveInt = Field(
        default=1, description="epochs of decayed_every_epoch at the learning rate itself"
    )
    first_epoch_divisor: PositiveFloat = Field(
        default=1.0, description="decayed_every_epoch: the first epoch has the learning rate divided by it"
    )
    cycled_beta1: tuple[Share, Share] | None = Field(
        default=None, description="a cycle moves beta1 from the first to the second and back; null: it stays"
    )
    void_accumulation: bool = Field(
        default=False, description="zero the gradient before every micro-batch; step on every k-th one's alone"
    )
    clip_before_unscale: bool = Field(
        default=False, description="clip after each micro-batch, the gradient multiplied by CUDA's default loss scale"
    )
    late_learning_rate: bool = Field(
        default=False, description="each step has the learning rate of the one before it, the first one the base rate"
    )
    perturbation: Literal["sam", "asam", "asam_all", "gsam", "gsam_adaptive", "gsam_adaptive_paper", "fsam"] = Field(
        default="sam", description="what moves the weights where SAM is on"
    )
    eta: NonNegativeFloat = Field(default=0.01, description="asam: what is added to a weight's size")
    alpha: NonNegativeFloat = Field(
        default=0.4, description="gsam: how much of what the two gradients do not share is left out"
    )
    rho_min: NonNegativeFloat | None = Field(
        default=None, description="gsam: its radius at minimum_learning_rate; null: it stays at rho"
    )
    sigma: NonNegativeFloat = Field(default=1.0, description="fsam: how much of the mean gradient is left out")
    gradient_decay: Share = Field(default=0.95, description="fsam: how much of the mean gradient stays at a step")
    momentum: Share = Field(default=0.0, description="sgd: how much of the last step's direction stays")
    nesterov: bool = Field(default=False, description="sgd: the gradient counts once more beside that direction")
    milestones: tuple[PositiveInt, ...] = Field(
        default=(), description="multi_step: after how many epochs the rate is multiplied by decay_factor"
    )
    decay_factor: PositiveFloat = Field(default=0.1, description="multi_step: by what, at each milestone")
    statistics_twice: bool = Field(
        default=False, description="batch norm's running statistics move in both of SAM's passes, not in the first alone"
    )
    second_pass_loss: bool = Field(
        default=False, description="the training loss that is recorded is that of SAM's second pass, at the moved weights"
    )


_GSAM = ("gsam", "gsam_adaptive", "gsam_adaptive_paper")
_OF_SOME: Mapping[str, tuple[str, ...]] = {
    "eta": ("asam",), "alpha": _GSAM, "rho_min": _GSAM, "sigma": ("fsam",), "gradient_decay": ("fsam",),
}  # fmt: skip
OF_SAM = ("perturbation", "statistics_twice", "second_pass_loss", *_OF_SOME)
"""Fields beside rho that say something only where SAM is on."""


def of_perturbation(name: str) -> tuple[str, ...]:
    """Those of `OF_SAM` that a perturbation has a use for."""
    return tuple(field for field in OF_SAM if name in _OF_SOME.get(field, (name,)))


def fields_of(workload: Workload, closed_form: bool = False) -> dict[str, Any]:
    """The recipe's fields of a kind of task by name, as pydantic describes them; of a model that is not trained its own."""
    if closed_form:
        return Setting.model_fields | workload.fields.model_fields
    return Training.model_fields | workload.training_fields.model_fields


@dataclass(frozen=True)
class Bounds:
    """What a profile allows: optimizer steps in all, windows of validation and of test. None: no bound."""

    max_steps: int | None = None
    max_windows: int | None = None


@dataclass(frozen=True)
class Measured:
    """What a dry pass of a model of the user's own found: bytes that a training step keeps for each window, the number of
    parameters, and whether several trainings of it can be one program."""

    bytes_per_window: int
    parameters: int
    stacks: bool


@dataclass(frozen=True)
class Recipe:
    """The recipe of one cell, but for its seed: every value with its source, and the same values typed.

    workload: the kind of task. model: a name in `baselines.MODELS`, or the user's for one of their own. values: by name;
    ``arguments.*`` are the model's own, ``profile.*`` the profile's bounds. switches: those of the protocol that change
    this cell. source: of a model of the user's, its class and files. measured: of such a model, what a dry pass found a
    step to take; it enters no digest.
    """

    workload: str
    model: str
    sam: bool
    values: Mapping[str, Sourced]
    switches: tuple[str, ...] = ()
    source: Source | None = None
    measured: Measured | None = field(default=None, compare=False)

    @cached_property
    def training(self) -> Training | None:
        """How it is trained; None for a model that is not."""
        return Training.model_validate(self._of(Training)) if "epochs" in self.values else None

    @cached_property
    def setting(self) -> Setting:
        """How it is evaluated: `training`, where it is trained."""
        return self.training or Setting.model_validate(self._of(Setting))

    @cached_property
    def task(self) -> Any:
        """The workload's own fields, as its type has them."""
        workload = WORKLOADS[self.workload]
        kind = workload.fields if self.training is None else workload.training_fields
        return kind.model_validate(self._of(kind))

    @property
    def variant(self) -> str:
        """What sets its task apart from the usual one, as its workload says; empty: nothing."""
        return WORKLOADS[self.workload].variant({name: value.value for name, value in self.values.items()})

    @property
    def lookback(self) -> int:
        """Input steps of one window; 0 for a kind of task that has none."""
        return int(self.values["lookback"].value) if "lookback" in self.values else 0

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        """The model's own arguments."""
        return {k.removeprefix(ARGUMENTS): v.value for k, v in self.values.items() if k.startswith(ARGUMENTS)}

    @cached_property
    def bounds(self) -> Bounds:
        """What its profile allows."""
        return Bounds(**{k.removeprefix(PROFILE): v.value for k, v in self.values.items() if k.startswith(PROFILE)})

    def _of(self, kind: type[BaseModel]) -> dict[str, Any]:
        return {name: self.values[name].value for name in kind.model_fields if name in self.values}

    def plain(self) -> dict[str, Any]:
        """Names and values only, as they enter the digest and the Result's JSON."""
        own = {} if self.source is None else self.source.identity()
        model = self.model if self.source is None else self.source.name
        return {"model": model, "sam": self.sam, **own} | {k: v.value for k, v in sorted(self.values.items())}

    def weakest(self) -> str:
        """The worst status that any value has."""
        return max((v.status for v in self.values.values()), key=STATUSES.index, default="ours")
