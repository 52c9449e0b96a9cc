"""A good request to Mandrill."""

from __future__ import annotations

from typing import Any

from tests.fakes.calls.sending import KEY, Sending, of_json


def call(message_id: str = "m-1", **changes: Any) -> Sending:
    message = {
        "from_email": "no-reply@example.org",
        "to": [{"email": "ada@example.net", "type": "to"}],
        "subject": "Hi",
        "text": "Hello",
        "metadata": {"message_id": message_id},
        **changes,
    }
    return of_json("/api/1.0/messages/send.json", {"key": KEY, "message": message})
