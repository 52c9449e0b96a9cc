"""What a provider can do to one request instead of plainly answering it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request is treated."""

    accept: bool = False
    """Take the message over first, provided that it is a valid one."""
    how: Literal["answer", "hang", "reset", "drip"] = "answer"
    delay: float = 0.0
    """Seconds to wait before the answer, or between two bytes of it."""
    status: int | None = None
    """None: whatever the provider would say."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """None: what the provider says with this status."""


def usual() -> Fault:
    """Treat the request as the provider does; a place in the script where nothing goes wrong."""
    return Fault(accept=True)


def refuse(
    status: int, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, accept: bool = False
) -> Fault:
    """Answer with this status; *accept* makes it a lie, as a 500 after the message was taken over is."""
    return Fault(accept=accept, status=status, body=body, headers=headers or {})


def late(seconds: float) -> Fault:
    """Take the message over, and say so only after a while."""
    return Fault(accept=True, delay=seconds)


def hang(*, accept: bool = False) -> Fault:
    """Never answer; ends when the client goes away."""
    return Fault(accept=accept, how="hang")


def reset(*, accept: bool = False) -> Fault:
    """Tear the connection down (TCP RST) in place of an answer."""
    return Fault(accept=accept, how="reset")


def drip(seconds: float = 0.05, *, accept: bool = True) -> Fault:
    """Begin the answer at once, and let a space follow every so many seconds, without an end."""
    return Fault(accept=accept, how="drip", delay=seconds)


def page(status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with an HTML page, as a proxy on the way does."""
    return Fault(accept=accept, status=status, body=_PAGE, headers={"Content-Type": "text/html"})


def truncated(status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with the beginning of a JSON document."""
    body = b'[{"email": "someone", "status": "se'
    return Fault(accept=accept, status=status, body=body, headers={"Content-Type": "application/json"})


def redirect(location: str = "/elsewhere", status: int = 307) -> Fault:
    """Point somewhere else; by default to a path of the fake itself, which records who follows."""
    return Fault(status=status, body=b"", headers={"Location": location})


def huge(size: int = 16 * _MEGABYTE, status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with *size* bytes."""
    return Fault(accept=accept, status=status, body=b" " * size, headers={"Content-Type": "application/json"})


def gzip_bomb(size: int = 32 * _MEGABYTE, status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with a few kilobytes that unpack to *size* bytes."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return Fault(accept=accept, status=status, body=_bomb(size), headers=headers)


@lru_cache(maxsize=4)
def _bomb(size: int) -> bytes:
    return gzip.compress(b" " * size, mtime=0)


_WORDS = {
    "hang": hang(),
    "reset": reset(),
    "drip": drip(accept=False),
    "html": page(502, accept=False),
    "truncated": truncated(accept=False),
    "redirect": redirect(),
    "huge": huge(accept=False),
    "bomb": gzip_bomb(accept=False),
}


SCRIPT = (
    "treats the first requests so, one each, as in 429:retry-after=2,503*3,accept-hang,202: an item is a "
    f"status or one of {', '.join(_WORDS)}; with accept- before it the message is taken over all the same; "
    ":name=value adds a header; *3 repeats; 200 and 202 stand for the usual treatment"
)


def parse(script: str) -> list[Fault]:
    """Read a script in the language of :data:`SCRIPT`.

    Raises:
        ValueError: An item is none of these.
    """
    return [fault for item in script.split(",") if item.strip() for fault in _items(item.strip())]


def _items(item: str) -> list[Fault]:
    item, _, times = item.partition("*")
    word, *pairs = item.split(":")
    accept, word = word.startswith("accept-"), word.removeprefix("accept-")
    if word in {"200", "202"}:
        fault = usual()
    elif word in _WORDS:
        fault = replace(_WORDS[word], accept=accept)
    elif word.isdecimal():
        headers = dict(pair.split("=", 1) for pair in pairs)
        fault = refuse(int(word), headers=headers, accept=accept)
    else:
        raise ValueError(f"{item!r} is neither a status nor one of {', '.join(_WORDS)}")
    return [fault] * int(times or 1)
