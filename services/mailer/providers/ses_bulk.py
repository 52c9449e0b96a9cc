"""Many messages in one request to Amazon SES, by a template without variables.

https://docs.aws.amazon.com/ses/latest/dg/send-personalized-email-api.html
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from services.mailer.providers import fields, ses_tags
from services.mailer.providers.base import UnsupportedError
from shared.signatures import SendEmail

_VARIABLE = "{{"
_HEADERS = 15
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_HEADER_NAME_LENGTH = 126
_HEADER_LENGTH = 996
_REQUEST_BYTES = 1_000_000


def shared(message: SendEmail) -> Hashable | None:
    """Give what the messages of a batch must have in common; None for one that goes alone."""
    words = (message.subject, message.text or "", message.html or "")
    if (
        message.attachments
        or not message.subject
        or not any(words[1:])
        or any(_VARIABLE in text for text in words)
        or len(message.headers) > _HEADERS
        or not all(_fits(name, value) for name, value in message.headers.items())
    ):
        return None
    return (message.sender, message.reply_to, *words)


def document(messages: Sequence[SendEmail]) -> dict[str, object]:
    """Give the request's JSON.

    Raises:
        UnsupportedError: It is more than Amazon SES takes at once.
    """
    first = messages[0]
    content = {"Subject": first.subject, "Text": first.text, "Html": first.html}
    carried: dict[str, object] = {
        "FromEmailAddress": fields.mailbox(first.sender),
        "DefaultContent": {
            "Template": {
                "TemplateContent": {name: text for name, text in content.items() if text},
                "TemplateData": "{}",
            }
        },
        "BulkEmailEntries": [_entry(message) for message in messages],
    }
    if first.reply_to:
        carried["ReplyToAddresses"] = [fields.mailbox(address) for address in first.reply_to]
    if len(fields.compact(carried)) > _REQUEST_BYTES:
        raise UnsupportedError("Amazon SES takes batches of at most 1 MB")
    return carried


def _entry(message: SendEmail) -> dict[str, object]:
    groups = {"ToAddresses": message.to, "CcAddresses": message.cc, "BccAddresses": message.bcc}
    entry: dict[str, object] = {
        "Destination": {
            kind: [fields.mailbox(address) for address in group] for kind, group in groups.items() if group
        },
        "ReplacementTags": ses_tags.tags(message),
    }
    # Without a Message-ID, in whose place Amazon would put its own.
    if message.headers:
        entry["ReplacementHeaders"] = [
            {"Name": name, "Value": value} for name, value in message.headers.items()
        ]
    return entry


def _fits(name: str, value: str) -> bool:
    """Whether a header can stand here; see API_MessageHeader of the reference."""
    return (
        len(name) <= _HEADER_NAME_LENGTH
        and _HEADER_VALUE.fullmatch(value) is not None
        and len(name) + len(value) <= _HEADER_LENGTH
    )
