"""What Postmark finds wrong with a message: https://postmarkapp.com/developer/api/overview#error-codes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from email.utils import getaddresses, parseaddr
from typing import Any

from tests.fakes.dialect import at

MEGABYTE = 1024 * 1024
_KINDS: dict[str, type] = {
    **dict.fromkeys(("From", "To", "Cc", "Bcc", "ReplyTo", "Subject", "Tag", "MessageStream"), str),
    **dict.fromkeys(("HtmlBody", "TextBody"), str),
    **dict.fromkeys(("Headers", "Attachments"), list),
    "Metadata": dict,
}
_DOMAIN = re.compile(r"(\.?[a-zA-Z0-9-])+")
_MAILBOX = re.compile(r"[a-z0-9.!#$%&'*+\-/=^_{}|~]+", re.IGNORECASE)
_FORBIDDEN = re.compile(r".*\.(exe|bat|cmd|com|js|vbs|scr|msi|jar)", re.IGNORECASE)
_METADATA_WORDS = (
    "Invalid metadata content. Field names are limited to 20 characters and field values are limited to 80"
    " characters in length."
)


def addresses(message: dict[str, Any], name: str) -> list[str]:
    return [email for _, email in getaddresses([message.get(name) or ""])]


def problems(message: Any, streams: set[str], senders: frozenset[str] | None) -> Iterator[tuple[int, str]]:
    if not isinstance(message, dict):
        yield 402, "Received invalid JSON input."
        return
    for name, kind in _KINDS.items():
        if not isinstance(message.get(name, kind()), kind):
            yield 403, f"The field '{name}' is not of the right type."
            return
    sender = parseaddr(message.get("From") or "")[1]
    if not _is_address(sender):
        yield 300, f"Invalid 'From' address: '{sender}'."
    elif senders is not None and sender.lower() not in senders:
        yield 400, f"The 'From' address you supplied ({sender}) is not a Sender Signature on your account."
    if message.get("MessageStream", "outbound") not in streams:
        yield 1235, "The 'MessageStream' provided does not exist on this server."
    yield from _people(message)
    yield from _content(message)
    yield from _extras(message)


def _people(message: dict[str, Any]) -> Iterator[tuple[int, str]]:
    people = {name: addresses(message, name) for name in ("To", "Cc", "Bcc")}
    for name, emails in people.items():
        for email in emails:
            if not _is_address(email):
                yield 300, f"Invalid '{name}' address: '{email}'."
    count = sum(len(emails) for emails in people.values())
    if not 0 < count <= 50:
        yield 300, f"{count} recipients; there have to be some, and at most 50."


def _is_address(text: str) -> bool:
    mailbox, _, domain = text.rpartition("@")
    dotted = mailbox.startswith(".") or mailbox.endswith(".") or ".." in mailbox
    return bool(_MAILBOX.fullmatch(mailbox) and _DOMAIN.fullmatch(domain)) and not dotted


def _content(message: dict[str, Any]) -> Iterator[tuple[int, str]]:
    bodies = [message.get("TextBody") or "", message.get("HtmlBody") or ""]
    if not any(bodies):
        yield 300, "Provide either email TextBody or HtmlBody or both."
    if any(len(body.encode()) > 5 * MEGABYTE for body in bodies):
        yield 300, "A body has at most 5 MB."
    for file in message.get("Attachments", []):
        if _FORBIDDEN.fullmatch(at(file, "Name") or ""):
            yield 411, f"Forbidden attachment type: '{file['Name']}'."
        try:
            base64.b64decode(at(file, "Content") or "?", validate=True)
        except binascii.Error:
            yield 300, "The content of an attachment must be base64."


def _extras(message: dict[str, Any]) -> Iterator[tuple[int, str]]:
    metadata = message.get("Metadata", {})
    if len(metadata) > 10 or len({name.lower() for name in metadata}) < len(metadata):
        yield 300, "Invalid metadata content. There are at most 10 fields, each name once."
    if any(len(name) > 20 or len(str(value)) > 80 for name, value in metadata.items()):
        yield 300, _METADATA_WORDS
    if len(message.get("Tag", "")) > 1000:
        yield 300, "A tag has at most 1000 characters."
    for header in message.get("Headers", []):
        if not isinstance(at(header, "Name"), str) or not isinstance(at(header, "Value"), str):
            yield 403, "A header has a Name and a Value."
