"""CUDA graphs on the CPU: what ran while one was recorded is done again, operation by operation, on the memory that it had.

As on a device, nothing of Python runs again: a number that Python had is what it was, and a name that now means another
tensor changes nothing. What a recording made for itself is overwritten after each replay, as another recording of its pool
might overwrite it; memory of others that has been freed is an error; and what no CUDA graph holds is refused, as far as it
can be told here. Whether a tensor is the host's cannot: tests/perf/test_kernels.py looks for those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from baselines import layers, linear_attention, mlp, revin, samformer, tsmixer
from benchmark.config.recipe import Setting
from benchmark.data import windows
from benchmark.problems import evaluation, precision
from benchmark.training.recorded import graphs

REFUSED = ("aten._local_scalar_dense", "aten.equal", "aten.is_nonzero", "aten.nonzero", "aten.masked_select", "aten.unique",
           "aten._unique", "aten.repeat_interleave.Tensor", "aten.linalg_inv", "aten.lift_fresh")  # fmt: skip
"""What reads a number back, has a shape that depends on one, or makes a tensor on the host."""
READS = (Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.__array__)
"""The same, where no operation is seen."""


class Tape:
    """Records and replays. records, replays: how many of each."""

    def __init__(self) -> None:
        self.records, self.replays = 0, 0

    def record(self, computation: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """As `graphs.Recorder.record`."""
        self.records += 1
        taken = _Taken(generators)
        with _NothingRead(), taken:
            computation()
        taken.overwrite()

        def replay() -> None:
            self.replays += 1
            taken.replay()

        return replay


class _NothingRead(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func in READS:
            raise RuntimeError(f"not permitted when stream is capturing: {func.__name__}")
        return func(*args, **(kwargs or {}))


class _Outside:
    """A tensor in memory that is not the recording's, which does not keep it."""

    def __init__(self, tensor: Tensor) -> None:
        self.kind, self.memory = tensor.dtype, StorageWeakRef(tensor.untyped_storage())
        self.place = tensor.storage_offset(), tensor.shape, tensor.stride()

    def there(self) -> Tensor:
        """Raises AssertionError where it has been freed."""
        found = torch.UntypedStorage._new_with_weak_ptr(self.memory.cdata)
        assert found is not None, "a recording uses memory that has been freed"
        return torch.empty(0, dtype=self.kind).set_(found, *self.place)


class _Taken(TorchDispatchMode):
    """One recording. lines: operation, what it is given, and where what it makes lies."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.generators = {each._cdata for each in (*generators, torch.default_generator)}
        self.lines: list[tuple[Any, Any, Any, list[tuple[int, Tensor]]]] = []
        self.own: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        name, kwargs = str(func), kwargs or {}
        self.refuse(name, args, kwargs)
        out = func(*args, **kwargs)
        given = _tensors((args, kwargs))
        known = {_memory(each) for each in given}
        leaves = pytree.tree_leaves(out)
        new = [(i, each) for i, each in enumerate(leaves) if isinstance(each, Tensor) and _memory(each) not in known]
        made = [(i, each.detach()) for i, each in new]  # a way back would keep what others have
        self.own |= {_memory(each): each for _, each in made}
        writes = any(each.alias_info is not None and each.alias_info.is_write for each in func._schema.arguments)
        if (made or writes) and not name.startswith(("aten.empty", "aten.new_empty")):
            self.lines.append((func, *pytree.tree_map(self.kept, (args, kwargs)), made))
        return out

    def refuse(self, name: str, args: Sequence[Any], kwargs: Any) -> None:
        by_booleans = name.startswith(("aten.index.", "aten.index_put")) and any(
            each.dtype == torch.bool for each in _tensors(args[1])
        )
        if name.startswith(REFUSED) or by_booleans:
            raise RuntimeError(f"not permitted when stream is capturing: {name}")
        drawn_from = kwargs.get("generator")
        if drawn_from is not None and drawn_from._cdata not in self.generators:
            raise RuntimeError(f"{name} draws from a generator that is not registered with the graph")

    def kept(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value.detach() if _memory(value) in self.own else _Outside(value)

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, made in self.lines:
            args, kwargs = pytree.tree_map(lambda e: e.there() if isinstance(e, _Outside) else e, (args, kwargs))
            leaves = pytree.tree_leaves(func(*args, **kwargs))
            for i, each in made:
                each.copy_(leaves[i])
        self.overwrite()

    def overwrite(self) -> None:
        """What the recording made for itself is no number any more, or a wrong one."""
        for each in self.own.values():
            every = torch.empty(0, dtype=torch.uint8).set_(each.untyped_storage())
            every.fill_(1 if each.dtype == torch.bool else 255)


def _tensors(values: Any) -> list[Tensor]:
    return [each for each in pytree.tree_leaves(values) if isinstance(each, Tensor)]


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def as_on_a_device(put: Callable[[object, str, Any], None], recorder: graphs.Recorder | None) -> None:
    """Has what is asked of a tensor's device answered as on a CUDA device, wherever a step or a validation asks; and has
    them recorded so."""

    def dropout(self: layers.Dropout, x: Tensor) -> Tensor:
        return layers.dropped(x, self.rate) if self.training and self.level else x

    def together(model: nn.Module, split: windows.Windows, size: int) -> int:
        return 2 if vars(type(model)).get("batches_stack", False) else 1

    def bfloat16(setting: Setting, device: torch.device) -> bool:
        return setting.precision == "bfloat16_on_cuda"

    for each in (linear_attention, mlp, revin, samformer, tsmixer):
        put(each, "by_hand", lambda x: False)
    put(layers.Dropout, "forward", dropout)
    put(mlp, "_as_by_hand", lambda hidden, dropout: dropout(hidden))
    put(windows, "_windows", lambda series, span: series.unfold(1, span, 1))
    put(evaluation, "_together", together)
    put(precision, "bfloat16", bfloat16)
    put(graphs, "recorder", lambda device: recorder)
