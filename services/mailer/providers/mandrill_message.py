"""A message in Mandrill's JSON: https://mailchimp.com/developer/transactional/api/messages/send-new-message/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.mailer.providers import fields
from services.mailer.providers.base import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.signatures import Address, Attachment, SendEmail

_TAG_LENGTH = 50
_METADATA_BYTES = 250


def payload(message: SendEmail) -> dict[str, object]:
    """Give the message.

    Raises:
        UnsupportedError: The message is one too much for Mandrill.
    """
    recipients = list(_recipients(message))
    carried: dict[str, object] = {
        "from_email": message.sender.email,
        "from_name": message.sender.name,
        "to": recipients,
        "subject": message.subject,
        "html": message.html,
        "text": message.text,
        "headers": _headers(message),
        # One message that shows its To and Cc, as everywhere else, and not a copy for each recipient.
        "preserve_recipients": len(recipients) > 1,
        # The words are final: *|such|* a text is meant literally.
        "merge": False,
        "tags": _tags(message),
        "metadata": _metadata(message),
        "attachments": [_file(each, each.filename) for each in message.attachments if not each.content_id],
        "images": [_image(each) for each in message.attachments if each.content_id],
    }
    return {name: value for name, value in carried.items() if value is not None and value != []}


def _recipients(message: SendEmail) -> Iterable[dict[str, str]]:
    groups: tuple[tuple[str, tuple[Address, ...]], ...] = (
        ("to", message.to),
        ("cc", message.cc),
        ("bcc", message.bcc),
    )
    for kind, group in groups:
        for address in group:
            named = {"name": address.name} if address.name else {}
            yield {"email": address.email, **named, "type": kind}


def _headers(message: SendEmail) -> dict[str, str]:
    carried = fields.headers(message)
    if message.reply_to:
        carried["Reply-To"] = ", ".join(fields.mailbox(address) for address in message.reply_to)
    return carried


def _tags(message: SendEmail) -> list[str]:
    tags = fields.labels(message)
    if any(tag.startswith("_") for tag in tags):
        raise UnsupportedError("Mandrill keeps tags that begin with an underscore to itself")
    if any(len(tag) > _TAG_LENGTH for tag in tags):
        raise UnsupportedError(
            f"Mandrill takes tags of at most {_TAG_LENGTH} characters, name and value together"
        )
    return tags


def _metadata(message: SendEmail) -> dict[str, str]:
    """See https://mailchimp.com/developer/transactional/docs/tags-metadata/ for the limits."""
    metadata = fields.metadata(message)
    if any(name.startswith("_") for name in metadata):
        raise UnsupportedError("Mandrill keeps metadata that begins with an underscore to itself")
    if len(fields.compact(metadata)) > _METADATA_BYTES:
        raise UnsupportedError(f"Mandrill takes at most {_METADATA_BYTES} bytes of metadata")
    return metadata


def _image(attachment: Attachment) -> dict[str, str]:
    if not attachment.content_type.startswith("image/"):
        raise UnsupportedError("Mandrill takes nothing but images inline")
    # The name of an image is what cid: refers to.
    return _file(attachment, attachment.content_id or "")


def _file(attachment: Attachment, name: str) -> dict[str, str]:
    return {"type": attachment.content_type, "name": name, "content": attachment.content}
