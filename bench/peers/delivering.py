"""The bare HTTP call to the provider, as every peer's worker makes it."""

from __future__ import annotations

import os
from typing import Any

import httpx

HEADERS = {"Authorization": "Bearer SG.key-of-the-bench"}


def url() -> str:
    """Where the provider takes messages."""
    return f"{os.environ['BENCH_PROVIDER_URL']}/v3/mail/send"


def payload(message_id: str, email: dict[str, Any]) -> dict[str, Any]:
    """The same that Pillarbox sends."""
    return {
        "personalizations": [{"to": [{"email": address} for address in email["to"]]}],
        "from": {"email": "shop@example.com", "name": "Shop"},
        "subject": email["subject"],
        "content": [
            {"type": "text/plain", "value": email["text"]},
            {"type": "text/html", "value": email["html"]},
        ],
        "custom_args": {"message_id": message_id},
    }


def deliver(client: httpx.Client, message_id: str, email: dict[str, Any]) -> None:
    """Make the call, and fail unless the provider takes the message."""
    client.post(url(), json=payload(message_id, email)).raise_for_status()


async def deliver_async(client: httpx.AsyncClient, message_id: str, email: dict[str, Any]) -> None:
    """The same, in coroutines."""
    answer = await client.post(url(), json=payload(message_id, email))
    answer.raise_for_status()
