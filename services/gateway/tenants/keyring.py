"""The API keys that this gateway has seen lately, so that a request does not cost a query.

A key is looked up at most once in ``max_age`` seconds.  Whoever asks for it meanwhile waits for the
same query, and one query looks up all keys that were asked for while the one before it ran: a
flood of invented keys cannot take the ledger's connections from those who have one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from itertools import islice
from typing import Final
from uuid import UUID

import structlog

from services.gateway.ledger.api_keys import ApiKeys, StoredKey
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.logs import places
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller

log = structlog.get_logger()

CAPACITY: Final = 10_000
"""Keys that are remembered; whoever has more tenants than that asks the ledger more often."""

_GROUP: Final = 500


class Keyring:
    """Tells whose a key is.  *fixed* are keys, by their digest, that the ledger does not know."""

    def __init__(
        self,
        api_keys: ApiKeys,
        *,
        max_age: float,
        fixed: Mapping[bytes, Caller] | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self._api_keys = api_keys
        self._max_age = max_age
        self._capacity = capacity
        self._fixed = dict(fixed or {})
        # By digest: when it is too old, and the caller; the oldest first.
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._wanted: dict[bytes, tuple[UUID, asyncio.Future[Caller | None]]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._revoked: set[UUID] = set()  # here, since the query under way began
        self.used: set[UUID] = set()
        """Keys that were used, to within ``max_age``, since somebody emptied this."""

    async def identify(self, text: str) -> Caller | None:
        """Whose key this is; None if it is unknown, revoked, or no key at all.

        Raises:
            LedgerUnavailableError: Nobody can tell now.
        """
        digest = keys.digest(text)
        # Whoever was here a moment ago has a key that reads well.
        return self._at_hand(digest) or await self.find(digest, keys.read(text))

    def at_hand(self, text: str) -> Caller | None:
        """The same, as far as it can be told without asking anybody."""
        return self._at_hand(keys.digest(text))

    async def find(self, digest: bytes, key_id: UUID | None) -> Caller | None:
        """Do the same, where the key itself was forgotten, and its hash and id were kept.

        Raises:
            LedgerUnavailableError: Nobody can tell now.
        """
        known = self._at_hand(digest)
        if known is not None or key_id is None:
            return known
        return await self._look_up(digest, key_id)

    def forget(self, key_id: UUID) -> None:
        """Refuse a key from now on that was just revoked in the ledger."""
        self._revoked.add(key_id)
        for digest in [digest for digest, (_, caller) in self._known.items() if caller.key_id == key_id]:
            del self._known[digest]

    def _at_hand(self, digest: bytes) -> Caller | None:
        known = self._known.get(digest)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        return self._fixed.get(digest)

    async def _look_up(self, digest: bytes, key_id: UUID) -> Caller | None:
        if digest in self._wanted:
            _, answer = self._wanted[digest]
        else:
            answer = asyncio.get_running_loop().create_future()
            self._wanted[digest] = key_id, answer
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(answer)  # others may wait for it too

    async def _ask(self) -> None:
        try:
            while self._wanted:
                group = dict(islice(self._wanted.items(), _GROUP))
                asked = time.monotonic()
                self._revoked.clear()
                found = await self._api_keys.find({key_id for key_id, _ in group.values()})
                for digest, (key_id, answer) in group.items():
                    stored = None if key_id in self._revoked else found.get(key_id)
                    answer.set_result(self._judge(digest, stored, asked))
                    del self._wanted[digest]
        except LedgerUnavailableError:
            log.warning("ledger.unavailable", during="authenticate")
        except Exception as error:  # noqa: BLE001 - a bug must not leave the callers waiting for ever
            kind, where = type(error).__name__, places(error)
            log.error("ledger.unavailable", during="authenticate", error=kind, where=where)  # noqa: TRY400 - see places()
        finally:
            self._asking = None
            self._give_up()

    def _judge(self, digest: bytes, stored: StoredKey | None, asked: float) -> Caller | None:
        same = keys.matches(digest, stored.digest if stored else None)
        if stored is None or not same:
            return None
        self.used.add(stored.caller.key_id)
        self._known.pop(digest, None)
        self._known[digest] = asked + self._max_age, stored.caller
        for oldest, (too_old, _) in list(islice(self._known.items(), 2)):
            if too_old < asked or len(self._known) > self._capacity:
                del self._known[oldest]
        return stored.caller

    def _give_up(self) -> None:
        """Fail whoever has no answer; those who came during the query have waited long enough, too."""
        wanted, self._wanted = self._wanted, {}
        for _, answer in wanted.values():
            answer.set_exception(LedgerUnavailableError(unknown=False))
            answer.exception()  # nobody may be left to hear it
