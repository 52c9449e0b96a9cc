"""What Amazon SES finds wrong with a request."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any

from tests.fakes.dialect import at

_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_GROUPS = ("ToAddresses", "CcAddresses", "BccAddresses")


def one(payload: Any) -> Iterator[str]:
    """Judge a request of one message, which is a raw one."""
    yield from _destination(at(payload, "Destination"))
    yield from _tags(at(payload, "EmailTags"))
    try:
        raw = base64.b64decode(at(payload, "Content", "Raw", "Data") or "", validate=True)
    except (binascii.Error, TypeError):
        raw = b""
    head, blank, _ = raw.partition(b"\r\n\r\n")
    if not blank or b"\r\nFrom: " not in b"\r\n" + head:
        yield "The raw message has no header and body separated by one blank line, or no sender."
    if any(len(line) > 1000 for line in raw.split(b"\n")):
        yield "A line of the raw message is longer than 1000 characters."
    if not raw.isascii():
        yield "The raw message is not 7-bit ASCII."


def many(payload: Any) -> Iterator[str]:
    """Judge a request of many messages."""
    entries = at(payload, "BulkEmailEntries")
    content = at(payload, "DefaultContent", "Template", "TemplateContent")
    if not isinstance(entries, list) or not 1 <= len(entries) <= 50:
        yield "BulkEmailEntries must have 1 to 50 members"
        return
    if not isinstance(content, dict) or not content.get("Subject") or not (content.keys() & {"Text", "Html"}):
        yield "The template has no subject, or neither text nor HTML."
    if at(payload, "DefaultContent", "Template", "TemplateData") is None:
        yield "TemplateData must not be null"
    if not _ADDRESS.fullmatch(parseaddr(str(at(payload, "FromEmailAddress")))[1]):
        yield "FromEmailAddress is no address"
    for entry in entries:
        yield from _destination(at(entry, "Destination"))
        yield from _tags(at(entry, "ReplacementTags"))
        yield from _headers(at(entry, "ReplacementHeaders") or [])


def _destination(destination: Any) -> Iterator[str]:
    groups = destination if isinstance(destination, dict) else {}
    addresses = [each for group in _GROUPS for each in groups.get(group, [])]
    if not 1 <= len(addresses) <= 50:
        yield "Recipient count exceeds 50, or there is none."
    if not all(_ADDRESS.fullmatch(parseaddr(each)[1]) for each in addresses):
        yield "Illegal address"


def _tags(tags: Any) -> Iterator[str]:
    pairs = [(str(at(tag, "Name")), str(at(tag, "Value"))) for tag in tags or []]
    if not all(_TAG.fullmatch(name) and _TAG.fullmatch(value) for name, value in pairs):
        yield "Tag names and values may have only alphanumeric characters, underscores and dashes."
    if len(dict(pairs)) < len(pairs):
        yield "Duplicate tag name"


def _headers(headers: list[Any]) -> Iterator[str]:
    pairs = [(str(at(header, "Name")), str(at(header, "Value"))) for header in headers]
    if len(pairs) > 15:
        yield "At most 15 headers"
    if not all(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value) for name, value in pairs):
        yield "A header has characters that it may not have, or too many."
