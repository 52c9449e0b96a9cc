"""The kinds of fault, each a function that makes one."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import lru_cache

from tests.fakes.faults.fault import Fault

_PAGE = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
_HALF = b'[{"email": "someone", "status": "se'
_MEGABYTE = 1 << 20
_JSON = {"Content-Type": "application/json"}


def usual() -> Fault:
    """Treat the request as the provider does; a place in the script where nothing goes wrong."""
    return Fault(accept=True)


def refuse(
    status: int, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, accept: bool = False
) -> Fault:
    """Answer with this status; *accept* makes it a lie, as a 500 after the message was taken over is."""
    return Fault(str(status), accept=accept, status=status, body=body, headers=headers or {})


def throttle(hint: str = "seconds", wait: float = 1.0, *, status: int = 429) -> Fault:
    """Answer that it was too fast, with this form of :data:`.hints.HINTS` and no other hint."""
    return Fault(f"{status}-{hint}", status=status, hint=(hint, wait))


def late(seconds: float) -> Fault:
    """Take the message over, and say so only after a while."""
    return Fault("late", accept=True, delay=seconds)


def hang(*, accept: bool = False) -> Fault:
    """Never answer; ends when the client goes away."""
    return Fault("hang", accept=accept, how="hang")


def reset(*, accept: bool = False) -> Fault:
    """Tear the connection down (TCP RST) in place of an answer."""
    return Fault("reset", accept=accept, how="reset")


def cut() -> Fault:
    """Tear the connection down (TCP RST) in the middle of reading the body, and take nothing over.

    In a script it happens before the body has come, so that a large one is still being written.  A rule
    has seen the whole request, and comes too late for more than :func:`reset`.
    """
    return Fault("cut", how="cut")


def drip(seconds: float = 0.05, *, accept: bool = True) -> Fault:
    """Begin the answer at once, and let a space follow every so many seconds, without an end."""
    return Fault("drip", accept=accept, how="drip", delay=seconds)


def drip_head(seconds: float = 0.05, *, accept: bool = True) -> Fault:
    """Let one byte of a header follow another every so many seconds, without an end."""
    return Fault("drip-head", accept=accept, how="drip-head", delay=seconds)


def page(status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with an HTML page, as a proxy on the way does."""
    headers = {"Content-Type": "text/html"}
    return Fault("html", accept=accept, status=status, body=_PAGE, headers=headers)


def truncated(status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with the beginning of a JSON document."""
    return Fault("truncated", accept=accept, status=status, body=_HALF, headers=_JSON)


def empty(status: int = 200, *, accept: bool = True) -> Fault:
    """Answer without a body."""
    return Fault("empty", accept=accept, status=status, body=b"")


def without_id(status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with JSON in which nothing names the message."""
    return Fault("without-id", accept=accept, status=status, body=b'{"message":"Queued."}', headers=_JSON)


def redirect(location: str = "/elsewhere", status: int = 307) -> Fault:
    """Point somewhere else; by default to a path of the fake itself, which records who follows."""
    return Fault("redirect", status=status, body=b"", headers={"Location": location})


def huge(size: int = 16 * _MEGABYTE, status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with *size* bytes."""
    return Fault("huge", accept=accept, status=status, body=b" " * size, headers=_JSON)


def gzip_bomb(size: int = 32 * _MEGABYTE, status: int = 200, *, accept: bool = True) -> Fault:
    """Answer with a few kilobytes that unpack to *size* bytes."""
    headers = {**_JSON, "Content-Encoding": "gzip"}
    return Fault("bomb", accept=accept, status=status, body=_bomb(size), headers=headers)


def partial(*refused: int) -> Fault:
    """Refuse the messages of a batch at these places, counted from 0, and take the others over.

    Nothing happens to a request of one message, or at a provider that takes a batch as a whole or not
    at all.
    """
    return Fault("partial", accept=True, refused=frozenset(refused))


@lru_cache(maxsize=4)
def _bomb(size: int) -> bytes:
    return gzip.compress(b" " * size, mtime=0)
