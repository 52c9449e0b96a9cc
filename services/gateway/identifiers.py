"""Message ids: UUID version 7, so that new rows land at the end of the index (RFC 9562, 5.7)."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_MILLISECONDS_48_BITS = (1 << 48) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_74_BITS = (((1 << 12) - 1) << 64) | ((1 << 62) - 1)


def new_message_id() -> UUID:
    """Return a fresh UUIDv7: 48 bits of Unix milliseconds, 74 bits of randomness."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM_74_BITS
    return UUID(int=(milliseconds << 80) | _VERSION_7 | _VARIANT | random)


def first_id_of(moment: datetime, *, shift: timedelta = timedelta(0)) -> UUID:
    """Return what is below every id made in the millisecond of *moment* or later, and above all others.

    The moment may be shifted beyond what a datetime can hold.
    """
    milliseconds = (moment - _EPOCH + shift) // timedelta(milliseconds=1)
    return UUID(int=min(max(milliseconds, 0), _MILLISECONDS_48_BITS) << 80)


def moment_of(message_id: UUID) -> datetime:
    """The millisecond that an id was made in."""
    return _EPOCH + (message_id.int >> 80) * timedelta(milliseconds=1)
