"""When a webhook is attempted again, and when an endpoint is given up.

Source of the schedule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from typing import Final

_MINUTE, _HOUR = 60.0, 3600.0
DELAYS: Final = (
    5.0,
    *(5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR),
)
"""Seconds from one failed attempt to the next, a little more than three days in all."""

LONGEST_WAIT: Final = 24 * _HOUR
"""No receiver can ask for more; what it asks for later counts anew."""

GIVEN_UP_AFTER: Final = 72 * _HOUR
"""An endpoint that does nothing but fail for so many seconds is disabled."""

ROTATION: Final = 24 * _HOUR
"""So many seconds after a rotation the secret before it still signs."""

GONE: Final = 410
"""The answer of who wants nothing more, ever (RFC 9110, section 15.5.11)."""


def next_delay(attempt: int, retry_after: float | None) -> float | None:
    """Seconds from a failed attempt, counted from 1, to the next one; None if it was the last."""
    if attempt > len(DELAYS):
        return None
    return max(DELAYS[attempt - 1], min(retry_after or 0.0, LONGEST_WAIT))
