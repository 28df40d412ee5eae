"""What a step of a model of the user's own takes, measured on windows that are drawn: time, memory, company."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from benchmark.analysis.contract import FEW, Case, finite, one_batch, replicas, shapes, stepper, told
from benchmark.config.recipe import Measured
from benchmark.training.step import Program

MEASURED_ON = 2
"""Windows on which the memory of a step is counted."""
WAY_BACK = 2
"""Bytes of a step at its peak, by those that are kept for the way back."""


def seconds(case: Case) -> float:
    """Of a training step on a batch of the recipe's, the faster of two; of a model that is not trained, of a forecast."""
    found = []
    if case.training is None:
        model, batch = case.build(), case.batch(FEW)
        for _ in range(2):
            begun = time.perf_counter()
            with torch.no_grad():
                model(batch.x)
            found.append(time.perf_counter() - begun)
        return min(found)
    batch = case.batch(case.training.batch_size)
    program = Program([stepper(case, one_batch(case.training), 0)])
    for _ in range(2):
        begun = time.perf_counter()
        float(program.step([[batch]])[0].loss)
        found.append(time.perf_counter() - begun)
    return min(found) * case.training.accumulation


def measured(case: Case) -> Measured:
    """Memory, parameters, and whether several trainings can be one program. Raises what the user's code raises."""
    model = case.build()
    kept = _kept(model.train(), case) if case.training is not None else 0
    parameters = sum(p.numel() for p in model.parameters())
    return Measured(WAY_BACK * kept // MEASURED_ON, parameters, told(replicas, case) is None)


def _kept(model: Any, case: Case) -> int:
    """Bytes that autograd keeps for the way back of a step on `MEASURED_ON` windows, the weights aside."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def seen(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
        loss = model.training_loss(*case.batch(MEASURED_ON))
    del loss
    return sum(kept.values())


def tried(case: Case) -> Measured | str:
    """What a dry pass finds; or, in one sentence, why the model cannot be built or trained."""
    wrong = told(shapes, case) or told(finite, case)
    if wrong is not None:
        return wrong
    return told(measured, case)
