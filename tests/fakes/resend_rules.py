"""What Resend finds wrong with an email: https://resend.com/docs/api-reference/errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.fakes.dialect import at

_ADDRESS = re.compile(r"[\x21-\x7e]+@[\x21-\x7e]+")
_MAILBOX = re.compile(r'(?:[^<>",;@]*<([^<>\s]+)>|([^<>",;\s]+))')
"""``Name <email@example.com>`` or the bare address; a name in quotes is refused."""
_WORD = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_TEST_DOMAINS = {"example.com", "test.com"}
_FILES = 40 * 1024 * 1024
_SENDER_WORDS = (
    "Invalid `from` field. The email address needs to follow the `email@example.com` or"
    " `Name <email@example.com>` format."
)

Problem = tuple[int, str, str]
"""Status, name and message."""


def problems(email: Any, domains: frozenset[str] | None) -> Iterator[Problem]:
    """Find what is wrong, most important first; *domains* are those that may send, None stands for all."""
    if not isinstance(email, dict):
        yield 422, "validation_error", "An email is an object."
        return
    for name in ("tags", "attachments"):
        if not isinstance(email.get(name, []), list):
            yield 422, "validation_error", f"The `{name}` field must be an array."
            return
    missing = [name for name in ("from", "to", "subject") if not email.get(name)]
    if not email.get("html") and not email.get("text"):
        missing.append("html` or `text")
    if missing:
        yield 422, "missing_required_field", f"Missing `{missing[0]}` field."
        return
    yield from _sender(email["from"], domains)
    yield from _recipients(email)
    yield from _extras(email)


def _sender(sender: Any, domains: frozenset[str] | None) -> Iterator[Problem]:
    address = _address(sender)
    if "=?" in str(sender):
        yield 451, "security_error", "The email payload contain invalid characters."
    elif address is None:
        yield 422, "invalid_from_address", _SENDER_WORDS
    elif domains is not None and (domain := address.rpartition("@")[2].lower()) not in domains:
        yield 403, "validation_error", f"The {domain} domain is not verified."


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _address(mailbox: Any) -> str | None:
    found = _MAILBOX.fullmatch(mailbox) if isinstance(mailbox, str) else None
    address = (found[1] or found[2]) if found else ""
    return address if _ADDRESS.fullmatch(address) else None


def _recipients(email: dict[str, Any]) -> Iterator[Problem]:
    for name in ("to", "cc", "bcc", "reply_to"):
        for mailbox in listed(email.get(name, [])):
            address = _address(mailbox)
            if address is None or address.rpartition("@")[2].lower() in _TEST_DOMAINS:
                yield 422, "validation_error", f"Invalid `{name}` field."
    if len(listed(email["to"])) > 50:
        yield 422, "validation_error", "The `to` field has at most 50 addresses."


def _extras(email: dict[str, Any]) -> Iterator[Problem]:
    for tag in email.get("tags", []):
        if not all(_WORD.fullmatch(str(at(tag, part) or "")) for part in ("name", "value")):
            yield (
                422,
                "validation_error",
                "Tags should only contain ASCII letters, numbers, underscores, or dashes.",
            )
    files = email.get("attachments", [])
    if not all(at(file, "content") or at(file, "path") for file in files):
        yield 422, "invalid_attachment", "Attachment must have either a `content` or `path`."
    if sum(len(at(file, "content") or "") for file in files) > _FILES:
        yield 422, "validation_error", "Attachments have at most 40 MB, after base64."
