"""What a CUDA device has to do for a step of several trainings as one program, counted on a machine that has none.

The step runs on a device that does not exist, with tensors that have a shape and no numbers (torch's FakeTensor), and every
operation is looked at: what it reads, writes and multiplies, and whether a CUDA graph could hold it.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmark.perf import cases
from benchmark.perf.cases import Case, Task
from benchmark.training.recorded.matrix import Matrix, Pace
from benchmark.training.step import Stepper

ABSENT, REGISTERS = "absent", "_setup_privateuseone_for_python_backend"
"""What the device is called that does not exist, and by which of torch's functions, an experimental one, it is made."""

LAUNCH, BANDWIDTH, SPEED = 2.4e-6, 2.6e12, 45e12
"""For an estimate, of an H100: the seconds that a kernel takes at least in a CUDA graph (a prototype's step of SAMformer,
some 250 of them, took 0.59 ms on an H200); bytes and float32 operations a second, three quarters and two thirds of its data
sheet's."""

MOVES_NOTHING = ("aten.detach", "aten.alias", "aten.view", "aten._unsafe_view", "aten._reshape_alias", "aten.empty",
                 "aten.new_empty")  # fmt: skip
"""Operations that neither read nor write, beside those that torch calls views."""
OVERWRITES = ("aten.copy_", "aten.fill_", "aten.zero_", "aten.bernoulli_")
"""Operations that do not read what they change, beside those into an `out`."""
MAKES = ("aten.zeros_like", "aten.ones_like", "aten.new_zeros", "aten.new_ones", "aten.full_like", "aten.new_full")
"""Operations that do not read what they are given."""
READS_SOME = ("aten.index.", "aten.index_select", "aten.gather", "aten.embedding.")
"""Operations that read of what they are given first as much as they make."""


@dataclass
class Work:
    """Of one step. kernels: how many, an operation for one. bytes: read and written by them. operations: floating-point, of
    products. seconds: an estimate, each kernel as long as the longest of what it has to do. refused: what a CUDA graph does
    not hold, in words."""

    kernels: int = 0
    bytes: int = 0
    operations: int = 0
    seconds: float = 0.0
    refused: list[str] = field(default_factory=list)

    def add(self, size: int, operations: int) -> None:
        """One kernel more."""
        self.kernels, self.bytes, self.operations = self.kernels + 1, self.bytes + size, self.operations + operations
        self.seconds += max(LAUNCH, size / BANDWIDTH, operations / SPEED)


class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what runs within it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work = Work()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        name, kwargs = str(func), kwargs or {}
        # Torch has no form of its optimizers' kernels for tensors without numbers; they return nothing.
        out = None if name.startswith("aten._fused_adam") else func(*args, **kwargs)
        if func.is_view or name.startswith(("prim.", *MOVES_NOTHING)):
            return out
        given, made = _tensors((args, kwargs)), _tensors(out)
        if not given and not made:  # of kinds of numbers, say
            return out
        values = zip(func._schema.arguments, [*args, *[None] * len(func._schema.arguments)], strict=False)
        changed = [
            each
            for argument, value in values
            if argument.alias_info is not None and argument.alias_info.is_write
            for each in _tensors(kwargs.get(argument.name, value))
        ]
        if name.startswith("aten._fused_adam"):
            del changed[1]  # it changes gradients only where they are scaled
        formula = flop_registry.get(func.overloadpacket)
        operations = int(formula(*args, **kwargs, out_val=out)) if formula else 0
        size = sum(map(_bytes, [*_read(name, given, made, changed), *(changed or made)]))
        # An operation on lists is one kernel where every tensor is dense, else one for each.
        times = len(args[0]) if "_foreach_" in name and not all(each.is_contiguous() for each in given) else 1
        for _ in range(times):
            self.work.add(size // times, operations)
        devices = {each.device.type for each in (*given, *made)}
        if any(each.device.type == "cpu" and each.ndim for each in (*given, *made)) or (
            len(devices) > 1 and name.startswith(("aten._to_copy", "aten.copy_"))
        ):
            self.work.refused.append(f"{name} of a tensor that is not on the device")
        return out


def _read(name: str, given: list[Tensor], made: list[Tensor], changed: list[Tensor]) -> list[Tensor]:
    """What an operation reads of what it is given."""
    if name.startswith(MAKES):
        return []
    if name.startswith(READS_SOME):
        return [*made, *given[1:]]
    overwrites = name.startswith(OVERWRITES) or name.endswith(".out")
    return [each for each in given if not (overwrites and any(each is other for other in changed))]


def _tensors(values: Any) -> list[Tensor]:
    return [each for each in pytree.tree_leaves(values) if isinstance(each, Tensor)]


def _bytes(tensor: Tensor) -> int:
    """Of its memory: what is repeated counts once."""
    size = tensor.element_size()
    for length, stride in zip(tensor.shape, tensor.stride(), strict=True):
        size *= length if stride else 1
    return size


@cache
def _register() -> FakeTensorMode:
    """Makes the device known to torch, for as long as the process lives."""
    getattr(backend_registration, REGISTERS)(ABSENT)
    return FakeTensorMode()


class Refuses:
    """Records nothing: here a step runs as it is."""

    def record(self, computation: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """Raises RuntimeError."""
        raise RuntimeError("nothing is recorded")


def steps_work(task: Task, count: int) -> tuple[Work, Work]:
    """Of a step of so many trainings, the whole of its micro-batches in it, and of a validation.

    Raises ValueError where their steps are not those that are recorded (`Matrix.can`). Registers a device with torch, which
    a process cannot take back: see `counted`.
    """
    mode, models = _register(), [task.model(seed).train() for seed in range(count)]
    with mode:
        there = replace(task.problem, train=_absent(task.problem.train), validation=_absent(task.problem.validation))
        draws = [torch.Generator() for _ in models]
        steppers = [Stepper(_moved(model), task.training, there, [own]) for model, own in zip(models, draws, strict=True)]
        if not Matrix.can(steppers):
            raise ValueError(f"no step of this recipe is recorded: {task.training.optimizer}, {task.training.perturbation}")
        program = Matrix(steppers, Refuses(), lambda line: None)
        parts = task.training.accumulation
        values = torch.empty(len(Pace._fields) + (2 + parts) * count, device=ABSENT)
        examples = torch.empty(count, parts * task.training.batch_size, dtype=torch.int64, device=ABSENT)
        sizes = (task.training.batch_size,) * parts
        return _work(lambda: program._one_step((values, examples, sizes))), _work(lambda: program._validated(()))


def _work(computation: Callable[[], None]) -> Work:
    count = Count()
    with count:
        try:
            computation()
        except RuntimeError as error:  # a number that is read back, a shape that depends on one, a tensor of the host
            said = str(error).strip().partition("\n")[0].partition(". ")[0]
            host = "arguments from the" in said
            count.work.refused.append(f"a tensor is not on the device ({said})" if host else said)
    return count.work


def _absent(split: Any) -> Any:
    """Windows or images with their tensors on the device."""
    held = {each.name: getattr(split, each.name) for each in fields(split)}
    return replace(split, **{name: _empty(value) for name, value in held.items() if isinstance(value, Tensor)})


def _empty(like: Tensor) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=ABSENT)


def _moved(model: nn.Module) -> nn.Module:
    """The model with its parameters and buffers on the device; what it holds besides stays where it is."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(_empty(parameter), requires_grad=parameter.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, _empty(buffer))
    return model


@dataclass(frozen=True)
class Counted:
    """Of a case: a step by how many trainings take it together, and the validation of the fewest, all windows of each."""

    case: Case
    lookback: int
    sam: bool
    step: Mapping[int, Work]
    validation: Work


def counted(asked: Sequence[Case], counts: Sequence[int]) -> tuple[Counted, ...]:
    """Counts these cases' steps, in a process of its own. Where this torch cannot have such a device it says so, and there
    is nothing."""
    if not hasattr(backend_registration, REGISTERS):
        print(f"kernels: not counted, torch {torch.__version__} has no device in Python", file=sys.stderr)
        return ()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return tuple(process.map(_of_case, asked, [counts] * len(asked)))


def _of_case(case: Case, counts: Sequence[int]) -> Counted:
    task = cases.task(case, "cpu")
    found = {count: steps_work(task, count) for count in counts}
    validation = found[min(counts)][1]
    return Counted(case, task.recipe.lookback, task.recipe.sam, {n: step for n, (step, _) in found.items()}, validation)
