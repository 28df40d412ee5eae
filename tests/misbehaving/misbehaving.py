"""A model that does, in its first training step, what its argument says; else it is a linear map."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from baselines.base import Forecaster


class Misbehaving(Forecaster):
    def __init__(self, *, lookback: int, horizon: int, channels: int, how: str) -> None:
        super().__init__()
        self.how = how
        self.map = nn.Linear(lookback, horizon)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        return self.map(x.transpose(1, 2)).transpose(1, 2)

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        loss = super().training_loss(x, y, marks)
        kind, _, place = self.how.partition(" ")
        if kind == "raise":
            raise ValueError("as it was asked to")
        if kind == "leave":
            raise SystemExit("as it was asked to")
        if kind == "lost":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if kind == "diverge":
            return loss * float("nan")
        if kind == "hang":
            time.sleep(3600)
        if kind == "hang_in_c":  # holds Python's lock
            ctypes.PyDLL(None).sleep(3600)  # and leaves the processor to the other tests
        if kind == "eat":
            torch.ones(10**15)
        if kind == "exit":
            os._exit(3)
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "killed_once" and not Path(place).exists():
            Path(place).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return loss
