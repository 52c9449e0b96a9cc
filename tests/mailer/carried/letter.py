"""Read back a message of RFC 5322, with the standard library's parser."""

from __future__ import annotations

import json
from collections.abc import Iterable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from tests.mailer.carried.shape import Carried, File, Mailbox


def read(content: bytes) -> Carried:
    """Read the bytes of the whole message, tags and metadata in headers of ours."""
    letter = message_from_bytes(content, policy=policy.default)
    known = {"from", "to", "cc", "bcc", "reply-to", "subject", "date", "mime-version", "content-type"}
    known |= {"content-transfer-encoding", "x-pillarbox-tag", "x-pillarbox-metadata"}
    return Carried(
        sender=addresses(letter["From"])[0],
        to=addresses(letter["To"]),
        cc=addresses(letter["Cc"]),
        bcc=addresses(letter["Bcc"]),
        reply_to=addresses(letter["Reply-To"]),
        subject=letter["Subject"],
        text=body(letter, "plain"),
        html=body(letter, "html"),
        headers={name: value for name, value in letter.items() if name.lower() not in known},
        tags=letter.get_all("X-Pillarbox-Tag", []),
        metadata=json.loads(letter["X-Pillarbox-Metadata"]),
        files=sorted(files(letter)),
    )


def parsed(name: str, text: str) -> list[Mailbox]:
    return addresses(policy.default.header_factory(name, text))


def addresses(header: Any) -> list[Mailbox]:
    return (
        [(address.addr_spec, address.display_name or None) for address in header.addresses] if header else []
    )


def body(letter: EmailMessage, kind: str) -> str | None:
    part = letter.get_body((kind,))
    return part.get_content().replace("\r\n", "\n").removesuffix("\n") if part else None


def files(letter: EmailMessage) -> Iterable[File]:
    for part in letter.walk():
        if name := part.get_filename():
            content_id = part["Content-ID"]
            content = cast("bytes", part.get_payload(decode=True))
            yield name, part.get_content_type(), content, str(content_id)[1:-1] if content_id else None
