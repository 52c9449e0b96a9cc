"""What one attempt led to, as a value; ``tasks.py`` alone knows what Celery does about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_REASON_LENGTH = 300
_READ_LENGTH = 2000
_QUOTED_LOCAL_PART = re.compile(r'"[^"]{0,64}"@')
_WRAPPING = "<>()[]{}\"',;:."


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message over.  It is *sent*, not yet delivered."""

    provider_message_id: str | None
    reason: str | None = None
    """What has to be said of it all the same: some of the recipients were refused."""


class Trouble(StrEnum):
    """Whose trouble a deferral is, and so who has to wait."""

    PROVIDER = "provider"
    """The provider is ill or out of reach; its circuit counts these."""
    PACE = "pace"
    """The account sends too fast: all its messages wait, and it slows down."""
    MESSAGE = "message"
    """This message alone: a greylisted recipient, a request of the same key under way."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """The attempt certainly did not send, and another one may succeed."""

    reason: str
    retry_after: float | None = None
    """Seconds that the provider asked us to wait; None leaves it to the backoff."""
    trouble: Trouble = Trouble.PROVIDER


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refuses this very message; the same bytes would be refused again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The provider has this recipient on its do-not-send list."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unauthorised:
    """Our account is the problem (key, sender, quota), so every other message would fail too."""

    reason: str
    retry_after: float | None = None
    """Seconds until it may be well again (a quota's reset); None leaves it to the settings."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The provider may have taken the message: the request left, a usable answer did not come."""

    reason: str


@dataclass(frozen=True, slots=True)
class Redundant:
    """No attempt was made and none is owed: another copy of the task carries the message on."""

    reason: str


Outcome = Accepted | Deferred | Rejected | Suppressed | Unauthorised | Uncertain


def reason(*parts: object) -> str:
    """Join ``parts`` to a reason fit for logs and timelines.

    Providers echo the addresses they complain about; those are taken out, since a reason is
    logged.  Over-long texts are cut.
    """
    text = ": ".join(str(part)[:_READ_LENGTH] for part in parts if part not in (None, ""))
    words = printable(_QUOTED_LOCAL_PART.sub("@", text)).split(" ")
    return " ".join(map(_without_address, words))[:_REASON_LENGTH]


def _without_address(word: str) -> str:
    """Replace what stands around an ``@`` (or its URL form), up to the punctuation that wraps it."""
    if "@" not in word and "%40" not in word:
        return word
    start = len(word) - len(word.lstrip(_WRAPPING))
    end = len(word.rstrip(_WRAPPING))
    return f"{word[:start]}<address>{word[end:]}"


def printable(text: str) -> str:
    """Take out what a database or a terminal would choke on (NUL, lone surrogates, escapes)."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
