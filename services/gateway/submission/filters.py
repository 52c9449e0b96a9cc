"""What messages can be looked for by, as callers write it: in a query or in a body.

Each function reads one text and raises ValueError, with words for the caller, if it cannot.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from services.gateway.submission import limits
from services.gateway.submission.addresses import comparable, parse
from services.gateway.submission.headers import UNSAFE
from services.gateway.submission.texts import CONTROLS

LONGEST_TAG: Final = 2 * limits.TAG_LENGTH + 1
TAG_PATTERN: Final = rf"^[^:{CONTROLS}]+:[^{CONTROLS}]+$"
REASON_LENGTH: Final = 200
PROVIDER_LENGTH: Final = 64
_LONGEST_MOMENT: Final = 64


def recipient(text: str) -> str:
    """Give an address the form that addresses are compared in."""
    return comparable(parse(text).email)


def tag(text: str) -> str:
    """Check a tag's name and value."""
    name, _, value = text.partition(":")
    if not (name and value) or len(text) > LONGEST_TAG or UNSAFE.search(text):
        raise ValueError("must be a tag's name and value, such as kind:receipt")
    return text


def moment(text: str) -> datetime:
    """Read a moment that says its zone, and may have passed."""
    try:
        at = datetime.fromisoformat(text.upper() if len(text) <= _LONGEST_MOMENT else "")
        zoned = at.tzinfo is not None and at.astimezone(UTC)
    except (ValueError, OverflowError):
        zoned = False
    if not zoned:
        raise ValueError("must be a moment with its zone, such as 2026-01-02T15:04:05Z")
    return zoned


def provider(account: str) -> str:
    """Check the name of a provider's account."""
    if not account or len(account) > PROVIDER_LENGTH or UNSAFE.search(account):
        raise ValueError(f"must be the name of an account, of 1 to {PROVIDER_LENGTH} characters")
    return account


def reason(beginning: str) -> str:
    """Check how a reason begins."""
    if not beginning or len(beginning) > REASON_LENGTH or "\0" in beginning:
        raise ValueError(f"must be 1 to {REASON_LENGTH} characters, none of them U+0000")
    return beginning
