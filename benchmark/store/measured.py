"""What `python -m benchmark.analysis` has found in a trained cell: arrays by command, in a file each beside its Result.

The commands of `benchmark.analyse` write them; the page, the claims and an export of Results read them. What is found in
weights belongs to one training: a file names the metrics of the Result that it is about, and is nothing to another.
"""

from __future__ import annotations

import io
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from benchmark.files import write_atomically
from benchmark.store.check import is_digest
from benchmark.store.kept import Kept
from benchmark.store.result import Result
from benchmark.store.text import Damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABOUT = "about"
"""Of a file, the array that says what it is about, as JSON: key, digest, metrics."""
BY_EPOCH = "epochs"
"""The array of the kept epochs, if there are any: arrays as long as it have a value each."""
_BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error)
_COMMAND = re.compile("[a-z]+")


class Measured(Mapping[str, "NDArray[Any]"]):
    """The arrays of one file by name, each read when it is asked for. about: what it is about.

    Raises Damaged for a file that cannot be read, when it is opened or when an array is asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with _opened(path) as file:
                self._names = tuple(name for name in file.files if name != ABOUT)
                self.about: dict[str, Any] = dict(json.loads(str(file[ABOUT])))
        except _BROKEN as error:
            raise Damaged(f"{path}: cannot be read ({error})") from None

    def __getitem__(self, name: str) -> NDArray[Any]:
        """An array. Raises KeyError where there is none of that name."""
        if name not in self._names:
            raise KeyError(name)
        try:
            with _opened(self.path) as file:
                found: NDArray[Any] = file[name]
        except _BROKEN as error:
            raise Damaged(f"{self.path}: cannot be read ({error})") from None
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _opened(path: Path) -> Any:
    import numpy as np

    return np.load(path, allow_pickle=False)


def write(path: Path, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes a file, atomically. Raises OSError where the disk does not take it."""
    import numpy as np

    out = io.BytesIO()
    named: dict[str, Any] = {ABOUT: np.array(json.dumps(about)), **arrays}
    np.savez_compressed(out, **named)
    write_atomically(path, out.getvalue())


def of_result(root: Path, digest: str, metrics: Mapping[str, float]) -> tuple[dict[str, Measured], list[str]]:
    """What has been found of the Result of these metrics, by command; and the places, below the results folder, of files
    that are damaged, or about another training than it."""
    found: dict[str, Measured] = {}
    left: list[str] = []
    for path in sorted(Kept(root, digest).analysis.glob("*.npz")):
        try:
            one = Measured(path)
        except Damaged:
            one = None
        said = one.about.get("metrics") if one else None
        if one and isinstance(said, dict) and all(metrics.get(name) == value for name, value in said.items()):
            found[path.stem] = one
        else:
            left.append(path.relative_to(root).as_posix())
    return found, left


def of_results(
    root: Path, done: Mapping[str, Mapping[str, float]]
) -> tuple[dict[str, dict[str, Measured]], list[str]]:  # fmt: skip
    """The same of many Results, whose metrics `done` has by digest: by digest and command; and the places."""
    found, left = dict[str, dict[str, Measured]](), list[str]()
    for folder in sorted((root / "analysis").glob("*")):
        if folder.name in done:
            of_one, amiss = of_result(root, folder.name, done[folder.name])
            found |= {folder.name: of_one} if of_one else {}
            left += amiss
    return found, left


def lines(root: Path, result: Result) -> Iterator[tuple[str, bytes]]:
    """What travels with a Result: by `digest/command` a line of JSON with every single number of a file and every series
    by epoch. Vectors, surfaces and matrices stay: they are large, and any machine with the weights makes them again."""
    for command, of in of_result(root, result.digest, result.metrics)[0].items():
        try:
            numbers = _numbers(of)
        except Damaged:
            continue
        line = {"about": of.about, "command": command, "digest": result.digest, "numbers": numbers}
        yield f"{result.digest}/{command}", json.dumps(line, sort_keys=True, separators=(",", ":")).encode()


def _numbers(of: Measured) -> dict[str, Any]:
    epochs = of[BY_EPOCH].shape if BY_EPOCH in of else None
    arrays = {name: of[name] for name in of}
    return {name: _plain(a.tolist()) for name, a in arrays.items() if a.ndim == 0 or (a.ndim == 1 and a.shape == epochs)}


def _plain(value: Any) -> Any:
    """As JSON has it, which knows no NaN and no infinity: they become null."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def take(name: str, line: bytes, root: Path, held: Result | None) -> bool:
    """Puts the numbers of a line, `digest/command`, where they belong; whether there were none of this training yet.

    held: the Result that is there; numbers of another training are not taken. Raises Damaged for a line that is none of
    these; OSError where the disk does not take them.
    """
    import numpy as np

    digest, _, command = name.partition("/")
    try:
        raw = json.loads(line)
        about, numbers = dict(raw[ABOUT]), dict(raw["numbers"])
        arrays = {str(each): np.array(_filled(value)) for each, value in numbers.items()}
        sound = about["digest"] == digest and all(array.dtype.kind in "fiubU" for array in arrays.values())
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        sound = False
    if not (sound and is_digest(digest) and _COMMAND.fullmatch(command)):
        raise Damaged("no numbers that `python -m benchmark.analysis` has found")
    if held is None or dict(held.metrics) != about.get("metrics"):
        return False
    if command in of_result(root, digest, held.metrics)[0]:
        return False
    write(Kept(root, digest).analysis / f"{command}.npz", about, arrays)
    return True


def _filled(value: Any) -> Any:
    """A number or a series as it was before `_plain`, but that an infinity is NaN."""
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return math.nan if value is None else value
