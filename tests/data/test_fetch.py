"""Downloads from a real server on the loopback: what comes whole gets its name, and anything else leaves nothing."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from loopback import CSV, PAGE, SHA, Server, attempt, body, in_turn, left, packed, serving, small

from benchmark.data.__main__ import main
from benchmark.data.download import fetch, transport
from benchmark.data.download.fetch import Fetcher
from benchmark.data.files import RECORD
from benchmark.data.registry import DATASETS, DataSet, Source


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fetch, "DELAYS", (0.0, 0.0))
    monkeypatch.setattr(transport, "STALL_SECONDS", 0.3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_good_file(server: Server, tmp_path: Path) -> None:
    source = Source("https", server.serve("/small.csv", body(CSV)))
    folder, said, seen = tmp_path / "data", list[str](), list[tuple[int, int | None]]()
    path = Fetcher(folder, said.append, lambda title: lambda done, total: seen.append((done, total))).fetch(small(source))
    assert path == folder / "folder/small.csv" and path.read_bytes() == CSV
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert left(folder) == {"folder/small.csv", RECORD} and json.loads((folder / RECORD).read_text()) == {"small": SHA}
    assert seen[-1] == (len(CSV), len(CSV)) and len(said) == 1
    assert Fetcher(folder, said.append).fetch(small(source)) == path and len(server.asked) == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (body(CSV[:100], claim=len(CSV)), f"ended after 100 of {len(CSV)} bytes, 3 times"),
        (body(CSV[:100], claim=len(CSV), stall=1), "the transfer stalled for 0.3 s, 3 times"),
        (body(b"", claim=0), "an empty file came"),
        (body(b"", status=503), "the server answers 503 Service Unavailable, 3 times"),
    ],
)
def test_what_breaks_off_is_tried_again(bad: Any, said: str, server: Server, tmp_path: Path) -> None:
    source = Source("https", server.serve("/small.csv", bad))
    message = attempt(small(source), tmp_path / "data")
    assert said in message and len(server.asked) == 3 and left(tmp_path / "data") == set()
    assert f"open {source.where} in a browser, save it as {tmp_path}/data/folder/small.csv, then run: " in message
    assert f"python -m benchmark.data fetch small --data-dir {tmp_path}/data" in message
    server.serve("/small.csv", in_turn(bad, body(CSV)))
    path = Fetcher(tmp_path / "data", lambda line: None).fetch(small(source))
    assert path is not None and path.read_bytes() == CSV


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (body(PAGE, kind="text/html"), "a web page came instead of the file"),
        (body(b"\n  " + PAGE), "a web page came instead of the file"),
        (body(b"", status=403), "the server answers 403 Forbidden"),
        (body(CSV.replace(b"2,4", b"2,5")), "not the one known; it was thrown away"),
    ],
)
def test_what_is_wrong_is_not_tried_again(bad: Any, said: str, server: Server, tmp_path: Path) -> None:
    source = Source("https", server.serve("/small.csv", bad))
    assert said in attempt(small(source, sha256=SHA), tmp_path / "data")
    assert len(server.asked) == 1 and left(tmp_path / "data") == set()


def test_without_a_known_checksum_the_size_has_to_be_right(server: Server, tmp_path: Path) -> None:
    source = Source("https", server.serve("/small.csv", body(CSV[:-20])))
    assert "what came has 27 rows × 2 channels, not 28 × 2" in attempt(small(source), tmp_path / "data")
    assert left(tmp_path / "data") == set()


def test_the_first_downloads_checksum_is_verified_from_then_on(server: Server, tmp_path: Path) -> None:
    source = Source("https", server.serve("/small.csv", body(CSV)))
    path = Fetcher(tmp_path, lambda line: None).fetch(small(source))
    assert path is not None
    path.unlink()
    server.serve("/small.csv", body(CSV.replace(b"2,4", b"2,5")))
    assert "not the one known" in attempt(small(source), tmp_path)
    assert not path.exists()


def test_no_network_and_the_next_source(server: Server, tmp_path: Path) -> None:
    gone = Source("https", "http://127.0.0.1:9/small.csv")
    assert "no connection (Connection refused), 3 times" in attempt(small(gone), tmp_path)
    good = Source("https", server.serve("/small.csv", body(CSV)))
    path = Fetcher(tmp_path, lambda line: None).fetch(small(gone, good))
    assert path is not None and path.read_bytes() == CSV


def test_only_what_is_asked_for_is_unpacked_and_the_archive_serves_again(server: Server, tmp_path: Path) -> None:
    content = packed(("sets/folder/small.csv", CSV), ("__MACOSX/sets/folder/._small.csv", b"?"), ("sets/big.csv", b"0"),
                     ("sets/other/small.csv", b"another"), ("sets/Other/second.csv", CSV))  # fmt: skip
    source = Source("https", server.serve("/a.zip", body(content)), "a.zip")
    fetcher = Fetcher(tmp_path, lambda line: None)
    first = fetcher.fetch(small(source))
    assert first is not None and first.read_bytes() == CSV
    assert left(tmp_path) == {"folder/small.csv", "downloads/a.zip", RECORD}
    second = fetcher.fetch(replace(small(source), name="second", file="other/second.csv"))
    assert second is not None and second.read_bytes() == CSV and len(server.asked) == 1


def test_a_tar_put_there_by_hand(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    with tarfile.open(tmp_path / "downloads/a.zip", "w:gz") as file:
        info = tarfile.TarInfo("small.csv")
        info.size = len(CSV)
        file.addfile(info, io.BytesIO(CSV))
    path = Fetcher(tmp_path, lambda line: None).fetch(small(Source("https", "http://127.0.0.1:9/", "a.zip")))
    assert path is not None and path.read_bytes() == CSV


@pytest.mark.parametrize("where", ["transfer", "name", "extraction", "folder"])
def test_a_full_disk(where: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    archive = "a.zip" if where == "extraction" else ""
    source = Source("https", server.serve("/f", body(packed(("small.csv", CSV)) if archive else CSV)), archive)
    if where == "transfer":
        monkeypatch.setattr(Path, "open", _full_after(Path.open))
    elif where == "name":
        monkeypatch.setattr(os, "replace", full)
        monkeypatch.setattr(shutil, "copyfile", full)
    elif where == "extraction":
        monkeypatch.setattr("benchmark.data.download.archives._copy", full)
    else:
        monkeypatch.setattr(Path, "mkdir", full)
    message = attempt(small(source), tmp_path / "data")
    assert "(cannot write: No space left on device)" in message or "(No space left on device)" in message
    assert "make room there, or choose another folder with --data-dir" in message
    monkeypatch.undo()
    assert left(tmp_path / "data") <= {"downloads/a.zip"} and len(server.asked) <= 1


def _full_after(opened: Any) -> Any:
    """`Path.open` whose files take the first bytes and then no more, as a full disk does."""

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda path, mode="r", **other: Full(path, mode) if mode == "wb" else opened(path, mode, **other)


def test_too_little_room_for_a_member(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("https", server.serve("/a.zip", body(packed(("small.csv", CSV)))), "a.zip")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 7})())
    assert f"needs {len(CSV)} bytes, the disk has 7 left; free some" in attempt(small(source), tmp_path)


def test_two_processes_after_the_same_file_download_it_once(server: Server, tmp_path: Path) -> None:
    source = Source("https", server.serve("/small.csv", in_turn(body(CSV, stall=0.0), body(PAGE))))
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_fetch, [small(source, sha256=SHA)] * 3, [tmp_path] * 3))
    assert found == [CSV] * 3 and len(server.asked) == 1


def _fetch(dataset: DataSet, folder: Path) -> bytes:
    path = Fetcher(folder, lambda line: None).fetch(dataset)
    assert path is not None
    return path.read_bytes()


def test_what_a_killed_process_left_is_cleared(server: Server, tmp_path: Path) -> None:
    (tmp_path / "downloads/.part-dead").mkdir(parents=True)
    (tmp_path / "downloads/.part-dead/small.csv").write_bytes(CSV[:50])
    Fetcher(tmp_path, lambda line: None).fetch(small(Source("https", server.serve("/small.csv", body(CSV)))))
    assert left(tmp_path) == {"folder/small.csv", RECORD}


def test_the_command(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source("https", server.serve("/small.csv", body(CSV)))
    monkeypatch.setitem(DATASETS, "small", small(source))
    place = ["--data-dir", str(tmp_path)]
    assert main(["status", "small", "exchange", *place]) == 0
    out = capsys.readouterr().out
    assert "Exchange  missing" in out and "small     missing" in out
    assert "fetch Exchange small" in out and source.where in out
    assert main(["fetch", "SMALL", *place]) == 0 and capsys.readouterr().out == "small: there\n"
    assert main(["status", "small", *place]) == 0 and "there" in capsys.readouterr().out
    (tmp_path / "folder/small.csv").write_bytes(CSV + b"\n")
    assert main(["fetch", "small", *place]) == 1
    assert "is not the file that was first downloaded" in capsys.readouterr().err
    assert main(["fetch", "smal", *place]) == 2 and "did you mean 'small'?" in capsys.readouterr().err
    assert main(["fetch", *place]) == 2
