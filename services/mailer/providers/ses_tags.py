"""What Amazon SES calls message tags: names and values that come back with every event.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html
"""

from __future__ import annotations

import re

from services.mailer.providers import fields
from services.mailer.providers.base import UnsupportedError
from shared.signatures import SendEmail

_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_SET = "true"
"""The value of a tag that has none, which Amazon does not know."""


def tags(message: SendEmail) -> list[dict[str, str]]:
    """Give our message id, the tags and the metadata.

    Raises:
        UnsupportedError: A name or value is written in other characters, or a name is given twice.
    """
    pairs = [(tag.name, tag.value or _SET) for tag in dict.fromkeys(message.tags)]
    pairs = [*fields.metadata(message).items(), *pairs]
    if not all(_TAG.fullmatch(name) and _TAG.fullmatch(value) for name, value in pairs):
        raise UnsupportedError(
            "Amazon SES takes tags and metadata of 1 to 256 ASCII letters, digits, _ and - alone"
        )
    if len(dict(pairs)) < len(pairs):
        raise UnsupportedError("Amazon SES takes a name only once over tags and metadata")
    return [{"Name": name, "Value": value} for name, value in pairs]
