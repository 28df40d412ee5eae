"""Sets of images: CIFAR-10's and MNIST's official layouts → colours and classes. numpy only."""

from __future__ import annotations

import codecs
import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.files import Checksums, parts_of
from benchmark.data.registry import CIFAR, DataSet
from benchmark.errors import DataError

SIZE, COLOURS, CLASSES = 32, 3, 10
READERS = ("cifar", "idx")
_MOST_BYTES = 2**27
"""Of one file: three times what an official one has."""
_LAYOUT = {
    "cifar": f"CIFAR-10's Python layout, as a .tar.gz or a folder of {CIFAR[0]} … {CIFAR[-1]}",
    "idx": "MNIST's layout, a folder of train-images-idx3-ubyte, …, packed with gzip or not",
}


class Images(NamedTuple):
    """pixels [N, 32, 32, 3] (uint8, from 0; rows, columns, colours), labels [N] (int64, classes from 0 to 9)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


class _Wrong(Exception):
    """What is not as the layout has it."""


def load(dataset: DataSet, path: Path, sha256: str) -> tuple[Images, Images]:
    """As `read`, of files whose checksum is known. Raises DataError where they have another."""
    if (found := Checksums().of(path)) != sha256:
        what = "is gone" if found is None else "has changed"
        raise DataError(f"{dataset.name}: {path} {what} since the plan was made; run again")
    return read(dataset, path)


def read(dataset: DataSet, path: Path) -> tuple[Images, Images]:
    """What there is to train on (in the order of its files) and to test on.

    Grey images of 28 × 28 get a black edge of 2 and three equal colours. Raises DataError for what is not in the layout of
    the data set's reader.
    """
    try:
        train, test = _cifar(path) if dataset.reader == "cifar" else _idx(path)
        for images in (train, test):
            if not len(images.labels) or len(images.labels) != len(images.pixels):
                raise _Wrong(f"{len(images.pixels)} images with {len(images.labels)} classes")
            if not 0 <= images.labels.min() <= images.labels.max() < CLASSES:
                raise _Wrong(f"classes from {images.labels.min()} to {images.labels.max()}, not from 0 to {CLASSES - 1}")
    except (_Wrong, OSError, EOFError, zlib.error, tarfile.TarError, pickle.UnpicklingError, ValueError, TypeError,
            KeyError, AttributeError, IndexError, OverflowError, MemoryError) as error:  # fmt: skip
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
        raise DataError(
            f"{dataset.name}: {path}: expected {_LAYOUT[dataset.reader]}, found: {reason}; replace it"
        ) from None
    return train, test


def counts(dataset: DataSet, path: Path) -> tuple[int, int]:
    """How many images there are to train on, and to test on. Raises DataError as `read` does."""
    train, test = read(dataset, path)
    return len(train.labels), len(test.labels)


def _cifar(path: Path) -> tuple[Images, Images]:
    there = {name: _batch(content) for name, content in (_packed(path) if path.is_file() else _files(path))}
    if missing := [name for name in CIFAR if name not in there]:
        raise _Wrong(f"no {', '.join(missing)}")
    pixels, labels = zip(*(there[name] for name in CIFAR[:-1]), strict=True)
    return Images(np.concatenate(pixels), np.concatenate(labels)), there[CIFAR[-1]]


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for part in parts_of(folder):
        if part.name in CIFAR:
            yield part.name, part.read_bytes()


def _packed(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if name in CIFAR and member.isreg() and member.size <= _MOST_BYTES:
                stream = archive.extractfile(member)
                assert stream is not None
                yield name, stream.read()


class _Plain(pickle.Unpickler):
    """Reads arrays and plain values alone: a pickle may otherwise run any code."""

    _KNOWN: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numeric", "_frombuffer"): np.empty(0).__reduce_ex__(5)[0],
        ("_codecs", "encode"): codecs.encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        """One of those that an array needs. Raises UnpicklingError for any other."""
        last = module.rpartition(".")[2] if module.startswith("numpy.") else module
        if (last, name) not in self._KNOWN:
            raise pickle.UnpicklingError(f"a pickle that asks for {module[:40]}.{name[:40]}, which no image needs")
        return self._KNOWN[last, name]


def _batch(content: bytes) -> Images:
    """One file of CIFAR-10: `data` [N, 3·32·32], colours before rows, and `labels`; keys as Python 2 wrote them."""
    found = _Plain(io.BytesIO(content), encoding="bytes").load()
    found = {key.decode() if isinstance(key, bytes) else key: value for key, value in found.items()}
    data = found["data"]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (COLOURS * SIZE * SIZE,):
        raise _Wrong("data that is no array [N, 3072] of bytes")
    pixels = data.reshape(-1, COLOURS, SIZE, SIZE).transpose(0, 2, 3, 1)
    return Images(np.ascontiguousarray(pixels), np.asarray(found["labels"], dtype=np.int64))


def _idx(path: Path) -> tuple[Images, Images]:
    there = {part.name.removesuffix(".gz"): part for part in parts_of(path)} if path.is_dir() else {}
    found = []
    for of in ("train", "t10k"):
        arrays = []
        for what in ("images-idx3", "labels-idx1"):
            name = f"{of}-{what}-ubyte"
            if name not in there:
                raise _Wrong(f"no {name}")
            arrays.append(_array(there[name]))
        pixels, labels = arrays
        edges = [(SIZE - side) // 2 for side in pixels.shape[1:]]
        if len(edges) != 2 or any(edge < 0 or side + 2 * edge != SIZE
                                  for edge, side in zip(edges, pixels.shape[1:], strict=True)):  # fmt: skip
            raise _Wrong(f"images of {' × '.join(map(str, pixels.shape[1:]))}, not of 28 × 28")
        wide = np.pad(pixels, [(0, 0), *((edge, edge) for edge in edges)])
        found.append(Images(np.repeat(wide[..., None], COLOURS, axis=3), labels.astype(np.int64)))
    return found[0], found[1]


def _array(path: Path) -> NDArray[np.uint8]:
    """An IDX file of bytes: 0, 0, 8, the number of axes, each length (32 bits, big-endian), the numbers."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        content = file.read(_MOST_BYTES)
    if content[:3] != b"\0\0\x08":
        raise _Wrong(f"{path.name} without the head of an IDX file of bytes")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, 4).astype(int)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
