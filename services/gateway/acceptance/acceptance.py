"""Accepting: the one way of a message into the ledger, whichever call it came by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from services.gateway import failpoints, problems
from services.gateway.acceptance.entries import Draft
from services.gateway.acceptance.idempotency import InProgress
from services.gateway.ledger.deposit import Answer, Deposit, Entry, Key, Suppressed, Verdict
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.held_keys import HeldKeys
from services.gateway.ledger.suppressions import stands_against
from services.gateway.ledger.writer import Writer
from services.gateway.problems import FieldError, Problem
from services.gateway.tenants.callers import Caller
from shared.signatures import SendEmail

MOST_BYTES = 20_000_000
"""What the messages of one request may be together; twice the largest body by default."""

_RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is committed, and what the caller is told."""

    body: bytes
    """The body of the answer."""
    ids: tuple[UUID | None, ...] = ()
    """Of every message asked for, in order; empty where the whole request is a repetition."""
    replayed: bool = False
    """Whether this is the stored answer to the same request, made before."""


class Acceptance:
    """Checks what a tenant's rules say, and commits."""

    def __init__(
        self, writer: Writer, held: HeldKeys, *, trace: Callable[[], str | None] = lambda: None
    ) -> None:
        self._writer = writer
        self._held = held
        self._trace = trace
        self._in_progress = InProgress()

    async def accept(
        self,
        caller: Caller,
        drafts: Sequence[Draft],
        *,
        answer: Answer,
        key: Key | None = None,
        strict: bool = True,
    ) -> Accepted:
        """Commit all *drafts*, or none; if not *strict*, all but those whose own key was used before.

        *answer* makes the body of the answer from the messages' ids.

        Raises:
            Problem: 403, the key may not send from a domain; 409, an idempotency key is in use or
                was used for something else; 413, it is too much together; 422, the ledger cannot
                store a text; 503, it is away.
        """
        _check_senders(caller, drafts)
        item_keys = tuple(draft.key for draft in drafts) if any(draft.key for draft in drafts) else ()
        keys = [one for one in (key, *item_keys) if one is not None]
        with self._in_progress.reserve(caller.tenant, keys):
            trace = self._trace()
            entries, rewrite = tuple(_entries(drafts, trace)), partial(_spared, drafts, trace)
            verdict = await self._commit(
                Deposit(caller.tenant, entries, answer, key, item_keys, strict, rewrite)
            )
        if failpoints.armed:
            await failpoints.reached("g.before_response")
        if verdict.replayed is not None:
            return Accepted(verdict.replayed, replayed=True)
        if verdict.refused:
            places = [drafts[item].place for item in verdict.reused if item is not None]
            raise problems.invalid_idempotent_request(f"{place}/idempotency_key" for place in places)
        return Accepted(answer(verdict.ids), verdict.ids, replayed=not verdict.stored)

    async def repeated(self, caller: Caller, key: Key | None, problem: Problem) -> Accepted:
        """Answer a request that is refused today, if it is the repetition of one that was accepted.

        A time that lay ahead may have passed since, and a template may be gone.

        Raises:
            Problem: The given one, if nothing was accepted under the key; 409, if something else was.
        """
        if key is None or problem.status != 422:
            raise problem
        try:
            held = await self._held.find(caller.tenant, key.text)
        except LedgerUnavailableError as error:
            raise problems.unavailable(_RETRY_AFTER_SECONDS) from error
        if held is None:
            raise problem
        if held.fingerprint != key.fingerprint:
            raise problems.invalid_idempotent_request(())
        return Accepted(held.answer, replayed=True)

    async def _commit(self, deposit: Deposit) -> Verdict:
        try:
            return await self._writer.deposit(deposit)
        except LedgerUnavailableError as error:
            doubtful = deposit.entries[0].id if error.unknown else None
            raise problems.unavailable(_RETRY_AFTER_SECONDS, message_id=doubtful) from error
        except EntryRefusedError as error:
            refused = FieldError("", "the ledger cannot store this text")
            raise problems.invalid_fields([refused]) from error


def _entries(drafts: Sequence[Draft], trace: str | None) -> Iterator[Entry]:
    """Make the entries, but no more of them than a transaction should hold.

    A short batch can make long messages: each may carry the whole source of a template.
    """
    size = 0
    for draft in drafts:
        entry = draft.entry(trace=trace)
        size += len(entry.arguments)
        if size > MOST_BYTES:
            raise problems.too_much_together(MOST_BYTES)
        yield entry


def _spared(drafts: Sequence[Draft], trace: str | None, suppressed: Suppressed) -> tuple[Entry, ...]:
    """Make the entries without those whom their lane's mail must not go to."""
    return tuple(draft.entry(_left_out(draft, suppressed), trace) for draft in drafts)


def _left_out(draft: Draft, suppressed: Suppressed) -> set[str]:
    # By its own recipients: the suppressed are those of everybody who shares the group commit.
    tenant, lane = draft.signature.tenant, draft.signature.lane
    reasons = ((who, suppressed.get((tenant, who))) for who in draft.recipients())
    return {who for who, reason in reasons if reason is not None and stands_against(reason, lane)}


def _check_senders(caller: Caller, drafts: Sequence[Draft]) -> None:
    if caller.domains is None:
        return
    for draft in drafts:
        if isinstance(draft.signature, SendEmail):
            domain = draft.signature.sender.email.rpartition("@")[2]
            if domain not in caller.domains:
                raise problems.foreign_sender(f"{draft.place}/from")
