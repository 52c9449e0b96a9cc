"""A message in Postmark's JSON: https://postmarkapp.com/developer/api/email-api#send-a-single-email."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.mailer.providers import fields
from services.mailer.providers.base import UnsupportedError

if TYPE_CHECKING:
    from shared.signatures import Address, Attachment, SendEmail

_MEGABYTE = 1024 * 1024
_MESSAGE_BYTES = 10 * _MEGABYTE
_BODY_BYTES = 5 * _MEGABYTE
_RECIPIENTS = 50
_TAG_LENGTH = 1000
_METADATA_ENTRIES = 10
_METADATA_NAME = 20
_METADATA_VALUE = 80


def write(message: SendEmail, stream: str) -> bytes:
    """Write one message for this message stream, as it stands alone or in a batch.

    Raises:
        UnsupportedError: The message is one too much for Postmark.
    """
    written = fields.compact({**_payload(message), "MessageStream": stream})
    if len(written) > _MESSAGE_BYTES:
        raise UnsupportedError("Postmark takes messages of at most 10 MB, attachments included")
    return written


def _payload(message: SendEmail) -> dict[str, object]:
    groups = {"To": message.to, "Cc": message.cc, "Bcc": message.bcc, "ReplyTo": message.reply_to}
    recipients = len(message.to) + len(message.cc) + len(message.bcc)
    if recipients > _RECIPIENTS:
        raise UnsupportedError(f"Postmark takes at most {_RECIPIENTS} recipients, not {recipients}")
    return {
        "From": fields.mailbox(message.sender),
        **{name: _mailboxes(group) for name, group in groups.items() if group},
        "Subject": message.subject,
        **_bodies(message),
        **_tag(message),
        "Headers": _headers(message),
        "Metadata": _metadata(message),
        **_files(message),
    }


def _mailboxes(group: tuple[Address, ...]) -> str:
    return ", ".join(fields.mailbox(address) for address in group)


def _bodies(message: SendEmail) -> dict[str, str]:
    bodies = {"HtmlBody": message.html, "TextBody": message.text}
    carried = {name: body for name, body in bodies.items() if body}
    if not carried:
        raise UnsupportedError("Postmark sends no message without text or html")
    if any(len(body.encode()) > _BODY_BYTES for body in carried.values()):
        raise UnsupportedError("Postmark takes a text and an html of at most 5 MB each")
    return carried


def _tag(message: SendEmail) -> dict[str, str]:
    tags = fields.labels(message)
    if len(tags) > 1:
        raise UnsupportedError(f"Postmark takes one tag, not {len(tags)}")
    if any(len(tag) > _TAG_LENGTH for tag in tags):
        raise UnsupportedError(f"Postmark takes a tag of at most {_TAG_LENGTH} characters")
    return dict(zip(("Tag",), tags, strict=False))


def _headers(message: SendEmail) -> list[dict[str, str]]:
    carried = fields.headers(message)
    for name in carried:
        if name.lower().startswith("x-pm-"):
            raise UnsupportedError(f"the header {name} is reserved")
    return [{"Name": name, "Value": value} for name, value in {**carried, "X-PM-KeepID": "true"}.items()]


def _metadata(message: SendEmail) -> dict[str, str]:
    """See https://postmarkapp.com/support/article/1125-custom-metadata-faq for the limits."""
    metadata = fields.metadata(message)
    if len(metadata) > _METADATA_ENTRIES:
        raise UnsupportedError(f"Postmark takes at most {_METADATA_ENTRIES - 1} entries of metadata")
    if len({name.lower() for name in metadata}) < len(metadata):
        raise UnsupportedError(
            "Postmark takes no two names of metadata that differ in upper and lower case alone"
        )
    for name, value in metadata.items():
        if len(name) > _METADATA_NAME or len(value) > _METADATA_VALUE:
            raise UnsupportedError(
                f"Postmark takes metadata with names of at most {_METADATA_NAME} characters"
                f" and values of at most {_METADATA_VALUE}"
            )
    return metadata


def _files(message: SendEmail) -> dict[str, list[dict[str, str]]]:
    files = [_file(attachment) for attachment in message.attachments]
    return {"Attachments": files} if files else {}


def _file(attachment: Attachment) -> dict[str, str]:
    carried = {
        "Name": attachment.filename,
        "Content": attachment.content,
        "ContentType": attachment.content_type,
    }
    if attachment.content_id:
        carried["ContentID"] = f"cid:{attachment.content_id}"
    return carried
