"""What is read of a file of somebody's numbers, whatever its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Number:
    """One training's test metrics, or their mean over several.

    line: where it stands, from 1. dataset, model: as the file names them. horizon, lookback: steps; lookback 0: not said.
    metrics: by name, not finite where the file says so. seed: of one training; None of a mean. std, n: of a mean, over n
    trainings with n − 1; std None where n is 1.
    """

    line: int
    dataset: str
    horizon: int
    model: str
    metrics: Mapping[str, float]
    lookback: int = 0
    seed: int | None = None
    std: float | None = None
    n: int = 1


@dataclass
class Read:
    """numbers: in the file's order. left: of what could not be used, a sentence each, with its line. notes: sentences on
    the file as a whole."""

    numbers: list[Number] = field(default_factory=list)
    left: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
