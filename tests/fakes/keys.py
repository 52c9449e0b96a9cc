"""Idempotency keys, as a provider keeps them: the answer that a key's message was given, for a while."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

from tests.fakes.dialect import Call, Verdict


@dataclass(slots=True)
class _Kept:
    owner: int
    fingerprint: str
    moment: float = 0.0
    verdict: Verdict | None = None


@dataclass(slots=True)
class Keys:
    """All keys of one fake.  A request that is not accepted leaves its key free."""

    conflict: Verdict
    """What the provider says to a known key with another body."""
    busy: Verdict
    """What it says while the first request of that key is still under way."""
    window: float = 86_400.0
    """Seconds for which a key is known, counted from the acceptance."""
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _owned: dict[int, str] = field(default_factory=dict)

    def claim(self, key: str, call: Call, number: int) -> Verdict | None:
        """Give what is said to request *number*, whose key is known; None if it is new, and now its own."""
        kept = self._kept.get(key)
        if kept and kept.verdict and time.monotonic() - kept.moment >= self.window:
            kept = None
        if kept is None:
            self._kept[key] = _Kept(number, fingerprint(call))
            self._owned[number] = key
            return None
        if kept.fingerprint != fingerprint(call):
            return self.conflict
        return kept.verdict or self.busy

    def keep(self, number: int, verdict: Verdict) -> None:
        """Note that request *number* was accepted with this answer, which its key, if it has one, keeps."""
        if key := self._owned.pop(number, None):
            self._kept[key].verdict = verdict
            self._kept[key].moment = time.monotonic()

    def release(self, number: int) -> None:
        """Free the key of request *number* at its end, unless it was accepted."""
        if key := self._owned.pop(number, None):
            del self._kept[key]


def fingerprint(call: Call) -> str:
    return hashlib.sha256(b"\0".join([call.path.encode(), call.body])).hexdigest()
