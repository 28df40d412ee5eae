"""Writes what `--keep` keeps of a trained cell: its weights, all test forecasts, the weights of each epoch."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from benchmark.analysis.predictions import Streamed, all_images, all_windows
from benchmark.errors import StopTraining
from benchmark.files import Draft, draft, write_atomically
from benchmark.store.kept import ABOUT, EPOCHS, OBJECTS, PREDICTIONS, WEIGHTS, Kept, of_epoch
from benchmark.store.result import Result

PREDICTED: Mapping[str, Callable[[Any, Any], tuple[Mapping[str, NDArray[Any]], Streamed]]] = {
    "forecasting": all_windows, "images": all_images,
}  # fmt: skip
"""By workload, what a file of predictions has: (model, test examples) → arrays by name, and a large one in parts."""
WRITTEN = "forecast-benchmark"
"""What the headers name as who wrote them."""


class Keeper:
    """Writes what is to be kept of one cell: each epoch's weights as they come, the rest as drafts that `settle`.

    kept: where it stands. wanted: what of it. workload: whose test examples are forecast. blank: the cell's Result as far
    as it is known before training. is_lost: whether somebody else has taken the cell over, and keeps its own.
    """

    def __init__(
        self, kept: Kept, wanted: Sequence[str], workload: str, blank: Result, is_lost: Callable[[], bool]
    ) -> None:  # fmt: skip
        self.kept, self.wanted, self.workload, self.blank, self.is_lost = kept, wanted, workload, blank, is_lost
        self._drafts: list[Draft] = []

    def epoch(self, number: int, model: nn.Module, entry: Mapping[str, float]) -> None:
        """Writes the weights after an epoch, from 1, of whose numbers `entry` has a line of the Result's history.

        Raises OSError where the disk does not take them; StopTraining where the cell is lost.
        """
        if EPOCHS not in self.wanted:
            return
        if self.is_lost():
            raise StopTraining
        if number == 1:
            self.kept.begin_epochs()
        said = {"epoch": json.dumps(of_epoch(entry)), "number": str(number)}
        write_atomically(self.kept.epoch(number), weights_of(model, self._about() | said))

    def trained(self, model: nn.Module, held: Any, result: Result) -> None:
        """Drafts weights and forecasts of all test examples. Raises OSError where the disk does not take them."""
        about = self._about() | {"metrics": json.dumps(result.metrics)}
        if WEIGHTS in self.wanted:
            content = weights_of(model, about)
            self._drafts.append(draft(self.kept.weights, lambda file: file.write(content)))
        if PREDICTIONS in self.wanted:
            arrays, streamed = PREDICTED[self.workload](model, held)
            self._drafts.append(draft(self.kept.predictions, lambda file: _write(file, arrays, streamed, about)))

    def settle(self) -> None:
        """Puts the drafts where they belong. Raises OSError where the disk does not take one."""
        while self._drafts:
            self._drafts.pop(0).settle()

    def drop(self) -> None:
        """Takes the drafts away that have not settled."""
        for each in self._drafts:
            each.drop()

    def _about(self) -> dict[str, str]:
        """What the header of each file says of the cell."""
        found = self.blank
        said = {"written_by": WRITTEN, "key": found.key, "digest": found.digest, "data_sha256": str(found.data_sha256),
                "recipe": json.dumps(found.recipe), "torch": str(torch.__version__)}  # fmt: skip
        return said | {"semantics": str(found.semantics), "git_commit": str(found.environment.get("git_commit"))}


def weights_of(model: nn.Module, about: Mapping[str, str]) -> bytes:
    """A model's parameters and buffers, by name, in the form of safetensors. Two names of one tensor have a copy each."""
    tensors: dict[str, Tensor] = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in model.state_dict().items()
    }
    return save(tensors, dict(about))


def _write(file: IO[bytes], arrays: Mapping[str, NDArray[Any]], streamed: Streamed, about: Mapping[str, str]) -> None:
    """An npz: small arrays, and a large one of which no more than a batch is held at a time."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr(ABOUT, json.dumps({n: json.loads(v) if n in OBJECTS else v for n, v in about.items()}))
        for name, array in arrays.items():
            with packed.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        with packed.open(f"{streamed.name}.npy", "w", force_zip64=True) as member:
            kind = np.dtype(np.float32)
            head = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": streamed.shape}
            np.lib.format.write_array_header_1_0(member, head)
            for part in streamed.parts:
                member.write(np.ascontiguousarray(part, kind).data)
