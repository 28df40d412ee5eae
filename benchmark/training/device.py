"""The device on which a cell is trained: which one, and the most memory that the cell took there."""

from __future__ import annotations

import gc
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from benchmark import machine

by_itself = threading.RLock()
"""Held by the thread that does what no other of its process may do meanwhile: draw from torch's default generators, record
a CUDA graph, give memory or graphs back."""


def choose(device: str, place: int) -> None:
    """Makes `cuda` mean, in this thread, the device of the worker that has this place among those of its machine.

    Workers go round the devices that the process may see (CUDA_VISIBLE_DEVICES), in their order: where there is one, it is
    every worker's. float32 is float32 there: torch would let convolutions, not matrix products, round to TF32's ten bits.
    """
    if device == "cuda":
        import torch

        torch.backends.cudnn.allow_tf32 = False
        with suppress(RuntimeError, AssertionError):  # a device that cannot be used: the cell says so
            torch.cuda.set_device(place % max(1, torch.cuda.device_count()))


@contextmanager
def lane(device: str, number: int) -> Iterator[None]:
    """Within it this thread's kernels on a CUDA device run in a stream of their own, beside those of the process's other
    lanes; only there can CUDA graphs be recorded."""
    import torch

    stream = None
    with suppress(RuntimeError, AssertionError):  # a device that cannot be used: the cell says so
        stream = _stream(torch.cuda.current_device(), number) if device == "cuda" else None
    with torch.cuda.stream(stream):
        yield


@cache
def _stream(place: int, number: int) -> Any:
    """One for each lane and no more: torch has 32 of a device and hands them out in turn; on one of them it records."""
    import torch

    return torch.cuda.Stream(place)  # type: ignore[no-untyped-call]


def of_all(reason: str) -> bool:
    """Whether what a cell failed for, in words, is a matter of its whole process: whichever of the cells there lost the
    device, or took its memory."""
    return reason.startswith("OutOfMemoryError") or any(word in reason for word in _OF_A_DEVICE)


_OF_A_DEVICE = ("CUDA error", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS", "INTERNAL ASSERT FAILED")


def free() -> None:
    """Gives memory back that nothing needs any more."""
    import torch

    with by_itself:
        gc.collect()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()


def clear(error: BaseException | None) -> None:
    """Has an error, and those that it came of, keep where they were, not what was there: that took the memory."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


class PeakMemory:
    """The most memory that one cell took: not what an earlier one of the same worker had taken. Begins when it is made."""

    def __init__(self, device: str, alone: bool = True) -> None:
        """alone: whether the process trains nothing else meanwhile."""
        self._device = device
        with by_itself:
            gc.collect()  # what an earlier cell left in circles is not this one's
        self._begun = alone and (_reset_cuda() if device == "cuda" else machine.reset_peak_memory())

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
