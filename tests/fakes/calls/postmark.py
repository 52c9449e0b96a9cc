"""A good request to Postmark."""

from __future__ import annotations

from typing import Any

from tests.fakes.calls.sending import KEY, Sending, of_json

TOKEN = {"x_postmark_server_token": KEY}


def message(message_id: str = "m-1", **changes: Any) -> dict[str, Any]:
    return {
        "From": "no-reply@example.org",
        "To": "ada@example.net",
        "Subject": "Hi",
        "TextBody": "Hello",
        "Metadata": {"message_id": message_id},
        **changes,
    }


def call(message_id: str = "m-1", **changes: Any) -> Sending:
    return of_json("/email", message(message_id, **changes), **TOKEN)


def batch(*messages: Any) -> Sending:
    return of_json("/email/batch", list(messages), **TOKEN)
