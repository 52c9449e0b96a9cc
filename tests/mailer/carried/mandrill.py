"""Read back what Mandrill was sent."""

from __future__ import annotations

import base64
from typing import Any

from tests.mailer.carried.letter import parsed
from tests.mailer.carried.shape import Carried, Mailbox, person_of


def read(payload: Any) -> Carried:
    """Read the JSON of ``/messages/send``; an image goes by its content id, its file name is not carried."""
    message = payload["message"]
    headers = dict(message["headers"])
    groups: dict[str, list[Mailbox]] = {"to": [], "cc": [], "bcc": []}
    for person in message["to"]:
        groups[person["type"]].append(person_of(person))
    files = [
        (file["name"], file["type"], base64.b64decode(file["content"]), None)
        for file in message.get("attachments", [])
    ]
    images = [
        (image["name"], image["type"], base64.b64decode(image["content"]), image["name"])
        for image in message.get("images", [])
    ]
    return Carried(
        sender=(message["from_email"], message.get("from_name")),
        **groups,
        reply_to=parsed("Reply-To", headers.pop("Reply-To", "")),
        subject=message["subject"],
        text=message.get("text"),
        html=message.get("html"),
        headers=headers,
        tags=message.get("tags", []),
        metadata=message["metadata"],
        files=sorted([*files, *images]),
    )
