"""Kinds of tasks: what a plan and a table need of each. Free of torch; what training sees of it is in `problems`.

Whoever has a cell asks its paper's workload, and never which one that is.
"""

from __future__ import annotations

from benchmark.workloads.base import Metric, Workload
from benchmark.workloads.forecasting import FORECASTING
from benchmark.workloads.images import IMAGES

__all__ = ["AXES", "DECIDING", "FORECASTING", "METRICS", "WORKLOADS", "Metric", "Workload"]

WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in (FORECASTING, IMAGES)}
"""By name, as a paper's YAML says it."""
METRICS: dict[str, Metric] = {metric.name: metric for workload in WORKLOADS.values() for metric in workload.metrics}
"""Every metric by its name."""
AXES: dict[str, tuple[str, ...]] = {
    metric.name: workload.axes for workload in WORKLOADS.values() for metric in workload.metrics
}
"""Which of horizon and look-back the task has that a metric is of."""
DECIDING: dict[str, Metric] = {name: metric for name, metric in METRICS.items() if not metric.extra}
"""Those that papers print and that a Result has to have."""
