"""The links that unsubscribe: what stands in them, and in the headers that offer them (RFC 8058).

A link holds all there is to know, encrypted and signed, so that it works for as long as its key is
among the settings, tells nothing to whoever sees it, and cannot be made for somebody else.
https://cryptography.io/en/latest/fernet/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Self
from uuid import UUID

from pydantic_core import from_json, to_json

from shared.signatures import Feedback, RecordEvent

PATH: Final = "/unsubscribe"
MECHANISM: Final = "list-unsubscribe"
"""What stands for the provider in the event: no account can have this name."""

HEADERS: Final = ("List-Unsubscribe", "List-Unsubscribe-Post")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who wants no more, and because of which message."""

    tenant: str
    address: str
    message_id: UUID

    def event(self, at: datetime) -> RecordEvent:
        """What is recorded when the link is used.

        Used twice on a day, as mail programs do, it is one event; a year later, when the address was
        put on the list again meanwhile, it is another one.
        """
        link = f"{self.tenant}\n{self.address}\n{self.message_id}\n{at:%Y-%m-%d}"
        return RecordEvent(
            message_id=self.message_id,
            event=Feedback.UNSUBSCRIBED,
            at=at,
            provider=MECHANISM,
            provider_event_id=sha256(link.encode()).hexdigest(),
            recipient=self.address,
        )


class Tokens:
    """Makes tokens with the first of its keys, and reads those made with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """*keys* are as ``Fernet.generate_key`` makes them.

        Raises:
            ValueError: One of them is no such key.
        """
        # Imported here, for gateways that make such links.
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415

        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def of(cls, keys: Sequence[str]) -> Self | None:
        """Return what *keys* make; None if there are none."""
        return cls(keys) if keys else None

    def make(self, subscriber: Subscriber) -> str:
        """Return a token of letters, digits, ``-`` and ``_``."""
        content = to_json([subscriber.tenant, subscriber.address, subscriber.message_id.hex])
        return self._fernet.encrypt(content).decode().rstrip("=")

    def read(self, token: str) -> Subscriber | None:
        """Return whom a token is about; None if it was not made here, or was altered."""
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - as above

        padded = token + "=" * (-len(token) % 4)
        try:
            tenant, address, message_id = from_json(self._fernet.decrypt(padded))
        except (InvalidToken, ValueError):
            return None
        return Subscriber(tenant, address, UUID(message_id))


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """Offers the links.  ``url`` is where the world finds this service, without a slash at its end."""

    tokens: Tokens
    url: str

    @classmethod
    def of(cls, url: str | None, tokens: Tokens | None) -> Self | None:
        """Return what the settings allow; None where one of them is lacking."""
        return cls(tokens, url.rstrip("/")) if url and tokens else None

    def headers(self, subscriber: Subscriber) -> dict[str, str]:
        """The headers of the subscriber's message."""
        link = f"<{self.url}{PATH}/{self.tokens.make(subscriber)}>"
        return dict(zip(HEADERS, (link, "List-Unsubscribe=One-Click"), strict=True))
