"""Bytes from elsewhere into a file: one function a kind of source, and errors that say whether another attempt may help."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmark.data.registry import Source

CONNECT_SECONDS = 20.0
STALL_SECONDS = 60.0
"""Without a byte for so long, a transfer counts as stalled."""
_CHUNK = 1 << 20
_PASSING = (408, 425, 429, 500, 502, 503, 504)

T = TypeVar("T")
Told = Callable[[int, int | None], None]
"""Called with the bytes so far, and of how many, where the server says it."""


class Transient(Exception):
    """A transfer that broke off; another attempt may help."""


class Refused(Exception):
    """A source that does not give the file; another attempt will not help."""


class LocalFailure(Exception):
    """The file cannot be written here: no other source will help."""


def download(source: Source, target: Path, progress: Told) -> None:
    """Writes what a source gives to `target`, whole as far as the server tells its length.

    Raises Transient, Refused or LocalFailure; what is at `target` then is worth nothing.
    """
    (_drive if source.kind == "gdrive" else _https)(source.where, target, progress)
    with target.open("rb") as file:
        head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] == b"<":
        raise Refused("a web page came instead of the file")
    if not head:
        raise Transient("an empty file came")


def _https(url: str, target: Path, progress: Told) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "forecast-benchmark", "Accept-Encoding": "identity"})
    try:
        with urllib.request.urlopen(request, timeout=STALL_SECONDS) as answer, _local(lambda: target.open("wb")) as file:
            length = answer.headers.get("Content-Length", "")
            expected = int(length) if length.isdigit() else None
            done = 0
            while chunk := answer.read(_CHUNK):
                _local(lambda chunk=chunk: file.write(chunk))  # type: ignore[misc]
                done += len(chunk)
                progress(done, expected)
    except urllib.error.HTTPError as error:
        kind = Transient if error.code in _PASSING else Refused
        raise kind(f"the server answers {error.code} {error.reason}") from None
    except TimeoutError:
        raise Transient(f"the transfer stalled for {STALL_SECONDS:g} s") from None
    except urllib.error.URLError as error:
        raise Transient(f"no connection ({_reason(error.reason)})") from None
    except (http.client.HTTPException, OSError) as error:
        raise Transient(f"the connection broke ({_reason(error)})") from None
    if expected is not None and done != expected:
        raise Transient(f"the transfer ended after {done:,} of {expected:,} bytes")


def _local(act: Callable[[], T]) -> T:
    """What `act` returns; its OSError as LocalFailure, so that it is not taken for one of the network."""
    try:
        return act()
    except OSError as error:
        raise LocalFailure(f"cannot write: {error.strerror or error}") from None


def _drive(file_id: str, target: Path, progress: Told) -> None:
    """Google Drive, by gdown: it knows the page that large files have between the link and the bytes."""
    try:
        import gdown
        import requests
        from gdown.exceptions import DownloadError, FileURLRetrievalError
    except ImportError:
        raise Refused("the package gdown is not installed (pip install -r requirements.txt)") from None
    try:
        gdown.download(id=file_id, output=str(target), quiet=True, use_cookies=False,
                       timeout=(CONNECT_SECONDS, STALL_SECONDS), progress=progress)  # fmt: skip
    except FileURLRetrievalError:
        raise Refused("Google Drive does not hand the file out (its quota of downloads, or its permissions)") from None
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        raise (Transient if code in _PASSING else Refused)(f"Google Drive answers {code}") from None
    except (requests.RequestException, DownloadError) as error:
        if isinstance(error, requests.Timeout) or "timed out" in str(error):  # in mid-transfer it is a ConnectionError
            raise Transient(f"the transfer stalled for {STALL_SECONDS:g} s") from None
        raise Transient(f"the connection broke ({_reason(error)})") from None
    except OSError as error:
        raise LocalFailure(f"cannot write: {error.strerror or error}") from None
    if not target.is_file():
        raise Refused("gdown gave no file")


def _reason(error: object) -> str:
    text = " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())
    return text if len(text) <= 120 else text[:117] + "…"
