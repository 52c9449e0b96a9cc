"""What SendGrid finds wrong with a request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from tests.fakes.dialect import at, spoken

_RESERVED = {
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
    "to", "from", "subject", "reply-to", "cc", "bcc",
}  # fmt: skip


def problems(payload: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Give the words and the field of everything that is wrong."""
    yield from _recipients(payload)
    if not _address(at(payload, "from")):
        yield "The from object must be provided for every email send.", "from"
    people = payload.get("personalizations")
    people = [each for each in people if isinstance(each, dict)] if isinstance(people, list) else []
    subjects = payload.get("subject") or (people and all(each.get("subject") for each in people))
    if not subjects and not payload.get("template_id"):
        yield "The subject is required.", "subject"
    yield from _content(payload)
    for part in (payload, *people):
        yield from _extras(part)
    for number, attachment in enumerate(payload.get("attachments", [])):
        yield from _attachment(attachment, f"attachments.{number}")
    if "reply_to" in payload and "reply_to_list" in payload:
        yield "Only one of reply_to and reply_to_list may be given.", "reply_to_list"


def _address(person: Any) -> bool:
    email = at(person, "email")
    return isinstance(email, str) and email.count("@") == 1 and not email.startswith("@") and " " not in email


def _recipients(payload: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    personalizations = payload.get("personalizations")
    if not isinstance(personalizations, list) or not personalizations:
        yield "The personalizations field is required.", "personalizations"
        return
    recipients = 0
    for number, personalization in enumerate(personalizations):
        here = f"personalizations.{number}"
        seen: set[str] = set()
        for kind in ("to", "cc", "bcc"):
            people = at(personalization, kind)
            if not people and (kind == "to" or people is not None):
                yield f"The {kind} array, when used, must have at least one address.", f"{here}.{kind}"
            for index, person in enumerate(people or []):
                if not _address(person):
                    yield "Does not contain a valid address.", f"{here}.{kind}.{index}.email"
                elif person["email"].lower() in seen:
                    yield f"Addresses must be unique; first duplicate: [{person['email']}].", here
                else:
                    seen.add(person["email"].lower())
        recipients += len(seen)
    if recipients > 1000:
        words = "There is a limit of 1000 total recipients (to + cc + bcc) per request."
        yield words, "personalizations"


def _content(payload: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    content = payload.get("content") or []
    if not content and not payload.get("template_id"):
        yield "Unless a valid template_id is provided, the content parameter is required.", "content"
    kinds = [at(part, "type") for part in content]
    if "text/plain" in kinds[1:] or "text/html" in kinds[2:]:
        yield "text/plain must come first, then text/html, then anything else.", "content"
    for index, part in enumerate(content):
        if not at(part, "value"):
            yield "The content value must have at least one character.", f"content.{index}.value"


def _extras(payload: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, value in (payload.get("headers") or {}).items():
        if name.lower() in _RESERVED:
            yield f"The header {name} is reserved.", "headers"
        if not isinstance(value, str):
            yield f"The header {name} must be a string.", f"headers.{name}"
    categories = payload.get("categories", [])
    if len(categories) > 10 or len(set(categories)) < len(categories):
        yield "At most 10 categories, and each once.", "categories"
    if any(len(category) > 255 for category in categories):
        yield "A category has at most 255 characters.", "categories"
    custom_args = payload.get("custom_args", {})
    if len(spoken(custom_args)) > 10_000:
        yield "The custom_args have at most 10000 bytes.", "custom_args"
    if not all(isinstance(value, str) for value in custom_args.values()):
        yield "Bad Request", None


def _attachment(attachment: Any, here: str) -> Iterator[tuple[str, str | None]]:
    try:
        base64.b64decode(at(attachment, "content") or "?", validate=True)
    except binascii.Error:
        yield "The attachment content must be base64 encoded.", f"{here}.content"
    if not at(attachment, "filename"):
        yield "The attachment filename is required.", f"{here}.filename"
    if at(attachment, "disposition") not in (None, "attachment", "inline"):
        yield "The disposition must be attachment or inline.", f"{here}.disposition"
