"""A good request to Resend."""

from __future__ import annotations

from typing import Any

from tests.fakes.calls.sending import KEY, Sending, of_json

BEARER = {"authorization": f"Bearer {KEY}"}


def email(message_id: str = "m-1", **changes: Any) -> dict[str, Any]:
    return {
        "from": "no-reply@example.org",
        "to": ["ada@example.net"],
        "subject": "Hi",
        "text": "Hello",
        "tags": [{"name": "message_id", "value": message_id}],
        **changes,
    }


def call(message_id: str = "m-1", **changes: Any) -> Sending:
    return of_json("/emails", email(message_id, **changes), **BEARER)


def keyed(key: str, message_id: str = "m-1", **changes: Any) -> Sending:
    return of_json("/emails", email(message_id, **changes), **BEARER, idempotency_key=key)


def batch(*emails: Any, **headers: str) -> Sending:
    return of_json("/emails/batch", list(emails), **BEARER, **headers)
