"""The JSON that SendGrid takes a message in, or many that share what their recipients read.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from services.mailer.providers import fields
from services.mailer.providers.base import UnsupportedError
from shared.signatures import Address, Attachment, SendEmail

_RECIPIENTS = 1000
_CATEGORIES = 10
_CATEGORY_LENGTH = 255
_CUSTOM_ARGS_BYTES = 10_000
_RESERVED_HEADERS = frozenset({"x-sg-id", "x-sg-eid", "received", "dkim-signature"})


def single(message: SendEmail) -> dict[str, object]:
    """Give the payload of one message.

    Raises:
        UnsupportedError: SendGrid cannot carry it.
    """
    if not message.subject:
        raise UnsupportedError("SendGrid sends no message without a subject")
    return {
        "personalizations": [_recipients(message)],
        "subject": message.subject,
        "headers": fields.headers(message, reserved=_RESERVED_HEADERS),
        "custom_args": _custom_args(message),
        **_content_of(message),
    }


def shared(message: SendEmail) -> Hashable | None:
    """Give what the messages of a batch must have in common; None for one that goes alone."""
    if len(message.to) != 1 or message.cc or message.bcc:
        # Of many recipients each, they would be more than a request takes.
        return None
    return (
        message.sender,
        message.reply_to,
        message.text,
        message.html,
        message.attachments,
        message.tags,
    )


def batch(messages: Sequence[SendEmail]) -> dict[str, object]:
    """Give the payload of several messages, each with all that is its own in its personalization."""
    return {
        "personalizations": [
            {
                **_recipients(message),
                "subject": message.subject,
                "headers": fields.headers(message, reserved=_RESERVED_HEADERS),
                "custom_args": _custom_args(message),
            }
            for message in messages
        ],
        # Of no effect, but required.
        "subject": messages[0].subject,
        **_content_of(messages[0]),
    }


def _content_of(message: SendEmail) -> dict[str, object]:
    """Give what all messages of a batch share."""
    payload: dict[str, object] = {"from": _person(message.sender), "content": _bodies(message)}
    # SendGrid takes the one or the other.
    if len(message.reply_to) == 1:
        payload["reply_to"] = _person(message.reply_to[0])
    elif message.reply_to:
        payload["reply_to_list"] = [_person(address) for address in message.reply_to]
    if message.attachments:
        payload["attachments"] = [_attachment(attachment) for attachment in message.attachments]
    if message.tags:
        payload["categories"] = _categories(message)
    return payload


def _recipients(message: SendEmail) -> dict[str, object]:
    recipients = (*message.to, *message.cc, *message.bcc)
    if len(recipients) > _RECIPIENTS:
        raise UnsupportedError(f"SendGrid takes at most {_RECIPIENTS} recipients, not {len(recipients)}")
    if len({address.email.lower() for address in recipients}) < len(recipients):
        raise UnsupportedError("SendGrid takes an address only once over to, cc and bcc")
    groups = {"to": message.to, "cc": message.cc, "bcc": message.bcc}
    # An empty cc or bcc is refused.
    return {kind: [_recipient(address) for address in group] for kind, group in groups.items() if group}


def _person(address: Address) -> dict[str, str]:
    return {"email": address.email, "name": address.name} if address.name else {"email": address.email}


def _recipient(address: Address) -> dict[str, str]:
    person = _person(address)
    if {",", ";"} & set(address.name or ""):
        # Here, unlike in from and reply_to, SendGrid reads a bare comma or semicolon as the end of an
        # address, and drops the message after having accepted it.
        # https://github.com/sendgrid/sendgrid-python/issues/291
        escaped = person["name"].replace("\\", "\\\\").replace('"', '\\"')
        person["name"] = f'"{escaped}"'
    return person


def _bodies(message: SendEmail) -> list[dict[str, str]]:
    # In this order, and without an empty one.
    bodies = {"text/plain": message.text, "text/html": message.html}
    content = [{"type": kind, "value": body} for kind, body in bodies.items() if body]
    if not content:
        raise UnsupportedError("SendGrid sends no message without text or html")
    return content


def _custom_args(message: SendEmail) -> dict[str, str]:
    custom_args = fields.metadata(message)
    if len(fields.compact(custom_args)) > _CUSTOM_ARGS_BYTES:
        raise UnsupportedError(f"SendGrid takes at most {_CUSTOM_ARGS_BYTES} bytes of metadata")
    return custom_args


def _categories(message: SendEmail) -> list[str]:
    categories = fields.labels(message)
    if len(categories) > _CATEGORIES:
        raise UnsupportedError(f"SendGrid takes at most {_CATEGORIES} tags, not {len(categories)}")
    if any(len(category) > _CATEGORY_LENGTH for category in categories):
        raise UnsupportedError(f"SendGrid takes tags of at most {_CATEGORY_LENGTH} characters")
    return categories


def _attachment(attachment: Attachment) -> dict[str, str]:
    carried = {
        "content": attachment.content,
        "filename": attachment.filename,
        "type": attachment.content_type,
        "disposition": "inline" if attachment.content_id else "attachment",
    }
    if attachment.content_id:
        carried["content_id"] = attachment.content_id
    return carried
