"""What a request wants committed, and the verdict on it when its idempotency key was used before.

The rules are those of https://resend.com/docs/dashboard/emails/idempotency-keys: a key belongs to
a tenant and to what was asked under it.  Asked again, the stored answer is handed out; asked for
something else, the key is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted message, ready to be committed and published."""

    id: UUID
    tenant: str
    lane: str
    task: str
    arguments: bytes
    trace: str | None = None
    """The trace that it belongs to, as :mod:`services.gateway.relay.wire` takes it to the mailer."""
    # What follows is for the ledger only.
    summary: bytes | None = None
    lookups: tuple[tuple[str, str], ...] = ()
    """Pairs of kind and value that the message is found by."""
    status: str = "accepted"
    """Or ``scheduled``, or ``suppressed``; only an accepted one is published at once."""
    event: str | None = None
    """What the timeline says of it from the start, beside that it was accepted."""
    reason: str | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def queue(self) -> str:
        """The queue this entry is published to."""
        return f"mailer.{self.lane}"


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key, and a hash of what was asked under it."""

    text: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """A key that the ledger holds already."""

    fingerprint: bytes
    answer: bytes


Answer = Callable[[Sequence[UUID | None]], bytes]
"""Makes the body of the 202 from the messages' ids; None stands for a message that was refused."""

Place = tuple[str, str]
"""Tenant and key: where a key is in the ledger."""

Suppressed = Mapping[tuple[str, str], str]
"""Reasons of suppressions, by tenant and address in comparable form."""

Rewrite = Callable[[Suppressed], tuple["Entry", ...]]
"""Makes the same entries once more, under the same ids, without recipients who are suppressed."""


@dataclass(frozen=True, slots=True)
class Deposit:
    """What one request wants committed: all of it, or nothing."""

    tenant: str
    entries: tuple[Entry, ...]
    answer: Answer
    key: Key | None = None
    """Guards the whole request."""
    item_keys: tuple[Key | None, ...] = ()
    """Each guards one entry; as many as entries, or none at all."""
    strict: bool = True
    """Whether one refused item refuses them all."""
    rewrite: Rewrite | None = None
    """None where suppressions do not matter."""

    def without(self, suppressed: Suppressed) -> Deposit:
        """The same, but for recipients who are suppressed."""
        return self if self.rewrite is None else replace(self, entries=self.rewrite(suppressed))

    def offers(self) -> Iterator[tuple[Place, Key, bytes]]:
        """The keys to be stored: place, key, and the answer that belongs to it."""
        ids = [entry.id for entry in self.entries]
        if self.key is not None:
            yield (self.tenant, self.key.text), self.key, self.answer(ids)
        for key, message_id in zip(self.item_keys, ids, strict=False):
            if key is not None:
                yield (self.tenant, key.text), key, item_answer(message_id)

    def judge(self, held: Mapping[Place, Held]) -> Verdict:
        """Decide what is stored, given the keys that were in the ledger before."""
        if self.key is not None and (before := held.get((self.tenant, self.key.text))):
            if before.fingerprint != self.key.fingerprint:
                return Verdict(reused=(None,))
            return Verdict(replayed=before.answer)
        if not self.item_keys or not held:
            return Verdict(self.entries, tuple(entry.id for entry in self.entries))
        return self._judge_items(held)

    def _judge_items(self, held: Mapping[Place, Held]) -> Verdict:
        stored: list[Entry] = []
        ids: list[UUID | None] = []
        reused: list[int] = []
        for index, (entry, key) in enumerate(zip(self.entries, self.item_keys, strict=True)):
            before = held.get((self.tenant, key.text)) if key is not None else None
            if before is None or key is None:
                stored.append(entry)
                ids.append(entry.id)
            elif before.fingerprint == key.fingerprint:
                ids.append(item_id(before.answer))
            else:
                reused.append(index)
                ids.append(None)
        if reused and self.strict:
            return Verdict(reused=tuple(reused))
        return Verdict(tuple(stored), tuple(ids), reused=tuple(reused))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a deposit."""

    stored: tuple[Entry, ...] = ()
    ids: tuple[UUID | None, ...] = ()
    """Of every message asked for, in order; empty if nothing was stored."""
    replayed: bytes | None = None
    """The answer given before, if the whole request is a repetition."""
    reused: tuple[int | None, ...] = ()
    """Items whose key was used for something else; None stands for the request's own key."""

    @property
    def refused(self) -> bool:
        """Whether nothing is stored because a key was used for something else."""
        return bool(self.reused) and not self.ids


def item_answer(message_id: UUID) -> bytes:
    """The body of the 202 for a single message."""
    return b'{"id":"%s"}' % str(message_id).encode()


def item_id(answer: bytes) -> UUID:
    """The id out of what :func:`item_answer` made."""
    return UUID(answer[7:43].decode())
