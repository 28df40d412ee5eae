"""Parsed copies: made once, mapped, made again when damaged or when the source has changed, never half there."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data import cache, readers, series
from benchmark.data.files import Checksums
from benchmark.data.registry import DATASETS, DataSet
from benchmark.errors import DataError

TEXT = "date,a,OT\n2020-01-01,1,2\n2020-01-02,-9999,4\n2020-01-03,5,6\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[DataSet, Path, str, Path]:
    """A data set, its file, its checksum, and a cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    path = tmp_path / "mine.csv"
    path.write_text(TEXT)
    sha256 = Checksums().of(path)
    assert sha256 is not None
    return DataSet("mine", str(path), "csv", 2, 3, "1 day", "ratio"), path, sha256, tmp_path / ".cache"


def copies(folder: Path) -> list[Path]:
    return sorted((folder / "parsed").iterdir())


def test_a_file_is_parsed_once_and_then_mapped(mine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cache.table(*mine)
    monkeypatch.setattr(readers, "read_csv", lambda *_, **__: pytest.fail("parsed twice"))
    again = cache.table(*mine)
    assert isinstance(again.values, np.memmap) and not again.values.flags.writeable
    assert again.values.tolist() == first.values.tolist() == [[1, 2], [-9999, 4], [5, 6]]
    assert again.times is not None and first.times is not None and again.times.tolist() == first.times.tolist()
    assert again.notes == first.notes and "1 value −9999" in first.notes[0]


def test_a_changed_source_is_another_copy_and_refused_under_the_old_checksum(mine: Any) -> None:
    dataset, path, _, folder = mine
    cache.table(*mine)
    path.write_text(TEXT.replace("5,6", "7,8"))
    with pytest.raises(DataError, match=r"has changed since the plan was made; run again"):
        cache.table(*mine)
    new = Checksums().of(path)
    assert cache.table(dataset, path, new, folder).values[2].tolist() == [7, 8]
    assert len(copies(folder)) == 2
    path.unlink()
    with pytest.raises(DataError, match="is gone"):
        cache.table(*mine)


def test_how_a_file_is_read_is_part_of_its_name(mine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, path, sha256, folder = mine
    cache.table(*mine)
    other = cache.table(replace(dataset, options={"target": "a"}), path, sha256, folder)
    assert other.values[0].tolist() == [2, 1]
    monkeypatch.setattr(readers, "VERSION", readers.VERSION + 1)
    cache.table(*mine)
    assert len(copies(folder)) == 3


@pytest.mark.parametrize("harm", ["truncate", "flip", "meta", "gone", "pickle"])
def test_a_damaged_copy_is_made_again(mine: Any, harm: str) -> None:
    cache.table(*mine)
    (copy,) = copies(mine[3])
    values = copy / "values.npy"
    raw = bytearray(values.read_bytes())
    if harm == "truncate":
        values.write_bytes(raw[:-3])
    elif harm == "flip":
        raw[-1] ^= 1
        values.write_bytes(raw)
    elif harm == "meta":
        (copy / "meta.json").write_text("{")
    elif harm == "gone":
        values.unlink()
    else:
        np.save(values, np.array([[None]], dtype=object), allow_pickle=True)
    assert cache.table(*mine).values.tolist() == [[1, 2], [-9999, 4], [5, 6]]
    assert copies(mine[3]) == [copy] and isinstance(cache.table(*mine).values, np.memmap)
    assert not list(copy.glob("damaged"))


def test_a_full_disk_leaves_nothing_and_stops_nobody(mine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    assert cache.table(*mine).values.shape == (3, 2)
    assert copies(mine[3]) == []


def test_eight_workers_at_once_share_one_copy(mine: Any) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_total, *zip(*[mine] * 8, strict=True)))
    assert found == [1 + 2 - 9999 + 4 + 5 + 6.0] * 8
    assert len(copies(mine[3])) == 1


def _total(*mine: Any) -> float:
    return float(cache.table(*mine).values.sum())


def test_where_copies_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert cache.folder_for(tmp_path) == tmp_path / ".cache"
    assert cache.folder_for(tmp_path / "absent") == tmp_path / "user/forecast-benchmark"
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    assert cache.folder_for(closed) == tmp_path / "user/forecast-benchmark"


@pytest.mark.slow
def test_a_file_of_traffics_size_loads_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """17,544 × 862, generated: parsed once, then checked and mapped at once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    dataset, path = DATASETS["Traffic"], tmp_path / "traffic.csv"
    row = ",".join(f"{v:.4f}" for v in np.random.default_rng(0).random(862))
    hours = np.datetime64("2016-07-01T02") + np.arange(17_544) * np.timedelta64(1, "h")
    with path.open("w") as file:
        file.write(",".join(["date", *map(str, range(861)), "OT"]) + "\n")
        file.writelines(f"{str(h).replace('T', ' ')}:00,{i / 1e4:.4f}{row[6:]}\n" for i, h in enumerate(hours))
    sha256, folder = Checksums().of(path), tmp_path / ".cache"
    first = cache.table(dataset, path, sha256, folder)
    started = time.process_time()  # the waiting of a busy machine aside
    loaded = series.load(dataset, path, 512, 96, sha256=sha256, cache_dir=folder)
    seconds = time.process_time() - started
    assert first.values.shape == (17_544, 862) and len(loaded.test) == 3413 and seconds < 1
