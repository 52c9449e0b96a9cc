"""Message ids: UUID version 7, so that new rows land at the end of the index (RFC 9562, 5.7)."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_74_BITS = (((1 << 12) - 1) << 64) | ((1 << 62) - 1)


def new_message_id() -> UUID:
    """Return a fresh UUIDv7: 48 bits of Unix milliseconds, 74 bits of randomness."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM_74_BITS
    return UUID(int=(milliseconds << 80) | _VERSION_7 | _VARIANT | random)
