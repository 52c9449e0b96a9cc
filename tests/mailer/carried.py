"""What of a message arrived at a provider, read back from each dialect into one shape."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        sender=_mailbox(message.sender),
        to=[_mailbox(address) for address in message.to],
        cc=[_mailbox(address) for address in message.cc],
        bcc=[_mailbox(address) for address in message.bcc],
        reply_to=[_mailbox(address) for address in message.reply_to],
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


def _mailbox(address: Address) -> Mailbox:
    return address.email, address.name


def by_sendgrid(payload: Any) -> Carried:
    """Read the JSON of ``/v3/mail/send``."""
    people = payload["personalizations"][0]
    bodies = {part["type"]: part["value"] for part in payload["content"]}
    reply_to = [payload["reply_to"]] if "reply_to" in payload else payload.get("reply_to_list", [])
    return Carried(
        sender=_person(payload["from"]),
        to=[_person(person) for person in people["to"]],
        cc=[_person(person) for person in people.get("cc", [])],
        bcc=[_person(person) for person in people.get("bcc", [])],
        reply_to=[_person(person) for person in reply_to],
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


def by_mandrill(payload: Any) -> Carried:
    """Read the JSON of ``/messages/send``; an image goes by its content id, its file name is not carried."""
    message = payload["message"]
    headers = dict(message["headers"])
    groups: dict[str, list[Mailbox]] = {"to": [], "cc": [], "bcc": []}
    for person in message["to"]:
        groups[person["type"]].append(_person(person))
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
        reply_to=_parsed("Reply-To", headers.pop("Reply-To", "")),
        subject=message["subject"],
        text=message.get("text"),
        html=message.get("html"),
        headers=headers,
        tags=message.get("tags", []),
        metadata=message["metadata"],
        files=sorted([*files, *images]),
    )


def by_outbox(content: bytes) -> Carried:
    """Read an ``.eml`` file with the standard library's parser."""
    letter = message_from_bytes(content, policy=policy.default)
    known = {"from", "to", "cc", "bcc", "reply-to", "subject", "date", "mime-version", "content-type"}
    known |= {"content-transfer-encoding", "x-pillarbox-tag", "x-pillarbox-metadata"}
    return Carried(
        sender=_addresses(letter["From"])[0],
        to=_addresses(letter["To"]),
        cc=_addresses(letter["Cc"]),
        bcc=_addresses(letter["Bcc"]),
        reply_to=_addresses(letter["Reply-To"]),
        subject=letter["Subject"],
        text=_text(letter, "plain"),
        html=_text(letter, "html"),
        headers={name: value for name, value in letter.items() if name.lower() not in known},
        tags=letter.get_all("X-Pillarbox-Tag", []),
        metadata=json.loads(letter["X-Pillarbox-Metadata"]),
        files=sorted(_files(letter)),
    )


def _person(person: dict[str, str]) -> Mailbox:
    return person["email"], person.get("name")


def _parsed(name: str, text: str) -> list[Mailbox]:
    return _addresses(policy.default.header_factory(name, text))


def _addresses(header: Any) -> list[Mailbox]:
    return (
        [(address.addr_spec, address.display_name or None) for address in header.addresses] if header else []
    )


def _text(letter: EmailMessage, kind: str) -> str | None:
    part = letter.get_body((kind,))
    return part.get_content().replace("\r\n", "\n").removesuffix("\n") if part else None


def _files(letter: EmailMessage) -> Iterable[File]:
    for part in letter.walk():
        if name := part.get_filename():
            content_id = part["Content-ID"]
            content = cast("bytes", part.get_payload(decode=True))
            yield name, part.get_content_type(), content, str(content_id)[1:-1] if content_id else None
