"""What is sent: e-mails as an application writes them, of about 1 KB."""

from __future__ import annotations

import json
from typing import Any

_TEXT = "Thank you for your order.  It is on its way and will be with you in two or three days.\n" * 4


def email(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Give one e-mail to a recipient of its own, text and HTML, with tag and metadata."""
    return {
        "from": "Shop <shop@example.com>",
        "to": [f"user{number}@recipients.example.org"],
        "subject": "Your order is on its way",
        "text": _TEXT,
        "html": f"<!doctype html><html><body><h1>On its way</h1><p>{_TEXT}</p></body></html>",
        "tags": [{"name": "kind", "value": "order"}],
        "metadata": {"order": "4711"},
        **fields,
    }


def single(number: int = 0) -> bytes:
    """The body of ``POST /emails``."""
    return json.dumps(email(number)).encode()


def batch(size: int = 100, first: int = 0, **fields: Any) -> bytes:
    """The body of ``POST /emails/batch``."""
    return json.dumps([email(first + number, **fields) for number in range(size)]).encode()
