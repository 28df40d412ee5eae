"""Archives and Google Drive, on the loopback: what is refused, and that nothing is left of it."""

from __future__ import annotations

import errno
import io
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gdown
import pytest
import requests
from loopback import CSV, PAGE, Server, attempt, body, left, packed, serving, small

from benchmark.data.download import fetch, transport
from benchmark.data.download.fetch import Fetcher
from benchmark.data.files import RECORD
from benchmark.data.registry import Source
from benchmark.errors import DataError


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fetch, "DELAYS", (0.0, 0.0))
    monkeypatch.setattr(transport, "STALL_SECONDS", 0.3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def linked() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        info = zipfile.ZipInfo("folder/small.csv")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed(("../small.csv", CSV)), "'../small.csv' points outside the archive"),
        (packed(("a/../../small.csv", CSV), ("small.csv", CSV)), "points outside the archive"),
        (packed(("/etc/small.csv", CSV)), "points outside the archive"),
        (packed(("C:\\small.csv", CSV)), "points outside the archive"),
        (packed(("..\\small.csv", CSV)), "points outside the archive"),
        (linked(), "'folder/small.csv' is a link, not a file"),
        (packed(("x.csv", CSV)), "has no folder/small.csv among its 1 file;"),
        (packed(("a/small.csv", CSV), ("b/small.csv", CSV)), "2 entries could be folder/small.csv (a/small"),
        (packed(("small.csv", CSV)).replace(b"PK\x03\x04", b"PK\x03\x05", 1), "a damaged archive"),
        (packed(("small.csv", os.urandom(5000)))[:2000], "what came is no whole archive"),
        (b"neither zip nor tar", "what came is no whole archive"),
        (PAGE, "a web page came instead of the file"),
    ],
)
def test_archives_that_are_refused(content: bytes, said: str, server: Server, tmp_path: Path) -> None:
    source = Source("https", server.serve("/a.zip", body(content)), "a.zip")
    message = attempt(small(source), tmp_path / "data")
    assert said in message and f"save it as {tmp_path}/data/downloads/a.zip" in message
    assert left(tmp_path / "data") <= {"downloads/a.zip"}
    assert not (tmp_path / "small.csv").exists() and not list((tmp_path / "data").rglob(".part*"))


def test_an_archive_whose_member_is_damaged(server: Server, tmp_path: Path) -> None:
    content = bytearray(packed(("small.csv", CSV)))
    content[60] ^= 0xFF
    source = Source("https", server.serve("/a.zip", body(bytes(content))), "a.zip")
    assert "a damaged archive" in attempt(small(source), tmp_path)
    assert left(tmp_path) == {"downloads/a.zip"}


@pytest.fixture
def drive(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Google Drive on the loopback: gdown's own code, its addresses led to the server."""
    get = requests.Session.get

    def led(session: requests.Session, url: str, **other: Any) -> Any:
        for host in ("https://drive.google.com", "https://drive.usercontent.google.com"):
            url = url.replace(host, server.url)
        return get(session, url, **other)

    monkeypatch.setattr(requests.Session, "get", led)
    return server


DRIVE = Source("gdrive", "1l51QsKvQPcqILT3DwfjCgx8Dsg2rpjot", "a.zip")


def test_google_drive_behind_its_warning_page(drive: Server, tmp_path: Path) -> None:
    form = (b'<html><form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
            b'<input type="hidden" name="id" value="1"></form></html>')  # fmt: skip
    drive.serve("/uc", body(form, kind="text/html"))
    drive.serve("/download", body(packed(("small.csv", CSV)), kind="application/octet-stream", attached=True))
    path = Fetcher(tmp_path, lambda line: None).fetch(small(DRIVE))
    assert path is not None and path.read_bytes() == CSV
    assert left(tmp_path) == {"folder/small.csv", "downloads/a.zip", RECORD}


@pytest.mark.parametrize(
    ("bad", "said", "asked"),
    [
        (body(PAGE, kind="text/html"), "a.zip: Google Drive does not hand the file out (its quota of downloads", 1),
        (body(b'<p class="uc-error-subcaption">Too many users</p>', kind="text/html"), "does not hand the file out", 1),
        (body(b"", status=404, kind="text/html"), "does not hand the file out", 1),
        (body(b"x" * 50, claim=999, attached=True), "the connection broke", 3),
        (body(b"x" * 50, claim=999, stall=1, attached=True), "stalled", 3),
        (body(b"x" * 50, attached=True), "what came is no whole archive", 1),
    ],
)
def test_google_drive_that_gives_no_file(bad: Any, said: str, asked: int, drive: Server, tmp_path: Path) -> None:
    drive.serve("/uc", bad)
    message = attempt(small(DRIVE), tmp_path)
    assert said in message and len(drive.asked) == asked and left(tmp_path) == set()
    assert f"open https://drive.google.com/file/d/{DRIVE.where}/view in a browser, save it as" in message


def test_a_source_that_failed_is_not_asked_again_for_the_next_set(drive: Server, tmp_path: Path) -> None:
    drive.serve("/uc", body(PAGE, kind="text/html"))
    fetcher = Fetcher(tmp_path, lambda line: None)
    for name in ("one", "two", "three"):
        with pytest.raises(DataError, match=f"{name}: no file at .* Google Drive does not hand the file out"):
            fetcher.fetch(replace(small(DRIVE), name=name, file=f"{name}.csv"))
    assert len(drive.asked) == 1


def test_google_drive_on_a_full_disk(drive: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(gdown, "download", full)
    assert "small: nothing can be written below" in attempt(small(DRIVE), tmp_path)
