"""A batch of messages, each with an id of its own."""

from __future__ import annotations

from uuid import UUID

from shared.signatures import SendEmail
from tests.mailer.samples import MESSAGE_ID, message


def batch(count: int) -> list[SendEmail]:
    """Make small messages, whose ids follow on that of the samples."""
    return [message(message_id=UUID(int=MESSAGE_ID.int + number)) for number in range(count)]
