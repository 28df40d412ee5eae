"""The device on which a cell is trained: which one, and the most memory that the cell took there."""

from __future__ import annotations

import gc
from contextlib import suppress

from benchmark import machine


def choose(device: str, place: int) -> None:
    """Makes `cuda` mean, in this thread, the device of the worker that has this place among those of its machine.

    Workers go round the devices that the process may see (CUDA_VISIBLE_DEVICES), in their order: where there is one, it is
    every worker's.
    """
    if device == "cuda":
        import torch

        with suppress(RuntimeError, AssertionError):  # a device that cannot be used: the cell says so
            torch.cuda.set_device(place % max(1, torch.cuda.device_count()))


def free() -> None:
    """Gives memory back that nothing needs any more."""
    import torch

    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


class PeakMemory:
    """The most memory that one cell took: not what an earlier one of the same worker had taken. Begins when it is made."""

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
