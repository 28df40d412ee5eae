"""A Result as the text of its file: JSON, whose last field is a checksum over the rest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NoReturn

from benchmark.store.check import CELL, EXTRA_ERRORS, amiss
from benchmark.store.result import SCHEMA, STATUSES, Result, Status, plain

_HEAD = re.compile(rb'^\{\s*"schema":\s*(\d+),\s*"key":\s*"((?:[^"\\]|\\.)*)",\s*"digest":\s*"([0-9a-f]{64})",'
                   rb'\s*"status":\s*"([a-z]+)"')  # fmt: skip
_SEAL = re.compile(rb',\s*"sha256":\s*"([0-9a-f]{64})"\s*\}\s*$')
_LONGEST_SEAL = 120
_KINDS = {str: rb'"(?:[^"\\]|\\.)*"', int: rb"\d+", bool: rb"(?:true|false)"}
_CELL = re.compile(rb'\n "cell": \{\s*' + rb",\s*".join(b'"%s": %s' % (name.encode(), _KINDS[kind])
                   for name, kind in CELL.items()) + rb"\s*\}")  # fmt: skip
_ENVIRONMENT = b'\n "environment": {'
_NESTED = re.compile(rb"[\[{]")
_ODD = re.compile(rb":\s*(?:null|-)")
_NEGATIVE = re.compile(rb'"(?:%s)":\s*-' % "|".join(EXTRA_ERRORS).encode())
_MOST_HEAD = 4096
_CODE = b'\n "code": {'
_END = "\n}\n"
SEAL = "sha256"
"""The field with the checksum."""


class Damaged(Exception):
    """A text that is no whole Result: cut off, or other than it was written. The message says what is wrong with it."""


class Newer(Exception):
    """A Result in a form that this version does not know."""


def written(result: Result) -> str:
    """The text of a Result's file.

    Its field `sha256` is the SHA-256 of what the text would be without that field.
    """
    return _sealed(_plain_text(plain(result)))


def laid_out(line: bytes) -> str:
    """The text of a file that says what a line of JSON says. Raises Damaged where that has a number that JSON has not."""
    try:
        return _plain_text(json.loads(line))
    except (ValueError, RecursionError):
        raise Damaged("no JSON: a number in it is none") from None


def in_a_line(content: bytes) -> bytes:
    """The text of a file in one line, without its end. Raises ValueError for what JSON does not have."""
    return _bytes(json.dumps(json.loads(content), separators=(",", ":"), allow_nan=False, ensure_ascii=False))


def _plain_text(raw: Mapping[str, Any]) -> str:
    return _bytes(json.dumps(raw, indent=1, allow_nan=False, ensure_ascii=False) + "\n").decode()


def _bytes(text: str) -> bytes:
    """As UTF-8, which has no lone surrogates: of such (a file's name in a traceback) JSON's own escape stands."""
    return text.encode("utf-8", "backslashreplace")


def _sealed(text: str) -> str:
    return f'{text.removesuffix(_END)},\n "{SEAL}": "{hashlib.sha256(text.encode()).hexdigest()}"{_END}'


def read(content: bytes, digest: str) -> Result:
    """The Result of a digest. One without a checksum is whole if it reads as one and an earlier version wrote it: all that
    have a field `code` had a checksum.

    Raises Damaged, Newer.
    """
    try:
        raw = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Damaged("cut off, or no JSON") from None
    if not isinstance(raw, dict):
        raise Damaged("no Result")
    if raw.get("digest") == digest and isinstance(raw.get("schema"), int) and raw["schema"] > SCHEMA:
        raise Newer(f"written by a newer version (schema {raw['schema']}, this one knows {SCHEMA})")
    if SEAL in raw and not _is_sealed(content) and not _says_the_same(raw):
        raise Damaged("changed since it was written")
    if SEAL not in raw and "code" in raw:
        raise Damaged("its checksum was taken out")
    known = {f.name for f in fields(Result)}
    try:
        values: dict[str, Any] = {k: tuple(v) if k == "epochs" else v for k, v in raw.items() if k in known}
        result = Result(**values)
    except TypeError:  # a field is missing, or no list
        raise Damaged("no Result") from None
    if why := amiss(result, digest):
        raise Damaged(why)
    return result


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)  # NaN and infinity: Python reads them, JSON has none


def _is_sealed(content: bytes) -> bool:
    """Whether a text is, byte for byte, what was written."""
    begin = max(0, len(content) - _LONGEST_SEAL)
    seal = _SEAL.search(content, begin)
    if seal is None:
        return False
    rest = hashlib.sha256(memoryview(content)[: seal.start()])
    rest.update(_END.encode())
    return rest.hexdigest().encode() == seal[1]


def _says_the_same(raw: Mapping[str, Any]) -> bool:
    """Whether a text that was laid out anew (other blanks, other line ends) still says what was written."""
    try:
        rest = _plain_text({name: value for name, value in raw.items() if name != SEAL})
    except ValueError:
        return False
    return bool(hashlib.sha256(rest.encode()).hexdigest() == raw[SEAL])


def status(content: bytes, digest: str) -> Status:
    """The status of a digest's Result; where its checksum is right nothing else needs to be read.

    Raises Damaged, Newer.
    """
    head = _HEAD.match(content)
    if head is not None and int(head[1]) <= SCHEMA and head[3].decode() == digest and _is_sealed(content):
        found = next((s for s in STATUSES if s == head[4].decode()), None)
        if found is not None and _is_usual(content) and not _has_odd_metric(content):
            return found
    return read(content, digest).status


def code(content: bytes) -> bytes:
    """What of the text of a file, as the suite lays it out, says by which code it was made; nothing where it does not."""
    begin = content.rfind(_CODE)
    return content[begin + len(_CODE) - 1 : content.find(b"}", begin) + 1] if begin >= 0 else b""


def _is_usual(content: bytes) -> bool:
    """Whether the cell of a text is laid out as the suite does it, and so of the right kinds, and its environment flat."""
    begin = content.find(_ENVIRONMENT)
    flat = begin < 0 or not _NESTED.search(content, begin + len(_ENVIRONMENT), content.find(b"}", begin))
    return flat and _CELL.search(content, 0, _MOST_HEAD) is not None


def _has_odd_metric(content: bytes) -> bool:
    """Whether one that decides is null, or one that is an error is negative: then the whole text has to be read."""
    begin = content.find(b'"metrics"')
    return _ODD.search(content, begin, content.find(b"}", begin)) is not None or (
        _NEGATIVE.search(content, begin, content.find(b'"windows"', begin)) is not None
    )


def key(content: bytes) -> str | None:
    """The key in the first bytes of a Result's file; None where they are none."""
    head = _HEAD.match(content)
    return None if head is None else str(json.loads(b'"' + head[2] + b'"'))
