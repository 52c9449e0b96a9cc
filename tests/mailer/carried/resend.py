"""Read back what Resend was sent."""

from __future__ import annotations

import base64
from typing import Any

from tests.mailer.carried.letter import parsed
from tests.mailer.carried.shape import Carried, Mailbox

_TAGS = {"plan"}
"""Of the samples' names; the others are metadata, which are tags as well."""


def read(payload: Any) -> Carried:
    """Read the JSON of ``/emails``."""
    tags = {tag["name"]: tag["value"] for tag in payload["tags"]}
    return Carried(
        sender=_sender(payload["from"]),
        to=_people("To", payload["to"]),
        cc=_people("Cc", payload.get("cc", [])),
        bcc=_people("Bcc", payload.get("bcc", [])),
        reply_to=_people("Reply-To", payload.get("reply_to", [])),
        subject=payload["subject"],
        text=payload["text"] or None,
        html=payload.get("html"),
        headers=payload["headers"],
        tags=[f"{name}:{value}" for name, value in tags.items() if name in _TAGS],
        metadata={name: value for name, value in tags.items() if name not in _TAGS},
        files=sorted(
            (
                file["filename"],
                file["content_type"],
                base64.b64decode(file["content"]),
                file.get("content_id"),
            )
            for file in payload.get("attachments", [])
        ),
    )


def _people(name: str, mailboxes: list[str]) -> list[Mailbox]:
    return [person for mailbox in mailboxes for person in parsed(name, mailbox)]


def _sender(text: str) -> Mailbox:
    """Read the sender, whose name is neither quoted nor encoded, whatever is in it."""
    name, _, address = text.removesuffix(">").rpartition(" <")
    return address, name or None
