"""What somebody will read: the parts of a message, wherever they come from."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from html import unescape
from typing import Final

from services.gateway.api.representation import header_message_id
from services.gateway.submission.addresses import render
from services.gateway.templating import TemplateError
from services.gateway.templating import render as fill_in
from shared.signatures import SendEmail

_LINK: Final = re.compile(r"""\bhref\s*=\s*(?:"([^"]{1,2000})"|'([^']{1,2000})')""", re.IGNORECASE)
_LINKS: Final = 50


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str | None = None
    """Set for a picture that the HTML shows."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as its recipients get it."""

    subject: str | None
    headers: tuple[tuple[str, str], ...]
    html: str | None
    text: str | None
    attachments: tuple[Attachment, ...] = ()
    complaint: str | None = None
    """Why there is nothing to read, if that is so."""

    def links(self) -> list[str]:
        """Where its HTML leads to, each once; no more than fit a page."""
        found = (unescape(double or single).strip() for double, single in _LINK.findall(self.html or ""))
        safe = (link for link in found if link.lower().startswith(("http://", "https://", "mailto:")))
        return list(dict.fromkeys(safe))[:_LINKS]


def letter_of(email: SendEmail, *, is_purged: bool = False) -> Letter:
    """Make the letter of a signature, whose template is filled in as the mailer does it."""
    subject: str | None = email.subject
    html, text, complaint = email.html, email.text, None
    if (template := email.template) is not None:
        try:
            filled = fill_in(template.subject, template.html, template.text, template.variables)
        except TemplateError as error:
            complaint = f"Its template cannot be rendered: {error}"
        else:
            subject = email.subject if filled.subject is None else filled.subject
            html, text = filled.html, filled.text
    if is_purged:
        complaint = "Bodies, headers and attachments were removed: they are kept for a limited time."
    attachments = tuple(
        Attachment(each.filename, each.content_type, base64.b64decode(each.content), each.content_id)
        for each in email.attachments
    )
    return Letter(subject, tuple(_headers(email, subject)), html, text, attachments, complaint)


def letter_in(source: bytes) -> Letter:
    """Read a letter out of a whole message (RFC 5322), however odd it is."""
    message = BytesParser(EmailMessage, policy=default).parsebytes(source)
    return Letter(
        subject=header(message, "Subject"),
        headers=tuple((name, _decoded(name, value)) for name, value in message.raw_items()),
        html=_body(message, "html"),
        text=_body(message, "plain"),
        attachments=tuple(_attachments(message)),
    )


def header(message: EmailMessage, name: str) -> str | None:
    """The first header of a name, decoded; None if there is none."""
    return next(
        (_decoded(each, value) for each, value in message.raw_items() if each.lower() == name.lower()), None
    )


def _decoded(name: str, value: str) -> str:
    try:
        return str(default.header_fetch_parse(name, value))
    except (ValueError, LookupError, AttributeError, IndexError, MessageError):
        return " ".join(str(value).split())  # what the standard library stumbles over is shown as it is


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    content = part.get_payload(decode=True)
    return _text(content if isinstance(content, bytes) else b"", part.get_content_charset("utf-8"))


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except LookupError:  # a charset that nobody knows
        return content.decode("utf-8", "replace")


def _attachments(message: EmailMessage) -> Iterator[Attachment]:
    bodies = [message.get_body(("html",)), message.get_body(("plain",))]
    for part in message.walk():
        if part.is_multipart() or any(part is body for body in bodies):
            continue
        content = part.get_payload(decode=True)
        cid = (header(part, "Content-ID") or "").strip("<> ")
        yield Attachment(
            part.get_filename("unnamed"),
            part.get_content_type(),
            content if isinstance(content, bytes) else b"",
            cid or None,
        )


def _headers(email: SendEmail, subject: str | None) -> list[tuple[str, str]]:
    groups = {"To": email.to, "Cc": email.cc, "Bcc": email.bcc, "Reply-To": email.reply_to}
    return [
        ("From", render(email.sender)),
        *((name, ", ".join(map(render, group))) for name, group in groups.items() if group),
        ("Subject", subject or ""),
        ("Message-ID", header_message_id(email)),
        *email.headers.items(),
    ]
