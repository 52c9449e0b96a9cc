"""What a provider's reader is: a call in, events out, and no I/O in between."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from shared.signatures import RecordEvent


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a provider's, as it came."""

    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    peer: str | None = None
    """The address that the connection came from, as far as it is known."""


class Aside(Enum):
    """What a reader yields that is no event."""

    WORKING = auto()
    """It goes on; others may be let in between."""
    UNKNOWN = auto()
    """An event that is of no use here, or of a kind that is not known."""
    UNREADABLE = auto()
    """An event that lacks what every event has: of what, which message, when."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """What a reader yields to be given the bytes at a URL."""

    url: str
    keep: bool = False
    """Whether they never change, so that they need to be fetched only once."""


Reading = Generator[RecordEvent | Aside | Fetch, bytes | None, None]
"""Nothing of what it yields counts before it has come to its end."""


class Reader(Protocol):
    """Knows one provider's signature and words."""

    def read(self, call: Call, now: datetime) -> Reading:
        """Make sure that the provider wrote *call*, and tell what it says.

        Raises:
            NotGenuineError: It did not, or longer ago than it would still repeat it.
            UnreadableError: It did, but in a form that nobody knows.
        """


class NotGenuineError(Exception):
    """The signature is missing, wrong or too old; the text says which, and nothing of the call."""


class UnreadableError(Exception):
    """The body cannot be read; the text says where, and nothing of the body."""


class UnreachableError(Exception):
    """What a reader needs to have fetched could not be."""
