"""Leases: one holder at a time, dead holders noticed at once, silent ones by the observer's own clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmark.machine import host, process_start
from benchmark.store import leases
from benchmark.store.leases import Leases

DIGEST = "ab" * 32


def write(where: Leases, **changes: object) -> None:
    start = process_start(os.getpid())
    held = {"token": "t", "host": host(), "pid": os.getpid(), "process": start, "beats": 0} | changes
    where.folder.mkdir(parents=True, exist_ok=True)
    where.path(DIGEST).write_text(json.dumps(held))


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = Leases(tmp_path).take(DIGEST), Leases(tmp_path).take(DIGEST)
    assert first is not None and second is None
    with first:
        assert Leases(tmp_path).sweep() == []
    assert list((tmp_path / "leases").iterdir()) == []
    assert Leases(tmp_path).take(DIGEST) is not None


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda _: Leases(tmp_path).take(DIGEST), range(64)))
    assert sum(lease is not None for lease in taken) == 1


def test_a_dead_process_of_this_machine_is_noticed_at_once(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    write(Leases(tmp_path), pid=int(child.stdout), process="12345")
    assert Leases(tmp_path).sweep() == [DIGEST]


def test_another_process_with_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    write(Leases(tmp_path), process="1")
    assert Leases(tmp_path).sweep() == [DIGEST]


def test_a_silent_holder_elsewhere_loses_it_after_the_observers_own_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    observer = Leases(tmp_path)
    write(observer, host="elsewhere", pid=1)
    os.utime(observer.path(DIGEST), (0, 0))  # a clock that is off by half a century does no harm
    assert observer.sweep() == []
    now[0] += leases.LEASE_SECONDS - 1
    assert observer.sweep() == []
    write(observer, host="elsewhere", pid=1, beats=1)
    now[0] += 2
    assert observer.sweep() == [], "it has beaten in between"
    now[0] += leases.LEASE_SECONDS + 1
    assert observer.sweep() == [DIGEST]


def test_a_holder_beats_and_notices_that_it_has_lost_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.02)
    where = Leases(tmp_path)
    lease = where.take(DIGEST)
    assert lease is not None
    with lease:
        before = where.path(DIGEST).read_text()
        time.sleep(0.3)
        assert where.path(DIGEST).read_text() != before
        where.path(DIGEST).rename(tmp_path / "taken over")
        write(where, token="somebody else")
        time.sleep(0.1)
    assert json.loads(where.path(DIGEST).read_text())["token"] == "somebody else"


HUGE = b'{"token": "x", "host": "h", "process": "p", "beats": 1, "pid": Infinity}'
DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b'{"token": "x"}',
        b"\xff\xfe\x00",
        HUGE,
        DEEP,
        "empty",
        "full",
        "pipe",
        "loop",
        "nowhere",
    ],
)
def test_what_is_no_lease_goes_stale_like_any_other(
    tmp_path: Path, content: bytes | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are no text, numbers that are none, a folder, a pipe or a link there: nobody crashes, nobody waits for
    ever."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    where = Leases(tmp_path)
    path = where.path(DIGEST)
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "pipe":
        os.mkfifo(path)
    elif content in ("loop", "nowhere"):
        path.symlink_to(path if content == "loop" else tmp_path / "none")
    else:
        path.mkdir()
        if content == "full":
            (path / "somebody's").write_text("own")
    assert where.holder(DIGEST) is None
    assert where.sweep() == [] and where.take(DIGEST) is None
    now[0] += leases.LEASE_SECONDS + 1
    assert where.sweep() == [DIGEST]
    lease = where.take(DIGEST)
    assert lease is not None and lease.mine() and not lease.taken()
    kept = list(where.folder.rglob("somebody's"))
    assert [each.read_text() for each in kept] == ["own"] * (content == "full")
