"""Checkpoints: a training interrupted at any moment goes on from its last one, and ends in the very same Result."""

from __future__ import annotations

import copy
import hashlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from baselines.optimizers import Perturbation
from benchmark.files import read, write_atomically
from benchmark.training.optimizers.adam import Adam
from benchmark.training.optimizers.sgd import SGD

SCHEMA = 2
EVERY_SECONDS = 10.0
"""Of training between two checkpoints at least: a shorter cell pays nothing."""
SHARE = 0.02
"""Of the time that writing checkpoints may take, where they are large."""


@dataclass
class State:
    """All that decides how a training goes on: its model, its optimizer, and the generators by the name of their stream.

    progress: a dataclass of numbers and tensors, changed in place. draws: the generators that dropout draws from, the CPU's
    and, if there is one, the CUDA device's. perturbation: SAM or one of its kin, of which F-SAM keeps something between
    steps; None: there is none.
    """

    model: nn.Module
    optimizer: Adam | SGD
    generators: dict[str, torch.Generator]
    progress: Any
    draws: Sequence[torch.Generator]
    perturbation: Perturbation | None = None

    def capture(self) -> dict[str, Any]:
        """As it is now: tensors, numbers, texts and containers of these, still shared with the training."""
        drawn = [generator.get_state() for generator in self.draws]
        memory = self.perturbation.memory() if self.perturbation is not None else {}
        return ({"perturbation": memory} if memory else {}) | {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            "default": drawn[0],
            "cuda": drawn[1] if len(drawn) > 1 else None,
            "progress": dict(vars(self.progress)),
        }

    def kept(self) -> dict[str, Any]:
        """As `capture`, but its own: of a training that is a row of several, that row alone."""
        owned: dict[str, Any] = pytree.tree_map(lambda v: v.clone() if isinstance(v, Tensor) else v, self.capture())
        return owned

    def apply(self, captured: dict[str, Any]) -> None:
        """Goes back to what was captured. Raises whatever torch raises for what does not fit."""
        device = next(self.model.parameters()).device
        self.model.load_state_dict(captured["model"])
        self.optimizer.load_state_dict(captured["optimizer"])
        if self.perturbation is not None:
            self.perturbation.remember(captured.get("perturbation", {}))
        for name, generator in self.generators.items():
            generator.set_state(captured["generators"][name])
        progress = dict(captured["progress"])
        progress["best_weights"] = {k: v.to(device) for k, v in progress["best_weights"].items()}
        if progress.keys() != vars(self.progress).keys():
            raise KeyError("progress")
        vars(self.progress).update(progress)
        for generator, name in zip(self.draws, ("default", "cuda"), strict=False):
            generator.set_state(captured[name])


class Checkpoint:
    """A cell's checkpoint on disk.

    The file: SHA-256 of the rest in hexadecimal, then what `torch.save` writes, read with `weights_only`. One that is
    damaged, of another cell, version, torch, device or code is passed over with a line to `say`. What the disk does not
    take costs a line too, and nothing else.
    """

    def __init__(
        self, path: Path, digest: str, device: str, say: Callable[[str], None], code: str | None = None,
        replicas: int | None = None, keeps_epochs: bool = False,
    ) -> None:  # fmt: skip
        """`code`: what stands for the code that trains; None: nobody asks. `replicas`: how many trainings share the time
        as one program; None: it is trained alone. `keeps_epochs`: the weights of every epoch are kept, so that a training
        which kept none is of no use."""
        self.path = path
        self._made_for = {"schema": SCHEMA, "digest": digest, "torch": str(torch.__version__), "device": device}
        if replicas is not None:
            self._made_for["program"] = "several replicas"
        self._keeps_epochs = keeps_epochs
        self._among = replicas or 1
        self._code = code
        self._say = say
        self._state: State | None = None
        self._earlier = 0.0
        self._begun = self._last = time.monotonic()
        self._pause = EVERY_SECONDS

    @property
    def seconds(self) -> float:
        """Of training in all, earlier attempts included; its share, where several are trained as one program."""
        return self._earlier + (time.monotonic() - self._begun) / self._among

    def attach(self, state: State) -> bool:
        """The training that is kept from now on; where there is a checkpoint of it, it is put to where that was."""
        self._state = state
        held = self._load()
        if held is None:
            return False
        before = copy.deepcopy(state.capture())
        try:
            state.apply(held["state"])
            self._earlier = float(held["seconds"])
        except Exception as error:
            state.apply(before)
            self._say(f"checkpoint passed over: it does not fit ({type(error).__name__})")
            return False
        self._say("going on from a checkpoint")
        return True

    def _load(self) -> dict[str, Any] | None:
        try:
            raw = read(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._say(f"checkpoint passed over: cannot be read ({error.strerror})")
            return None
        head, payload = raw[:64], raw[64:]
        if hashlib.sha256(payload).hexdigest().encode() != head:
            self._say("checkpoint passed over: it is damaged")
            return None
        try:
            held: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
            others = [k for k in {"program"} | self._made_for.keys() if held["made_for"].get(k) != self._made_for.get(k)]
            code = held["made_for"].get("code")  # older ones do not say it
            others += ["code"] if code and self._code and code != self._code else []
        except Exception as error:  # torch.load raises many kinds
            self._say(f"checkpoint passed over: it is none ({type(error).__name__})")
            return None
        if others:
            self._say(f"checkpoint passed over: it was made for another {', '.join(others)}")
            return None
        if self._keeps_epochs and not held["made_for"].get("keeps_epochs"):
            self._say("checkpoint passed over: the weights of its epochs were not kept")
            return None
        return held

    def epoch_ended(self) -> None:
        """Writes one, if the last is old enough."""
        if time.monotonic() - self._last >= self._pause:
            self.write()

    def write(self) -> None:
        """Writes one now: under a temporary name, fsynced, renamed. Nothing before `attach`."""
        if self._state is None:
            return
        begun = time.monotonic()
        content = io.BytesIO()
        made_for = self._made_for | ({"code": self._code} if self._code else {})
        made_for |= {"keeps_epochs": True} if self._keeps_epochs else {}
        torch.save({"made_for": made_for, "seconds": self.seconds, "state": self._state.kept()}, content)
        payload = content.getvalue()
        try:
            write_atomically(self.path, hashlib.sha256(payload).hexdigest().encode() + payload)
        except OSError as error:
            self._say(f"no checkpoint: {error.strerror}")
        self._last = time.monotonic()
        self._pause = max(EVERY_SECONDS, (self._last - begun) / SHARE)
