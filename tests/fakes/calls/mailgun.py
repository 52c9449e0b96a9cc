"""A good request to Mailgun."""

from __future__ import annotations

import base64

import httpx

from tests.fakes.calls.sending import KEY, Sending

AUTHORIZATION = f"Basic {base64.b64encode(f'api:{KEY}'.encode()).decode()}"
PATH = "/v3/mail.example.org/messages"


def call(message_id: str = "m-1", **changes: list[str]) -> Sending:
    """Make it; a field whose change is an empty list is left out."""
    form = {
        "from": ["no-reply@example.org"],
        "to": ["ada@example.net"],
        "subject": ["Hi"],
        "text": ["Hello"],
        "h:Message-Id": [f"<{message_id}@example.org>"],
        "v:message_id": [message_id],
        **changes,
    }
    fields = [(name, (None, value)) for name, values in form.items() for value in values]
    request = httpx.Request("POST", "https://provider.test", files=fields)
    headers = {"authorization": AUTHORIZATION, "content-type": request.headers["content-type"]}
    return Sending(PATH, request.read(), headers, {name: values for name, values in form.items() if values})
