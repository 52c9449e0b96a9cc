"""How the system stands: lanes, accounts, and what somebody should look at, out of what mailers told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from services.gateway.dashboard import words
from services.gateway.dashboard.sessions import PATH
from services.gateway.ledger.attention import MOST, Attention
from services.gateway.ledger.mailers import KnownMailer
from shared.signatures import AccountUse, Lane

Tone = Literal["bad", "warn", "calm"]

_CLOSED: Final = "closed"
_LONG_WAIT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that somebody should look at."""

    tone: Tone
    text: str
    path: str | None = None
    """Where there is more to see."""


@dataclass(frozen=True, slots=True)
class LaneStanding:
    """What happens to a lane's messages."""

    name: str
    depth: int | None
    """Broker messages that wait; None where there is no queue, or nobody can tell."""
    busy: int
    slots: int
    paused: int
    """Mailers that leave it alone."""


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """One account, over all mailers."""

    name: str
    kind: str
    lanes: tuple[str, ...]
    circuits: tuple[str, ...]
    """The words of those mailers whose circuit is not closed."""
    mailers: int
    limit_per_second: float | None
    sent_per_second: float
    in_flight: int
    waiting: int


def lanes(depths: Mapping[Lane, int | None], mailers: Sequence[KnownMailer]) -> list[LaneStanding]:
    """How each lane stands."""
    standing = []
    for lane in Lane:
        uses = [use for one in _alive(mailers) for use in one.told.queues if use.queue == f"mailer.{lane}"]
        busy, slots = sum(use.busy for use in uses), sum(use.slots for use in uses)
        paused = sum(use.paused for use in uses)
        standing.append(LaneStanding(lane.value, depths.get(lane), busy, slots, paused))
    return standing


def accounts(mailers: Sequence[KnownMailer]) -> list[AccountStanding]:
    """How each account stands, those in trouble first."""
    uses: dict[str, list[AccountUse]] = {}
    for one in _alive(mailers):
        for use in one.told.accounts:
            uses.setdefault(use.name, []).append(use)
    standing = [_account(name, its) for name, its in uses.items()]
    return sorted(standing, key=lambda one: (not one.circuits, one.name))


def troubles(
    attention: Attention,
    mailers: Sequence[KnownMailer],
    *,
    broker_is_there: bool,
    now: datetime | None = None,
) -> list[Trouble]:
    """What somebody should look at, the worst first."""
    found = [*_of_mailers(mailers), *_of_messages(attention, now or datetime.now(UTC))]
    if not broker_is_there:
        found.append(Trouble("bad", "The broker is away. Messages are accepted, and wait in the ledger."))
    order: tuple[Tone, ...] = ("bad", "warn", "calm")
    return sorted(found, key=lambda one: order.index(one.tone))


def _of_mailers(mailers: Sequence[KnownMailer]) -> Iterable[Trouble]:
    if not list(_alive(mailers)):
        yield Trouble("bad", "No mailer is heard of. Messages are accepted, and wait until one comes.")
    for one in mailers:
        if one.is_silent:
            silent = words.span(one.seconds_ago)
            yield Trouble("warn", f"The mailer on {one.told.host} has been silent for {silent}.")
    for account in accounts(mailers):
        if account.circuits:
            at = f" at {len(account.circuits)} of {account.mailers} mailers" if account.mailers > 1 else ""
            yield Trouble("bad", f"The circuit of account {account.name} is {account.circuits[0]}{at}.")


def _of_messages(attention: Attention, now: datetime) -> Iterable[Trouble]:
    if attention.failed:
        text = f"{_many(attention.failed, 'message')} failed in the last 24 hours."
        yield Trouble("bad", text, f"{PATH}/dead-letters")
    if attention.held:
        text = f"{_many(attention.held, 'message')} held: nobody can tell whether they were sent."
        yield Trouble("bad", text, f"{PATH}/dead-letters?status=held")
    if attention.deferred:
        text = f"{_many(attention.deferred, 'message')} deferred, and tried again later."
        yield Trouble("calm", text, f"{PATH}/messages?status=deferred")
    waiting = attention.oldest_waiting
    if waiting is not None and now - waiting > _LONG_WAIT:
        yield Trouble("warn", f"The oldest message that waits was accepted {words.ago(waiting, now)}.")


def _many(count: int, what: str) -> str:
    told = f"{words.number(MOST)} or more" if count >= MOST else words.number(count)
    return f"{told} {what}{'s' * (count != 1)}"


def _account(name: str, uses: Sequence[AccountUse]) -> AccountStanding:
    limits = [use.limit_per_second for use in uses if use.limit_per_second is not None]
    return AccountStanding(
        name=name,
        kind=uses[0].kind,
        lanes=tuple(dict.fromkeys(lane for use in uses for lane in use.lanes)),
        circuits=tuple(sorted((use.circuit for use in uses if use.circuit != _CLOSED), reverse=True)),
        mailers=len(uses),
        limit_per_second=min(limits, default=None),
        sent_per_second=sum(use.sent_per_second for use in uses),
        in_flight=sum(use.in_flight for use in uses),
        waiting=sum(use.waiting for use in uses),
    )


def _alive(mailers: Iterable[KnownMailer]) -> Iterable[KnownMailer]:
    return (one for one in mailers if not one.is_silent)
