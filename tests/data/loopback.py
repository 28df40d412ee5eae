"""A real HTTP server on the loopback that serves files well and badly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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
