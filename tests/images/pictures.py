"""Small sets of images in the official layouts, made up, and a paper that trains a small net on them."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np

PAPER = """
paper: small
title: "a grid of small nets, for tests"
workload: images
datasets: [CIFAR-10]
seeds: {value: 2, source: test, status: ours}
recipe:
  held_out: {value: 0.2, source: test, status: ours}
  pixel_mean: {value: null, source: test, status: ours}
  pixel_deviation: {value: null, source: test, status: ours}
  augmentation: {value: crop_flip, source: test, status: ours}
  batch_size: {value: 16, source: test, status: ours}
  accumulation: {value: 1, source: test, status: ours}
  epochs: {value: 2, source: test, status: ours}
  patience: {value: null, source: test, status: ours}
  optimizer: {value: sgd, source: test, status: ours}
  momentum: {value: 0.9, source: test, status: ours}
  learning_rate: {value: 0.05, source: test, status: ours}
  betas: {value: [0.9, 0.999], source: test, status: ours}
  eps: {value: 1e-8, source: test, status: ours}
  weight_decay: {value: 5e-4, source: test, status: ours}
  schedule: {value: multi_step, source: test, status: ours}
  milestones: {value: [1], source: test, status: ours}
  minimum_learning_rate: {value: 0.0, source: test, status: ours}
  restart_period: {value: 1, source: test, status: ours}
  clip_norm: {value: null, source: test, status: ours}
  rho: {value: 0.05, source: test, status: ours}
  selection: {value: best_validation, source: test, status: ours}
  evaluation_batch: {value: null, source: test, status: ours}
  precision: {value: float32, source: test, status: ours}
columns:
  Net:
    model: vgg
    main: true
    sam: false
    arguments:
      widths: {value: "8 M M M", source: test, status: ours}
switches:
  selects_on_test: {what: test, source: test, status: ours, set: {selects_on_test: true, selected_by: cross_entropy}}
  full_batches_counted: {what: test, source: test, status: ours, set: {full_batches_counted: true}}
  unshuffled: {what: test, source: test, status: ours, set: {unshuffled: true, augmentation: none}}
released: [selects_on_test, full_batches_counted, unshuffled]
"""
OWN = "datasets:\n  small-set: {file: set, reader: cifar, papers: [small]}\n"


def made(count: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Noisy images [N, 3, 32, 32] (uint8) whose brightness and colour tell their class, in turn."""
    dice = np.random.default_rng(seed)
    labels = [number % 10 for number in range(count)]
    levels = np.array([[20 * label, 200 - 20 * label, 100] for label in labels])[:, :, None, None]
    return (levels + dice.integers(0, 40, (count, 3, 32, 32))).astype(np.uint8), labels


def cifar(folder: Path, each: int = 20, test: int = 30) -> Path:
    """A folder in CIFAR-10's layout: five batches of so many images, and some to test on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate((*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")):
        pixels, labels = made(test if name == "test_batch" else each, number)
        content = {b"data": pixels.reshape(len(labels), -1), b"labels": labels, b"batch_label": b"made up"}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return folder


def idx(folder: Path, packed: bool = True) -> Path:
    """A folder in MNIST's layout: 60 grey images to train on, and 20 to test on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (of, count) in enumerate((("train", 60), ("t10k", 20))):
        grey = made(count, number)[0][:, 0, 2:30, 2:30]
        head = b"\0\0\x08\x03" + np.array(grey.shape, dtype=">u4").tobytes()
        labels = b"\0\0\x08\x01" + np.array([count], dtype=">u4").tobytes() + bytes(n % 10 for n in range(count))
        for what, content in (("images-idx3", head + grey.tobytes()), ("labels-idx1", labels)):
            name = f"{of}-{what}-ubyte"
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def configs(folder: Path) -> list[Path]:
    """The set, the paper, and the file that joins them."""
    cifar(folder / "set")
    (folder / "small.yaml").write_text(PAPER)
    (folder / "own.yaml").write_text(OWN)
    return [folder / "small.yaml", folder / "own.yaml"]
