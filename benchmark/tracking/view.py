"""How MLflow's UI opens on an experiment: on its list of runs, the cells' with their numbers in columns.

The UI keeps what somebody shares of a list of runs as a tag of its experiment, and takes it from there by the key in an
address (MLflow 3, "Share"). A UI that knows nothing of that shows its own list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

NAME = "cells"
CURRENT = "tags.kind = 'cell' and tags.current = 'yes'"
"""The search string of all cells' runs that show what the store says; without the invocations' runs, the list is flat."""
_METRICS = ("test_mse", "test_error", "published", "deviation_pct")
_TAGS = ("verdict", "verdict_seeds", "status")
_WIDTHS = {"attributes.`Run Name`": 380}
"""In pixels: the names are cells' keys, which begin alike."""


def columns() -> list[str]:
    """The columns of that list, by the UI's names for them."""
    return [*(f"metrics.`{name}`" for name in _METRICS), *(f"tags.`{name}`" for name in _TAGS)]


def experiment_tags() -> dict[str, str]:
    """What an experiment says to the UI: that models are trained in it, and the list of its runs."""
    shared = {"searchFilter": CURRENT, "orderByKey": "tags.`order`", "orderByAsc": True, "selectedColumns": columns(),
              "columnWidths": _WIDTHS}  # fmt: skip
    return {"mlflow.experimentKind": "custom_model_development", f"mlflow.sharedViewState.{NAME}": json.dumps(shared)}


def address(server: str, experiment: str) -> str:
    """Where the UI at `server` shows an experiment's cells."""
    return f"{server}/#/experiments/{experiment}/runs?viewStateShareKey={NAME}&workflowType=machine_learning"


def across(server: str, experiments: Mapping[str, str], condition: str = CURRENT) -> str:
    """Where it shows the cells of several experiments (name → id) in one list."""
    ids = quote(json.dumps(sorted(experiments.values(), key=int), separators=(",", ":")))
    search = f"experiments={ids}&searchFilter={quote(condition)}"
    return f"{server}/#/compare-experiments/s?{search}&workflowType=machine_learning"
