"""A message in Resend's JSON: https://resend.com/docs/api-reference/emails/send-email."""

from __future__ import annotations

import re
from mimetypes import MimeTypes
from pathlib import PurePath
from typing import TYPE_CHECKING

from services.mailer.providers import fields
from services.mailer.providers.base import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.signatures import Address, Attachment, SendEmail

_TO = 50
_FILES_LENGTH = 40 * 1024 * 1024
_TAG_WORD = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*", re.ASCII)
"""Atoms and spaces: what needs neither quotes nor encoding (RFC 5322, 3.2.3)."""
_NO_SENDER_NAME = re.compile(r'[<>",;@\\]|=\?')
_ANY_TYPE = "application/octet-stream"
_TYPES = MimeTypes()
"""Python's own table, without the files of the machine."""


def payload(message: SendEmail) -> dict[str, object]:
    """Give one message, as it stands alone or in a batch.

    Raises:
        UnsupportedError: The message is one too much for Resend.
    """
    if len(message.to) > _TO:
        raise UnsupportedError(f"Resend takes at most {_TO} recipients in to, not {len(message.to)}")
    if not message.html and not message.text:
        raise UnsupportedError("Resend sends no message without text or html")
    carried: dict[str, object] = {
        "from": _sender(message.sender),
        "to": _mailboxes(message.to),
        "cc": _mailboxes(message.cc),
        "bcc": _mailboxes(message.bcc),
        "reply_to": _mailboxes(message.reply_to),
        "subject": message.subject,
        "html": message.html,
        # Left out, it would be made of the HTML.
        "text": message.text or "",
        "headers": fields.headers(message),
        "tags": [{"name": name, "value": value} for name, value in _tags(message).items()],
        "attachments": _files(message),
    }
    return {name: value for name, value in carried.items() if value is not None and value != []}


def _sender(address: Address) -> str:
    """Write the sender as Resend wants it: the bare name, which it refuses in quotes or encoded.

    https://github.com/anymail/django-anymail/blob/main/anymail/backends/resend.py
    """
    name = address.name or ""
    if _NO_SENDER_NAME.search(name):
        raise UnsupportedError("Resend takes no sender's name with punctuation that would need quotes")
    return f"{name} <{_address(address)}>" if name else _address(address)


def _mailboxes(group: tuple[Address, ...]) -> list[str]:
    return [_mailbox(address) for address in group]


def _mailbox(address: Address) -> str:
    """Write a recipient; a name that would need quotes goes encoded, since quotes are refused."""
    name = address.name or ""
    if not _PLAIN_NAME.fullmatch(name) or "=?" in name:
        name = fields.encoded_word(name)
    return f"{name} <{_address(address)}>" if name else _address(address)


def _address(address: Address) -> str:
    if not address.email.isascii():
        raise UnsupportedError("Resend takes no address that is not ASCII")
    return address.email


def _tags(message: SendEmail) -> dict[str, str]:
    """Give tags and metadata alike, since Resend has one field for both."""
    carried: dict[str, str] = {}
    for name, value in _words(message):
        if not _TAG_WORD.fullmatch(name) or not _TAG_WORD.fullmatch(value):
            raise UnsupportedError(
                "Resend takes tags, and metadata as tags, whose name and value are of 1 to 256"
                " characters, each an ASCII letter, a digit, _ or -"
            )
        if carried.setdefault(name, value) != value:
            raise UnsupportedError("Resend takes a name once among the tags and the metadata")
    return carried


def _words(message: SendEmail) -> Iterator[tuple[str, str]]:
    yield from fields.metadata(message).items()
    yield from ((tag.name, tag.value) for tag in message.tags)


def _files(message: SendEmail) -> list[dict[str, str]]:
    if sum(len(attachment.content) for attachment in message.attachments) > _FILES_LENGTH:
        raise UnsupportedError("Resend takes at most 40 MB of attachments, after base64")
    return [_file(attachment) for attachment in message.attachments]


def _file(attachment: Attachment) -> dict[str, str]:
    _check_type(attachment)
    carried = {
        "filename": attachment.filename,
        "content": attachment.content,
        "content_type": attachment.content_type,
    }
    return {**carried, "content_id": attachment.content_id} if attachment.content_id else carried


def _check_type(attachment: Attachment) -> None:
    """Refuse a file whose name says clearly something else than its type.

    Resend accepts such a message, and drops it without a word:
    https://anymail.dev/en/stable/esps/resend/#limitations-and-quirks
    """
    kind = attachment.content_type.partition(";")[0].strip().lower()
    suffix = PurePath(attachment.filename).suffix.lower()
    named = _TYPES.guess_type(f"a{suffix}", strict=False)[0]
    usual = _TYPES.guess_all_extensions(kind, strict=False)
    unclear = named is None or not usual or kind == _ANY_TYPE
    if not unclear and suffix not in usual and _subtype(named) != _subtype(kind):
        raise UnsupportedError(f"Resend drops a message with a file of type {kind} that ends in {suffix}")


def _subtype(kind: str | None) -> str:
    """Give what ``text/xml`` and ``application/xml`` have in common."""
    return (kind or "").rpartition("/")[2].removeprefix("x-")
