"""The most memory that one cell took: not what an earlier cell of the same worker had taken."""

from __future__ import annotations

import gc
from contextlib import suppress

from benchmark import machine


class PeakMemory:
    """A measurement that begins when it is made."""

    def __init__(self, device: str) -> None:
        self._device = device
        gc.collect()  # what an earlier cell left in circles is not this one's
        self._begun = _reset_cuda() if device == "cuda" else machine.reset_peak_memory()

    def bytes(self) -> int | None:
        """Bytes at the worst moment since: resident in this process on the CPU (libraries, some 300 MB, are in it);
        allocated by tensors on a CUDA device. None where that cannot be measured: an inherited figure would be wrong."""
        return peak_memory(self._device) if self._begun else None


def peak_memory(device: str) -> int | None:
    """Bytes at the worst moment of this process, or since the latest `PeakMemory` of it began."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    return machine.peak_memory()


def _reset_cuda() -> bool:
    import torch

    with suppress(RuntimeError, AssertionError):  # a device that cannot be used: the cell says so
        torch.cuda.reset_peak_memory_stats()
        return True
    return False
