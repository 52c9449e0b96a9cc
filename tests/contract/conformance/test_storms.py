"""Everything at once, again and again: faults drawn by lot, for every request that there is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest

from services.mailer.outcome import Deferred
from shared.signatures import Address, Event, Lane, OnUncertain, SendEmail
from tests.contract.conformance.mailer import EndlessError, Mailer
from tests.contract.conformance.rule import Means, means_of
from tests.contract.conformance.story import letter, run, telling
from tests.fakes import FAKES, faults

COUNT = 60
SHARE = 0.5
ROUNDS = 60
FEW = 5


def slow(name: str) -> bool:
    """Whether it would only take time: to be without an answer, or to find one's pace again."""
    return any(part in name for part in ("hang", "drip", "429", "pace"))


def letters() -> list[SendEmail]:
    """Make messages of both lanes, of which every other one must not come twice."""
    return [
        letter(
            message_id=UUID(int=number + 1),  # by which the lots are drawn
            to=(Address(email=f"user{number}@example.net"),),
            lane=[*Lane][number % 2],
            on_uncertain=[*OnUncertain][number // 2 % 2],
        )
        for number in range(COUNT)
    ]


async def to_their_ends(mailer: Mailer, messages: Sequence[SendEmail]) -> None:
    """Let them all come at once, as often as one of them has to come again."""
    waiting = list(messages)
    for _ in range(ROUNDS):
        outcomes = await asyncio.gather(*map(mailer.attempt, waiting))
        waits = {
            message.message_id: outcome.retry_after or 0.0
            for message, outcome in zip(waiting, outcomes, strict=True)
            if isinstance(outcome, Deferred)
        }
        if not waits:
            return
        waiting = [message for message in waiting if message.message_id in waits]
        mailer.time.passes(max(waits.values()))
    raise EndlessError


@pytest.mark.parametrize("spare", [False, True], ids=["one-account", "two-accounts"])
@pytest.mark.parametrize("kind", FAKES)
def test_a_storm_loses_nothing_and_doubles_nothing(kind: str, *, spare: bool) -> None:
    """Every message has an end that agrees with the providers' records, whatever happened on the way."""
    means = Means.NONE if spare else means_of(FAKES[kind])

    async def story() -> None:
        async with telling(kind, spare=spare, circuit_failures=1000) as (mailer, fakes):
            messages = letters()
            for seed, fake in enumerate(fakes.values()):
                without = [name for name in fake.weights if slow(name)]
                fake.rule = faults.seeded(seed, SHARE, without=without, weights=fake.weights)
            await to_their_ends(mailer, messages)
            ends = {str(each.message_id): mailer.told(each)[-1].event for each in messages}
            taken = [entry for fake in fakes.values() for entry in fake.record]
            copies = Counter(entry.message_id for entry in taken)
            dark = Counter(entry.message_id for entry in taken if entry.ambiguous)
            lies = Counter(entry.message_id for entry in taken if entry.fault == "accept-503")
            must_not = {str(each.message_id) for each in messages if each.on_uncertain is OnUncertain.HOLD}

            assert len({entry.fault for fake in fakes.values() for entry in fake.requests}) > FEW
            assert {Event.SENT, Event.HELD, Event.FAILED} >= {*ends.values()}
            assert [] == [ours for ours, end in ends.items() if end == Event.SENT and not copies[ours]]
            assert [] == [
                ours for ours, end in ends.items() if end == Event.FAILED and copies[ours] > lies[ours]
            ]
            assert [] == [ours for ours in ends if copies[ours] > 1 + dark[ours]]
            assert [] == [ours for ours in must_not if copies[ours] > 1 + lies[ours]]
            if means is not Means.NONE:
                assert Event.HELD not in ends.values()
                assert [] == [ours for ours in ends if copies[ours] > 1 + lies[ours]]
            if means is Means.KEY:
                assert {1} == {*copies.values()}

    run(story())
