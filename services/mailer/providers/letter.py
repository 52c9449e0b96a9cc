"""Compose the bytes of RFC 5322 and MIME."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address as Mailbox
from email.headerregistry import ContentTypeHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, cast

from services.mailer.providers import fields
from services.mailer.providers.base import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from shared.signatures import Address, Attachment, SendEmail

_ENCODED_LENGTH = 76  # RFC 2045, 6.7; RFC 2047, 2
_LINE_LENGTH = 998  # RFC 5322, 2.1.1
_POLICY = SMTP.clone(max_line_length=_ENCODED_LENGTH)
_TIME_ORDERED = 7
# It escapes "=", so no text can hold one of our boundaries, which begin with "=_".
_TRANSFER = "quoted-printable"


def compose(message: SendEmail, *, disclosed: bool = True) -> bytes:
    """Write the whole message; equal messages give equal bytes.

    *disclosed* says whether Bcc, tags and metadata stand in it as headers, which is for the eyes of the
    sender alone.

    Raises:
        UnsupportedError: Something in it cannot be written as RFC 5322 and MIME want it.
    """
    try:
        head = "".join(f"{name}: {value}\r\n" for name, value in _head(message, disclosed=disclosed))
        return head.encode("ascii") + _body(message).as_bytes()
    except (ValueError, LookupError, AttributeError, MessageError) as error:
        # All of these come out of the standard library's parser of addresses.  Their words may
        # repeat what it stumbled over.
        raise UnsupportedError(f"the message cannot be written: {type(error).__name__}") from error


def _head(message: SendEmail, *, disclosed: bool) -> Iterator[tuple[str, str]]:
    """Give the headers, encoded and folded.

    Not by ``EmailMessage``: that of Python 3.11 loses spaces between encoded-words
    (https://github.com/python/cpython/issues/92081), and encodes a long ``List-Unsubscribe`` so that
    no mail reader finds its URL.
    """
    own = fields.headers(message)
    yield "From", _mailboxes([message.sender])
    groups = {"To": message.to, "Cc": message.cc, "Bcc": message.bcc, "Reply-To": message.reply_to}
    for name, group in groups.items():
        mailboxes = _mailboxes(group)  # Refuses what is no address, although it may stand nowhere.
        if group and (disclosed or name != "Bcc"):
            yield name, mailboxes
    yield "Subject", _encoded("Subject", message.subject)
    if date := _date(message.message_id):
        yield "Date", format_datetime(date)
    for name, value in own.items():
        yield name, _encoded(name, value)
    if not disclosed:
        return
    for label in fields.labels(message):
        yield "X-Pillarbox-Tag", _encoded("X-Pillarbox-Tag", label)
    yield "X-Pillarbox-Metadata", _encoded("X-Pillarbox-Metadata", json.dumps(fields.metadata(message)))


def _encoded(name: str, text: str) -> str:
    # "=?" is encoded as well, lest the reader decodes what was meant literally.
    if text.isascii() and "=?" not in text:
        return Header(text, "us-ascii", maxlinelen=_LINE_LENGTH, header_name=name).encode(linesep="\r\n")
    return Header(text, "utf-8", maxlinelen=_ENCODED_LENGTH, header_name=name).encode(linesep="\r\n")


def _mailboxes(addresses: Iterable[Address]) -> str:
    return ",\r\n ".join(_mailbox(address) for address in addresses)


def _mailbox(address: Address) -> str:
    name = address.name or ""
    if not address.email.isascii():
        raise UnsupportedError("an address that is not ASCII cannot stand in a header")
    if name.isascii() and "=?" not in name:
        return str(Mailbox(display_name=name, addr_spec=address.email))
    return f"{_encoded('Reply-To', name)} <{address.email}>"


def _date(message_id: UUID) -> datetime | None:
    """Give the moment in a UUIDv7 (RFC 9562, 5.7), so that every attempt has the same ``Date``."""
    if message_id.version != _TIME_ORDERED:
        return None
    milliseconds = message_id.int >> 80
    try:
        return datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
    except (ValueError, OverflowError):
        return None  # Beyond the year 9999: an id that no clock made.


def _body(message: SendEmail) -> EmailMessage:
    body = EmailMessage(policy=_POLICY)
    if message.text is not None or message.html is None:
        body.set_content(message.text or "", cte=_TRANSFER)
    if message.html is not None:
        _add_html(body, message)
    for attachment in message.attachments:
        if message.html is None or not attachment.content_id:
            content = _content(attachment)
            body.add_attachment(*content, filename=attachment.filename, cid=_content_id(attachment))
    for number, part in enumerate(body.walk()):
        if part.is_multipart():
            # The standard library would draw it by lot.
            part.set_boundary(f"=_{message.message_id.hex}_{number}")
    return body


def _add_html(body: EmailMessage, message: SendEmail) -> None:
    """Set the HTML beside the text, if there is one, and its pictures below it."""
    html = body
    if message.text is None:
        body.set_content(message.html, subtype="html", cte=_TRANSFER)
    else:
        body.add_alternative(message.html, subtype="html", cte=_TRANSFER)
        html = cast("list[EmailMessage]", body.get_payload())[-1]
    for picture in message.attachments:
        if picture.content_id:
            content, cid = _content(picture), _content_id(picture)
            html.add_related(*content, disposition="inline", filename=picture.filename, cid=cid)


def _content(attachment: Attachment) -> tuple[bytes, str, str]:
    """Give the file's bytes, and the two halves of its type."""
    kind = cast("ContentTypeHeader", _POLICY.header_factory("content-type", attachment.content_type))
    if kind.maintype in {"message", "multipart"}:
        raise UnsupportedError(
            f"a file of type {kind.maintype}/* cannot be attached byte for byte (RFC 2046)"
        )
    return base64.b64decode(attachment.content), kind.maintype, kind.subtype


def _content_id(attachment: Attachment) -> str | None:
    return f"<{attachment.content_id}>" if attachment.content_id else None
