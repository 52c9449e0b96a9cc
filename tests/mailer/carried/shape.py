"""The one shape of what arrived, whichever dialect it came in."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from shared.signatures import Address, SendEmail

Mailbox = tuple[str, str | None]
File = tuple[str, str, bytes, str | None]


@dataclass(frozen=True)
class Carried:
    """Everything that a provider must not lose."""

    sender: Mailbox
    to: list[Mailbox]
    cc: list[Mailbox]
    bcc: list[Mailbox]
    reply_to: list[Mailbox]
    subject: str
    text: str | None
    html: str | None
    headers: dict[str, str]
    tags: list[str]
    metadata: dict[str, str]
    files: list[File]
    """Name, type, bytes and content id."""


def meant(message: SendEmail) -> Carried:
    """Say what should arrive."""
    domain = message.sender.email.rpartition("@")[2]
    return Carried(
        sender=mailbox(message.sender),
        to=[mailbox(address) for address in message.to],
        cc=[mailbox(address) for address in message.cc],
        bcc=[mailbox(address) for address in message.bcc],
        reply_to=[mailbox(address) for address in message.reply_to],
        subject=message.subject,
        text=message.text,
        html=message.html,
        headers={"Message-ID": f"<{message.message_id}@{domain}>", **message.headers},
        tags=[f"{tag.name}:{tag.value}" if tag.value else tag.name for tag in message.tags],
        metadata={"message_id": str(message.message_id), **message.metadata},
        files=sorted(
            (file.filename, file.content_type, base64.b64decode(file.content), file.content_id)
            for file in message.attachments
        ),
    )


def mailbox(address: Address) -> Mailbox:
    return address.email, address.name


def person_of(person: dict[str, str]) -> Mailbox:
    """Read the commonest form of a mailbox in JSON."""
    return person["email"], person.get("name")
