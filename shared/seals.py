"""The seal of a task message: who wrote it had the key, and when that was.

A broker delivers whatever somebody with a user of it publishes.  With keys set, a reader takes only what a
holder of one of them has sealed: HMAC-SHA256 (RFC 2104) over the body as it stands on the wire, and over
what Celery's headers say of it: which task, under which id, when, and for the how-manieth time.
A header that an older reader does not know, it ignores.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

HEADER: Final = "seal"
"""The name of the message header."""

_VERSION: Final = "1"
_FIELDS: Final = ("task", "id", "eta", "expires", "retries")
_MAC_LENGTH: Final = 64

PLACEHOLDER: Final = f"{_VERSION}:{'0' * 10}:{'0' * _MAC_LENGTH}"
"""As long as every seal, for headers that are written before what is sealed is known."""


class Verdict(StrEnum):
    """What a reader finds."""

    GENUINE = "genuine"
    """Sealed with a key that is known, or there is no key here, or what is unsealed is still taken."""
    UNSEALED = "unsealed"
    FORGED = "forged"
    """Sealed with no key that is known, or changed afterwards."""
    STALE = "stale"
    """Sealed so long ago that nobody would notice any more if it came a second time."""


class Seals:
    """Seals with the first of some keys, and knows the seals of all of them.

    Without keys nothing is sealed and everything is taken.  What has a seal has to have a good one, also
    where *required* is False.  A seal more than *longest* seconds ago, or ahead, is stale.
    """

    def __init__(
        self,
        keys: Sequence[str] = (),
        *,
        required: bool = True,
        longest: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = [key.encode() for key in keys]
        self._required = required
        self._longest = longest
        self._clock = clock

    def __bool__(self) -> bool:
        """Whether there are keys."""
        return bool(self._keys)

    def seal(self, headers: Mapping[str, Any], body: bytes) -> str:
        """Return the seal of a message with these headers and this body; there must be a key."""
        at = f"{int(self._clock()):010d}"
        return f"{_VERSION}:{at}:{_mac(self._keys[0], at, headers, body)}"

    def judge(self, headers: Mapping[str, Any] | None, body: bytes | str | memoryview) -> Verdict:
        """Say what is to be thought of a message, whatever it looks like."""
        if not self._keys:
            return Verdict.GENUINE
        given = (headers or {}).get(HEADER)
        if given is None:
            return Verdict.UNSEALED if self._required else Verdict.GENUINE
        version, _, rest = str(given).partition(":")
        at, _, mac = rest.partition(":")
        # Nothing of ours is compressed; what kombu would make of it is not what was sealed.
        if version != _VERSION or not (at.isascii() and at.isdigit()) or (headers or {}).get("compression"):
            return Verdict.FORGED
        content = _bytes(body) if isinstance(body, str) else bytes(body)
        expected = [_mac(key, at, headers or {}, content) for key in self._keys]
        if not any(hmac.compare_digest(_bytes(mac), one.encode()) for one in expected):
            return Verdict.FORGED
        return Verdict.STALE if self._is_stale(int(at)) else Verdict.GENUINE

    def _is_stale(self, at: int) -> bool:
        # Ahead, it is no copy of anything old, but of another clock: a mailer must not stand still for that.
        return self._longest is not None and abs(self._clock() - at) > self._longest


def _mac(key: bytes, at: str, headers: Mapping[str, Any], body: bytes) -> str:
    # Neither JSON nor what we write into headers holds a NUL, so nothing can move from one field to the next.
    said = "\0".join((_VERSION, at, *(str(headers.get(name) or "") for name in _FIELDS), ""))
    return hmac.digest(key, _bytes(said) + body, "sha256").hex()


def _bytes(text: str) -> bytes:
    """What somebody sends may hold half a character; that is no reason to fall."""
    return text.encode("utf-8", "surrogatepass")
