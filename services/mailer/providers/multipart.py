"""Forms with files: ``multipart/form-data`` (RFC 7578)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from services.mailer.providers.base import UnsupportedError

_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class File:
    """One file of a form, and the name of its field."""

    field: str
    filename: str
    content_type: str
    content: bytes


def form(texts: Sequence[tuple[str, str]], files: Iterable[File], *, seed: str) -> tuple[bytes, str]:
    """Give the form and its content type; the same arguments give the same bytes.

    The boundary is made of *seed*, and of the first number with which no part of the form holds it.

    Raises:
        UnsupportedError: A name in it cannot be written.
    """
    parts = [(_disposition(name), text.encode()) for name, text in texts]
    for file in files:
        kind = f"Content-Type: {file.content_type}\r\n".encode()
        parts.append((_disposition(file.field, file.filename) + kind, file.content))
    boundary = _boundary(seed, [content for _, content in parts])
    body = b"".join(b"--%s\r\n%s\r\n%s\r\n" % (boundary, head, content) for head, content in parts)
    return body + b"--%s--\r\n" % boundary, f"multipart/form-data; boundary={boundary.decode()}"


def _boundary(seed: str, contents: Sequence[bytes]) -> bytes:
    candidates = (f"{seed}-{number}".encode() for number in count())
    return next(each for each in candidates if not any(each in content for content in contents))


def _disposition(name: str, filename: str | None = None) -> bytes:
    names = f"name={_quoted(name)}" + ("" if filename is None else f"; filename={_quoted(filename)}")
    return f"Content-Disposition: form-data; {names}\r\n".encode()


def _quoted(name: str) -> str:
    """Quote a name, which stands there in plain UTF-8 (RFC 7578, 5.1).

    Servers disagree on how to write what would have to be escaped.
    """
    if _ESCAPED.search(name):
        raise UnsupportedError("a form takes no name with a quotation mark, backslash or control character")
    return f'"{name}"'
