"""What a provider is: two pure functions around one request (no I/O, no clock, no retries)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.mailer.outcome import Outcome
from shared.signatures import SendEmail


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to be performed; ``file:`` URLs write a file instead."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Not shown, like the body: one of them holds the provider's key."""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: header names in lower case, the body unread and undecoded."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """One account at one e-mail service provider (ESP)."""

    name: str
    """The word for it in settings, events and logs."""

    def build(self, message: SendEmail) -> Request:
        """Turn the message into the provider's request; equal messages give equal bytes.

        Raises:
            UnsupportedError: The message uses what this provider cannot do.
        """

    def read(self, response: Response) -> Outcome:
        """Say what the provider's answer means; never raises, whatever the bytes are."""


class UnsupportedError(Exception):
    """The provider cannot carry this message, and dropping a part of it silently would be a lie."""
