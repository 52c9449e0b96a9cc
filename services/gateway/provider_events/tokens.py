"""What each token of a provider's was used for."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from datetime import datetime
from typing import Final

_MOST: Final = 100_000


class Tokens:
    """Remembers tokens until they are worth nothing, and at most 100,000 of them; of this process alone."""

    def __init__(self) -> None:
        self._used: OrderedDict[str, tuple[bytes, datetime]] = OrderedDict()

    def is_for(self, token: str, document: object, *, until: datetime, now: datetime) -> bool:
        """Note that a token, good *until* then, is used for this; whether it was not for something else."""
        while self._used and (len(self._used) >= _MOST or self._oldest() < now):
            self._used.popitem(last=False)
        written = json.dumps(document, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(written.encode()).digest()
        return self._used.setdefault(token, (digest, until))[0] == digest

    def _oldest(self) -> datetime:
        _, until = next(iter(self._used.values()))
        return until
