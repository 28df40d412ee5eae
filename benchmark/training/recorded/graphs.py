"""Computations that are recorded once and then replayed, without Python handing over kernel by kernel."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmark.training.device import by_itself

WARM_UP = 2
"""How often a computation runs before it is recorded, so that libraries have chosen their kernels and made their plans."""
MOST_OFF, MOST_OFF_LATER = 1e-2, 1e-1
"""By which one of the first two replays, and a later one, may differ from the run that it repeats, row by row, as a share
of that row's norm. Rounding is far below, also in bfloat16, though less so where gradients have become small; an input that
is not the latest, a mask that is drawn otherwise, or memory that others wrote to is far above."""

Function = Callable[[Sequence[Any]], None]


_Kept = tuple[list[Tensor], list[Tensor]]
"""What a computation changes, and the states of the generators that it draws from."""


@dataclass
class _Recording:
    """inputs: what it reads each time, whose tensors lie where they lay. replays: how many there have been."""

    inputs: list[Any]
    replay: Callable[[], None]
    replays: int = 0

    def again(self) -> None:
        """Once more."""
        self.replays += 1
        self.replay()


class Recorder(Protocol):
    """What records and replays."""

    def record(self, computation: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """What repeats a computation that draws from these generators. Raises RuntimeError where it cannot be recorded."""


class CudaRecorder:
    """CUDA graphs, which share their memory, but for what comes after one that failed: one is replayed at a time, and what
    is to last lies outside of it.

    They are recorded on the current stream, which is to be a lane's (`benchmark.training.device.lane`), where they are
    replayed, too. Torch keeps cuBLAS' workspace by stream and thread, and all ways back run in one thread: graphs of two
    lanes that were recorded on one stream would write to the same workspace at once. And when a graph goes, torch gives
    back the workspaces of its stream, whoever else uses them (its issue 193402): so all of a program's graphs, those that
    failed too, stay until the program goes.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: list[torch.cuda.CUDAGraph] = []

    def record(self, computation: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """A CUDA graph's replay. Other threads of the process do not matter to it, but that one records at a time."""
        with by_itself:
            return self._record(computation, generators)

    def _record(self, computation: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        torch.cuda.synchronize()
        gc.collect()  # a graph that is given back in the midst of a recording ends the recording
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        self._graphs.append(graph)
        drawing = {*generators, torch.cuda.default_generators[torch.cuda.current_device()]}
        states = [(each, each.clone_state()) for each in drawing]
        for each in generators:
            graph.register_generator_state(each)
        gc.disable()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
                computation()
        except RuntimeError:  # a recording that ends in an error leaves its stream and its generators as if it went on
            torch.cuda.set_stream(stream)
            with suppress(RuntimeError, AttributeError):  # torch 2.11 forgets it: then no memory can be given back any more
                torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self._pool)
                torch._C._cuda_releasePool(torch.cuda.current_device(), self._pool)
            self._pool = torch.cuda.graph_pool_handle()  # the old one takes no other recording
            for each, state in states:
                each.graphsafe_set_state(state)
            raise
        finally:
            gc.enable()
        return graph.replay


def recorder(device: torch.device) -> Recorder | None:
    """What records on a device; None: nothing does."""
    return CudaRecorder() if device.type == "cuda" else None


class Recorded:
    """A function of tensors that changes others in place, recorded once for each form of its inputs: their shapes and kinds
    and what is no tensor among them.

    Its first replay, the second, which is the first with other inputs, the fourth, the eighth and so on are held against
    runs that are not recorded. Where one of the first two differs, or where nothing can be recorded, `say` is told why,
    once, and the function is called from then on. If a later one differs, those before it may have been wrong, too.
    """

    def __init__(
        self, name: str, function: Function, changes: Sequence[Tensor], generators: Sequence[torch.Generator],
        recorder: Recorder, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        """function: whatever it reads and writes, its inputs aside, lies where it lay. changes: all that it writes, a row a
        replica, so that warming up leaves it as it was. generators: those that it draws from."""
        self._name, self._function, self._changes, self._generators = name, function, changes, generators
        self._recorder, self._say = recorder, say
        self._given_up = False
        self._recordings: dict[tuple[object, ...], _Recording] = {}

    @property
    def replays(self) -> bool:
        """Whether there is a recording, and it is replayed."""
        return bool(self._recordings) and not self._given_up

    def __call__(self, inputs: Sequence[Any]) -> None:
        """Does it once. Raises RuntimeError where a replay after the second is not what it repeats."""
        form = tuple((each.shape, each.dtype) if isinstance(each, Tensor) else each for each in inputs)
        recording = self._recordings.get(form)
        if self._given_up:
            self._function(inputs)
        elif recording is None:
            self._first(form, inputs)
        else:
            for mine, given in zip(recording.inputs, inputs, strict=True):
                if isinstance(mine, Tensor):
                    mine.copy_(given, non_blocking=True)
            if recording.replays & (recording.replays + 1):
                recording.again()
            else:
                self._held(recording)

    def _first(self, form: tuple[object, ...], inputs: Sequence[Any]) -> None:
        """Runs it, records it, and runs the recording from where the first run began."""
        device, begin = self._changes[0].device, self._kept()
        here = [each.to(device, copy=True) if isinstance(each, Tensor) else each for each in inputs]
        why = ""
        try:
            for _ in range(WARM_UP):
                self._put(begin)
                self._function(here)
            expected = self._kept()
            self._put(begin)
            recording = _Recording(here, self._recorder.record(lambda: self._function(here), self._generators))
            self._put(begin)  # a recording that was played while it was made has moved it
            recording.again()
            off = _most_off(expected[0], self._changes)
        except torch.OutOfMemoryError:
            self._put(begin)
            raise
        except RuntimeError as error:  # which has what was recorded, as long as it is here
            why = f"it cannot be recorded ({str(_first_of(error)).strip().partition(chr(10))[0]})"
        if why:
            self._without(why)
            self._put(begin)
            self._function(here)
        elif off <= MOST_OFF:
            self._recordings[form] = recording
        else:
            self._without(f"its first replay is off by {off:.2g} of what it repeats")
            self._put(expected)

    def _held(self, recording: _Recording) -> None:
        """Replays it, and holds that against a run that is not recorded, where there is memory for both."""
        begin: _Kept | None = None
        expected: _Kept | None = None
        with suppress(torch.OutOfMemoryError):
            begin = self._kept()
            self._function(recording.inputs)
            expected = self._kept()
        if begin is not None:
            self._put(begin)
        off = 0.0
        recording.again()
        with suppress(torch.OutOfMemoryError):
            off = _most_off(expected[0], self._changes) if expected is not None else 0.0
        later = recording.replays > 2
        if expected is None or off <= (MOST_OFF_LATER if later else MOST_OFF):
            return
        if later:
            raise RuntimeError(
                f"replay {recording.replays} of {self._name} is off by {off:.2g} of what it repeats, and so may be others "
                f"since replay {recording.replays // 2}: what was trained with CUDA graphs here cannot be trusted; "
                "train it without them, by --replicas 1"
            )
        self._without(f"its second replay is off by {off:.2g} of what it repeats")
        self._put(expected)

    def _without(self, why: str) -> None:
        self._given_up = True
        self._say(f"no CUDA graph of {self._name}: {why}; it runs kernel by kernel")

    def _kept(self) -> _Kept:
        return [each.clone() for each in self._changes], [each.get_state() for each in self._generators]

    def _put(self, kept: _Kept) -> None:
        for changed, value in zip(self._changes, kept[0], strict=True):
            changed.copy_(value)
        for generator, state in zip(self._generators, kept[1], strict=True):
            generator.set_state(state)


def once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Says a line when it comes first: each program of these trainings may have the same to say."""
    said = set[str]()

    def first(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    return first


def _first_of(error: BaseException) -> BaseException:
    """What an error came of: that a recording cannot be ended says nothing."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _most_off(expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """The largest distance of two rows that are to be the same, as a share of the norm of the one expected; a row that is
    no number in both is the same."""
    worst = 0.0
    for one, other in zip(expected, found, strict=True):
        rows, others = (each.double().reshape(len(each), -1) for each in (one, other))
        same = (rows == others) | (rows.isnan() & others.isnan())
        distance = torch.where(same, 0.0, rows - others).norm(dim=1) / rows.nan_to_num().norm(dim=1).clamp(min=1e-12)
        worst = max(worst, float(distance.nan_to_num(nan=torch.inf).max())) if distance.numel() else worst
    return worst
