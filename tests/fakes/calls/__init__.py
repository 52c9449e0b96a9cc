"""Good requests of every dialect, and the client that makes them.

A provider adds its module here, and a line to the table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from tests.fakes.calls import mailgun, mandrill, postmark, resend, sendgrid, ses
from tests.fakes.calls.sending import KEY, Sending
from tests.fakes.esp import FakeESP

CALLS: dict[str, Callable[..., Sending]] = {
    "sendgrid": sendgrid.call,
    "mandrill": mandrill.call,
    "mailgun": mailgun.call,
    "ses": ses.call,
    "postmark": postmark.call,
    "resend": resend.call,
}
"""By kind: a request of one message, "Hi" to ada@example.net; arguments are our id and other fields."""

ACCEPTED = {"sendgrid": 202}
"""By kind, for those whose good answer has another status than 200."""

__all__ = ["ACCEPTED", "CALLS", "KEY", "Sending", "arrived", "perform", "send", "settled"]


async def send(
    client: httpx.AsyncClient, fake: FakeESP, *args: Any, patience: float = 5.0, **changes: Any
) -> httpx.Response:
    """Send one message as the fake's provider wants it."""
    return await perform(client, fake, CALLS[fake.kind](*args, **changes), patience=patience)


async def perform(
    client: httpx.AsyncClient, fake: FakeESP, sending: Sending, *, patience: float = 5.0, **options: Any
) -> httpx.Response:
    """Make any request; *patience*, in seconds, is for its answer."""
    return await client.request(
        sending.method,
        fake.base_url + sending.path,
        content=sending.body,
        headers=sending.headers,
        timeout=httpx.Timeout(10.0, read=patience),
        **options,
    )


async def arrived(fake: FakeESP) -> None:
    """Wait until a request has come; one must."""
    async with asyncio.timeout(10):
        while not fake.requests:  # noqa: ASYNC110 - a fake has no bell
            await asyncio.sleep(0.01)


async def settled(fake: FakeESP, *, answered: bool) -> bool:
    """Wait until the last request's answer is settled one way; False if it never was."""
    for _ in range(100):
        if fake.requests and fake.requests[-1].answered is answered and fake.requests[-1].status:
            return True
        await asyncio.sleep(0.01)
    return False
