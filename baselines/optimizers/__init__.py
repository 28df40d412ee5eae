"""Keras' Adam; SAM, the two ASAMs, GSAM and F-SAM, each around any torch optimizer (docs/protocols.md, SAM's kin)."""

from baselines.optimizers.asam import ASAM, ASAMAll
from baselines.optimizers.fsam import FSAM
from baselines.optimizers.gsam import GSAM, ScheduledGSAM
from baselines.optimizers.keras_adam import KerasAdam
from baselines.optimizers.sam import SAM, Closure, Draws, Perturbation, global_norm
from baselines.optimizers.schedules import Schedule, in_proportion

__all__ = [
    "ASAM", "FSAM", "GSAM", "SAM", "ASAMAll", "Closure", "Draws", "KerasAdam", "Perturbation", "Schedule",
    "ScheduledGSAM", "global_norm", "in_proportion",
]  # fmt: skip
