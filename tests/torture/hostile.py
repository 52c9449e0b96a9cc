"""Callers that mean no good: whatever they try, no message may come of it, and nobody else may notice."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tests.torture.journal import ANSWERED, ASKED, SILENCE

if TYPE_CHECKING:
    from tests.torture.journal import Journal
    from tests.torture.orders import Order
    from tests.torture.stage import Stage

Request = Callable[["Stage", "Order"], bytes]

_PATIENCE: Final = 15.0


def _request(stage: Stage, order: Order, body: bytes, *, head: str = "", key: str | None = None) -> bytes:
    token = stage.keys[order.tenant] if key is None else key
    length = "" if "ength" in head or "hunked" in head else f"Content-Length: {len(body)}\r\n"
    lines = (
        f"POST /emails HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\n{length}{head}\r\n"
    )
    return lines.encode() + body


def _body(order: Order, **changes: Any) -> bytes:
    return json.dumps({**order.body, **changes}).encode()


def _half(stage: Stage, order: Order) -> bytes:
    whole = _request(stage, order, _body(order))
    return whole[: len(whole) - len(_body(order)) // 2]


def _foreign(stage: Stage, order: Order) -> bytes:
    return (
        f"POST /emails/{uuid.UUID(int=order.number + 1)}/cancel HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {stage.keys[order.tenant]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ).encode()


TRICKS: Final[Mapping[str, Request]] = MappingProxyType(
    {
        "no_key": lambda stage, order: _request(stage, order, _body(order), key=""),
        "wrong_key": lambda stage, order: _request(stage, order, _body(order), key="key_wrong_" + "x" * 40),
        "half_a_body": _half,
        "half_a_head": lambda stage, order: _request(stage, order, b"")[:60],
        "no_json": lambda stage, order: _request(stage, order, _body(order)[:-20]),
        "header_injection": lambda stage, order: _request(
            stage, order, _body(order, subject="Hi\r\nBcc: everybody@example.org")
        ),
        "two_lengths": lambda stage, order: _request(
            stage,
            order,
            b"0\r\n\r\n" + _body(order),
            head="Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        "compressed": lambda stage, order: _request(
            stage, order, gzip.compress(_body(order)), head="Content-Encoding: gzip\r\n"
        ),
        "too_large": lambda stage, order: _request(stage, order, b"", head="Content-Length: 99999999999\r\n"),
        "nested": lambda stage, order: _request(stage, order, b"[" * 100_000),
        "unknown_field": lambda stage, order: _request(stage, order, _body(order, sendNow=True)),
        "no_recipient": lambda stage, order: _request(stage, order, _body(order, to=[])),
        "foreign_message": _foreign,
        "garbage": lambda _, order: b"\x16\x03\x01" + bytes(range(256)) * 4 + str(order.number).encode(),
    }
)
"""What they try, and the bytes of it."""


async def attack(stage: Stage, journal: Journal, order: Order) -> None:
    """Try it once, through any gateway's proxy, and write down what the answer was."""
    url = urlsplit(stage.addresses[order.number % len(stage.addresses)])
    await journal.write(order.number, ASKED, order.trick)
    answer = await _exchange(
        url.port or 0, TRICKS[order.trick](stage, order), hangs_up=order.trick.startswith("half")
    )
    status = _status(answer)
    if status is None:
        await journal.write(order.number, SILENCE, order.trick)
        return
    said = answer.partition(b"\r\n\r\n")[2].decode(errors="replace")[:2000]
    await journal.write(order.number, ANSWERED, order.trick, status=status, answer={"text": said})


async def _exchange(port: int, request: bytes, *, hangs_up: bool) -> bytes:
    """Send the bytes and read the answer; who sends half goes away without a word after a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(2.0 if hangs_up else _PATIENCE):
                return await reader.read(65_536)
        return b""
    finally:
        writer.transport.abort()


def _status(answer: bytes) -> int | None:
    words = answer.split(b" ", 2)
    is_http = len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit()
    return int(words[1]) if is_http else None


Attack = Callable[["Stage", "Journal", "Order"], Awaitable[None]]
