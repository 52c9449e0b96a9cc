"""Messages that share a request: whatever happens to it, each has an outcome of its own."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest

from services.mailer.accounts.circuit import Position
from services.mailer.outcome import Accepted, Deferred
from shared.signatures import Event, Lane, OnUncertain
from tests.contract.conformance import batch
from tests.contract.conformance.batch import COUNT, GROUPED, TAKE_BATCHES, BatchStory, newsletter
from tests.contract.conformance.mishap import Known
from tests.contract.conformance.rule import expected, means_of
from tests.contract.conformance.story import MAIN, run, telling
from tests.fakes import HTTP_FAKES

PAIRS = {f"{kind}-{case.mishap.name}": (kind, case) for kind in GROUPED for case in batch.cases(kind)}
IN_DOUBT = [pair for pair, (_, case) in PAIRS.items() if case.mishap.known is Known.NOTHING]

every = pytest.mark.parametrize("pair", PAIRS)
in_doubt = pytest.mark.parametrize("pair", IN_DOUBT)


@cache
def told(pair: str) -> dict[OnUncertain, BatchStory]:
    """Let it happen, once for all facts about it: to messages that may come twice, and that must not."""
    kind, case = PAIRS[pair]
    wishes = list(OnUncertain) if pair in IN_DOUBT else [OnUncertain.RESEND]

    async def at_once() -> list[BatchStory]:
        return await asyncio.gather(*(batch.tell(kind, case, wish) for wish in wishes))

    return dict(zip(wishes, run(at_once()), strict=True))


@every
def test_each_message_has_the_outcome_that_it_would_have_had_alone(pair: str) -> None:
    """Those that were refused fail, the others are sent, and what is in doubt is in doubt for all."""
    kind, case = PAIRS[pair]
    rules = [expected(each, means_of(HTTP_FAKES[kind]), OnUncertain.RESEND) for each in case.each]
    firsts = told(pair)[OnUncertain.RESEND].firsts

    assert [rule.event for rule in rules] == [first.told for first in firsts]
    assert [each.taken for each in case.each] == [bool(first.copies) for first in firsts]
    for rule, first in zip(rules, firsts, strict=True):
        assert (rule.wait is not None) is isinstance(first.outcome, Deferred)
        if rule.wait and isinstance(first.outcome, Deferred):
            assert rule.wait[0] <= (first.outcome.retry_after or 0.0) <= rule.wait[1]


@every
def test_one_request_carries_them_all(pair: str) -> None:
    """One more for each follows at once if all are refused for what may be the fault of one."""
    _, case = PAIRS[pair]

    assert 1 + COUNT * case.singly == told(pair)[OnUncertain.RESEND].requests


@every
def test_a_request_that_fails_is_one_failure(pair: str) -> None:
    """However many share it, an account that bears one is still used."""
    assert Position.CLOSED is told(pair)[OnUncertain.RESEND].circuit


@every
def test_no_message_of_a_batch_is_lost_or_doubled(pair: str) -> None:
    """Each ends as it would have alone, and with as many copies."""
    kind, case = PAIRS[pair]
    rules = [expected(each, means_of(HTTP_FAKES[kind]), OnUncertain.RESEND) for each in case.each]
    ends = told(pair)[OnUncertain.RESEND].ends

    assert [rule.end for rule in rules] == [end.told for end in ends]
    assert [rule.copies for rule in rules] == [len(end.copies) for end in ends]
    for end in ends:
        ids = {event.provider_message_id for event in end.events if event.event == Event.SENT}
        assert ids <= {copy.provider_message_id for copy in end.copies}
        assert len(end.copies) <= 1 + sum(copy.ambiguous for copy in end.copies)


@in_doubt
def test_no_message_of_a_batch_comes_twice_that_must_not(pair: str) -> None:
    """Those that nobody can find out about are held, each for itself."""
    kind, case = PAIRS[pair]
    rules = [expected(each, means_of(HTTP_FAKES[kind]), OnUncertain.HOLD) for each in case.each]
    story = told(pair)[OnUncertain.HOLD]

    assert [rule.event for rule in rules] == [first.told for first in story.firsts]
    assert [rule.end for rule in rules] == [end.told for end in story.ends]
    assert [rule.copies for rule in rules] == [len(end.copies) for end in story.ends]


@pytest.mark.parametrize(
    ("kind", "lane"),
    [(kind, lane) for kind in TAKE_BATCHES for lane in Lane if kind not in GROUPED or lane is not Lane.BULK],
)
def test_others_go_alone(kind: str, lane: Lane) -> None:
    """Mail that somebody waits for, and mail whose key must stay its own."""

    async def story() -> None:
        async with telling(kind) as (mailer, fakes):
            outcomes = await asyncio.gather(*map(mailer.attempt, newsletter(lane=lane)))

            assert [Accepted] * COUNT == [type(outcome) for outcome in outcomes]
            assert COUNT == len(fakes[MAIN].requests)

    run(story())
