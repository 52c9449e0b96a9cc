"""Read back what SendGrid was sent."""

from __future__ import annotations

import base64
from typing import Any

from tests.mailer.carried.shape import Carried, person_of


def read(payload: Any) -> Carried:
    """Read the JSON of ``/v3/mail/send``."""
    people = payload["personalizations"][0]
    bodies = {part["type"]: part["value"] for part in payload["content"]}
    reply_to = [payload["reply_to"]] if "reply_to" in payload else payload.get("reply_to_list", [])
    return Carried(
        sender=person_of(payload["from"]),
        to=[person_of(person) for person in people["to"]],
        cc=[person_of(person) for person in people.get("cc", [])],
        bcc=[person_of(person) for person in people.get("bcc", [])],
        reply_to=[person_of(person) for person in reply_to],
        subject=payload["subject"],
        text=bodies.get("text/plain"),
        html=bodies.get("text/html"),
        headers=payload["headers"],
        tags=payload.get("categories", []),
        metadata=payload["custom_args"],
        files=sorted(
            (file["filename"], file["type"], base64.b64decode(file["content"]), file.get("content_id"))
            for file in payload.get("attachments", [])
        ),
    )
