"""A real HTTP server on the loopback that serves files well and badly, and a small data set to fetch from it."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.download.fetch import Fetcher
from benchmark.data.registry import DataSet, Source
from benchmark.errors import DataError

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """`answers` by path; `asked` counts the requests. A path without an answer is a 404."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                answer = outer.answers.get(self.path.partition("?")[0])
                self.close_connection = True
                if answer is None:
                    self.send_error(404)
                else:
                    answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def serve(self, path: str, answer: Answer) -> str:
        """The URL at which the answer is served."""
        self.answers[path] = answer
        return self.url + path


def body(content: bytes, *, claim: int | None = None, stall: float = 0, status: int = 200, kind: str = "text/csv",
         attached: bool = False) -> Answer:  # fmt: skip
    """An answer: the content, its length as claimed; with `stall` the connection then stays open, silent, so long."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content) if claim is None else claim))
        request.send_header("Connection", "close")  # as it is: a client that asks on it again may do so before it is told
        if attached:
            request.send_header("Content-Disposition", 'attachment; filename="file"')
        request.end_headers()
        request.wfile.write(content)
        request.wfile.flush()
        time.sleep(stall)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Each answer once, the last one from then on."""
    left = list(answers)

    def answer(request: BaseHTTPRequestHandler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


@contextmanager
def serving() -> Iterator[Server]:
    """A server for the time of a test."""
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.http.shutdown()
        found.http.server_close()


CSV = b"date,a,OT\n" + b"".join(b"2020-01-%02d,%d,%d\n" % (d, d, d * 2) for d in range(1, 29))
SHA = hashlib.sha256(CSV).hexdigest()
PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"


def small(*sources: Source, **other: Any) -> DataSet:
    return DataSet("small", "folder/small.csv", "csv", 2, 28, "1 day", "ratio", sources=sources, **other)


def packed(*members: tuple[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return held.getvalue()


def left(folder: Path) -> set[str]:
    """Every file below the data folder but the lock."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def attempt(dataset: DataSet, folder: Path) -> str:
    """What is said when a set cannot be had: one line."""
    with pytest.raises(DataError) as error:
        Fetcher(folder, lambda line: None).fetch(dataset)
    assert "\n" not in str(error.value)
    return str(error.value)
