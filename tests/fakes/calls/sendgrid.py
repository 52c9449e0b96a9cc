"""A good request to SendGrid."""

from __future__ import annotations

from typing import Any

from tests.fakes.calls.sending import KEY, Sending, of_json


def call(message_id: str = "m-1", **changes: Any) -> Sending:
    document: dict[str, Any] = {
        "personalizations": [{"to": [{"email": "ada@example.net"}]}],
        "from": {"email": "no-reply@example.org"},
        "subject": "Hi",
        "content": [{"type": "text/plain", "value": "Hello"}],
        "custom_args": {"message_id": message_id},
        **changes,
    }
    return of_json("/v3/mail/send", document, authorization=f"Bearer {KEY}")
