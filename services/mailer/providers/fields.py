"""The fields of a message that several providers want in the same shape."""

from __future__ import annotations

import json
import re
from email.charset import Charset
from email.utils import formataddr
from typing import TYPE_CHECKING

from services.mailer.providers.base import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from shared.signatures import Address, SendEmail, Tag

MESSAGE_ID = "message_id"
"""The metadata name that carries our message id, and comes back in the provider's webhooks."""

_OWN = frozenset(
    {
        "bcc", "cc", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "date",
        "from", "message-id", "mime-version", "reply-to", "subject", "to",
    }
)  # fmt: skip
_HEADER_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322, 2.2
_ENCODED = "=?"
"""It begins an encoded-word, and has to be encoded itself where it is meant literally."""
_LINE_BREAK = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")


def message_id_header(message: SendEmail) -> str:
    """Give the ``Message-ID`` of RFC 5322, 3.6.4.

    It is the same in every attempt and at every provider, so that a receiving server that gets
    the message twice can tell.

    Raises:
        UnsupportedError: The sender's domain cannot be written in ASCII.
    """
    domain = message.sender.email.rpartition("@")[2]
    try:
        return f"<{message.message_id}@{domain.encode('idna').decode()}>"
    except UnicodeError:
        raise UnsupportedError("the sender's domain cannot be written in ASCII (IDNA)") from None


def headers(message: SendEmail, *, reserved: Collection[str] = ()) -> dict[str, str]:
    """Give the message's own headers and its fixed ``Message-ID``.

    *reserved* are the names, in lower case, that this provider keeps to itself.

    Raises:
        UnsupportedError: A name is reserved or malformed, or a value would break its line.
    """
    for name in message.headers:
        if not _HEADER_NAME.fullmatch(name):
            raise UnsupportedError("a header's name has a character that RFC 5322 forbids")
        if name.lower() in _OWN or name.lower() in reserved:
            raise UnsupportedError(f"the header {name} is reserved")
    check_lines(message)
    return {"Message-ID": message_id_header(message), **message.headers}


def metadata(message: SendEmail) -> dict[str, str]:
    """Give the message's metadata together with our message id.

    Raises:
        UnsupportedError: The message has metadata of that very name.
    """
    if MESSAGE_ID in message.metadata:
        raise UnsupportedError(f"the metadata name {MESSAGE_ID} is reserved")
    return {MESSAGE_ID: str(message.message_id), **message.metadata}


def label(tag: Tag) -> str:
    """Write a tag for a provider whose tags are plain words: ``name:value``, or the bare name."""
    return f"{tag.name}:{tag.value}" if tag.value else tag.name


def labels(message: SendEmail) -> list[str]:
    """Give the tags as words, each once: a word said twice is refused by some and counted by none."""
    return list(dict.fromkeys(label(tag) for tag in message.tags))


def mailbox(address: Address) -> str:
    """Write ``"Name" <address>`` as it stands in a header, with encoded-words (RFC 2047).

    Raises:
        UnsupportedError: The address is not ASCII, which needs SMTPUTF8 (RFC 6531).
    """
    name = address.name or ""
    if _ENCODED in name:
        name = encoded_word(name)
    try:
        return formataddr((name, address.email))
    except UnicodeError:
        raise UnsupportedError("an address that is not ASCII cannot stand in a header") from None


def encoded_word(text: str) -> str:
    """Write any text as one encoded-word (RFC 2047), however long."""
    return Charset("utf-8").header_encode(text)


def compact(document: object) -> bytes:
    """Write JSON without spaces and without escapes: the bytes that go over the wire."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def check_lines(message: SendEmail) -> None:
    """Refuse a value that would end its header and begin another one (header injection).

    Raises:
        UnsupportedError: Such a value is there; its words are not repeated.
    """
    for what, value in _header_values(message):
        if _LINE_BREAK.search(value):
            raise UnsupportedError(f"{what} has a line break or control character")


def _header_values(message: SendEmail) -> Iterator[tuple[str, str]]:
    yield "the subject", message.subject
    for address in (message.sender, *message.to, *message.cc, *message.bcc, *message.reply_to):
        yield "a display name", address.name or ""
        yield "an address", address.email
    for name, value in message.headers.items():
        yield f"the header {name}", value
    for tag in message.tags:
        yield "a tag", label(tag)
    for attachment in message.attachments:
        yield "an attachment's name", attachment.filename
        yield "an attachment's type", attachment.content_type
        yield "an attachment's content id", attachment.content_id or ""
