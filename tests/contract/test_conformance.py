"""Every provider, and everything that can happen to a message there: what is told of it, what the mailer
does next, and what the provider itself recorded agree.

What has to follow is said by one rule (``conformance/rule.py``) from what can be known and what is true
(``conformance/mishap.py``); what did follow is a real mailer's doing, with real requests to the fakes.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from services.mailer.outcome import Accepted, Deferred, Outcome, Redundant, Rejected, Suppressed, Uncertain
from services.mailer.providers import PROVIDERS
from shared.signatures import Event, OnUncertain
from tests.contract.conformance import over_http, over_smtp
from tests.contract.conformance.mishap import Known, Mishap
from tests.contract.conformance.rule import Expected, Means, expected, means_of
from tests.contract.conformance.story import MAIN, SPARE, Glance, Story, run, tell
from tests.fakes import FAKES, FakeSmtp
from tests.fakes.faults.script import WORDS

_ANSWERS: dict[Event, type[Outcome]] = {
    Event.SENT: Accepted,
    Event.FAILED: Rejected,
    Event.SUPPRESSED: Suppressed,
    Event.HELD: Uncertain,
    Event.DEFERRED: Deferred,
    Event.UNCERTAIN: Deferred,
}
_A_MOMENT = 3.0
"""Seconds that may pass between two looks at a clock."""


def mishaps(kind: str) -> Iterator[Mishap]:
    return over_smtp.mishaps() if kind == FakeSmtp.kind else over_http.mishaps(kind)


@dataclass(frozen=True, slots=True)
class Tale:
    """The same mishap, alone and beside a healthy account, and what has to follow of it."""

    mishap: Mishap
    means: Means
    rule: Expected
    alone: Story
    beside: Story


PAIRS = {f"{kind}-{mishap.name}": (kind, mishap) for kind in FAKES for mishap in mishaps(kind)}
IN_DOUBT = [name for name, (_, mishap) in PAIRS.items() if mishap.known is Known.NOTHING]

every = pytest.mark.parametrize("pair", PAIRS)
in_doubt = pytest.mark.parametrize("pair", IN_DOUBT)


def told(pair: str, wish: OnUncertain = OnUncertain.RESEND) -> Tale:
    """Say what happened, to a message with this wish."""
    return _tales(pair)[wish]


@cache
def _tales(pair: str) -> dict[OnUncertain, Tale]:
    """Let it happen, once for all facts about it."""
    kind, mishap = PAIRS[pair]
    means = means_of(FAKES[kind])
    wishes = list(OnUncertain) if mishap.known is Known.NOTHING else [OnUncertain.RESEND]

    async def at_once() -> list[Story]:
        cases = itertools.product(wishes, (False, True))
        return await asyncio.gather(*(tell(kind, mishap, wish=wish, spare=spare) for wish, spare in cases))

    stories = iter(run(at_once()))
    return {
        wish: Tale(mishap, means, expected(mishap, means, wish), next(stories), next(stories))
        for wish in wishes
    }


# The outcome


@every
def test_what_is_told_of_an_attempt_is_what_can_be_known(pair: str) -> None:
    """Sent, refused or in doubt; and the mailer is told to come again where that is not the end."""
    tale = told(pair)
    first = tale.alone.first

    assert tale.rule.event == first.told
    assert _ANSWERS[tale.rule.event] is type(first.outcome)
    assert [(Event.SENDING, 1, MAIN), (tale.rule.event, 1, MAIN)] == timeline(first)


# The next step


@every
def test_the_next_attempt_is_due_when_it_should_be(pair: str) -> None:
    """When the provider asked for it, when a search can know, or after a while; the gateway knows when."""
    tale = told(pair)
    first = tale.alone.first
    if tale.rule.wait is None:
        assert not isinstance(first.outcome, Deferred)
        assert first.events[-1].retry_at is None
        return
    shortest, longest = tale.rule.wait
    retry_at = first.events[-1].retry_at

    assert isinstance(first.outcome, Deferred)
    assert first.outcome.retry_after is not None
    assert retry_at is not None
    assert shortest <= first.outcome.retry_after <= longest
    assert first.outcome.retry_after == pytest.approx((retry_at - first.events[-1].at).total_seconds())


@every
def test_an_account_bears_what_is_its_own_trouble(pair: str) -> None:
    """Its circuit counts what makes it look ill, it rests after having been too fast, and no more."""
    tale = told(pair)
    rests = tale.mishap.known is Known.TOO_FAST
    shortest, longest = (tale.rule.wait or (0.0, 0.0)) if rests else (0.0, 0.0)

    assert tale.rule.circuit is tale.alone.circuit
    assert shortest - _A_MOMENT <= tale.alone.pause <= longest + _A_MOMENT * rests
    assert rests is (tale.alone.pause > 0)


@every
def test_a_copy_that_comes_at_once_asks_nobody(pair: str) -> None:
    """Not before its time, and not after its end; nor is a provider searched before it can know."""
    tale = told(pair)
    first, soon = tale.alone.first, tale.alone.soon

    assert len(first.requests) == len(soon.requests)
    assert Event.SENDING not in [event.event for event in soon.events[len(first.events) :]]
    if tale.rule.wait is None:
        assert tale.rule.end == soon.told
        assert not isinstance(soon.outcome, Deferred | Redundant)
    else:
        assert isinstance(soon.outcome, Deferred)


@every
def test_what_comes_again_is_the_same(pair: str) -> None:
    """Byte for byte, key included; what differs on the wire is the time in Amazon's signature."""
    story = told(pair).alone
    seen = [each for each in story.end.requests if each.searched_for is None and each.payload is not None]
    signed = {"authorization", "x-amz-date"} if pair.startswith("ses-") else set()

    assert story.sent
    assert all(story.sent[0] == each for each in story.sent)
    assert all((seen[0].method, seen[0].path, seen[0].payload) == (e.method, e.path, e.payload) for e in seen)
    assert all(dict(seen[0].headers.items() ^ e.headers.items()).keys() <= signed for e in seen)


# What the provider recorded


@every
def test_an_attempt_is_one_request(pair: str) -> None:
    """Nothing is tried again under the hand, no redirect is followed, and what is true is as declared."""
    tale = told(pair)
    first = tale.alone.first

    assert len(first.requests) <= 1
    assert tale.mishap.taken is bool(first.copies)


@every
def test_nothing_is_lost_and_nothing_is_doubled(pair: str) -> None:
    """Once all is well again there is one copy; a second one only if the provider left it in the dark."""
    tale = told(pair)
    end = tale.alone.end
    in_the_dark = sum(copy.ambiguous for copy in end.copies)

    assert tale.rule.end == end.told
    assert tale.rule.copies == len(end.copies)
    assert len(end.copies) <= 1 + in_the_dark
    assert tale.rule.end != Event.SENT or end.copies


@every
def test_the_provider_knows_the_message_by_the_id_that_is_told(pair: str) -> None:
    """Whoever looks it up there finds the copy that was sent."""
    end = told(pair).alone.end
    ids = [event.provider_message_id for event in end.events if event.event == Event.SENT]

    assert set(ids) <= {copy.provider_message_id for copy in end.copies}
    assert None not in ids


# Another account


@every
def test_another_account_is_asked_only_if_it_was_certainly_not_sent(pair: str) -> None:
    """And then at once, unless it is the message that is refused."""
    tale = told(pair)
    first = tale.beside.first
    alone = [(Event.SENDING, 1, MAIN), (tale.rule.event, 1, MAIN)]

    assert tale.rule.elsewhere is bool(first.elsewhere)
    assert alone + [(Event.SENDING, 2, SPARE), (Event.SENT, 2, SPARE)] * tale.rule.elsewhere == timeline(
        first
    )
    assert tale.mishap.taken is bool(first.copies)


@every
def test_two_accounts_do_not_double_it(pair: str) -> None:
    """Whoever sends it in the end; against an account that lies there is no help."""
    tale = told(pair)
    end = tale.beside.end
    copies = 2 if tale.mishap.lies else tale.rule.copies

    assert tale.rule.end == end.told
    assert copies == len(end.copies) + len(end.elsewhere)


# What must not come twice


@in_doubt
def test_a_message_that_must_not_come_twice_never_does(pair: str) -> None:
    """It is held where nobody can say, and sent where somebody can; with a second account, too."""
    tale = told(pair, OnUncertain.HOLD)

    for story in (tale.alone, tale.beside):
        copies = len(story.end.copies) + len(story.end.elsewhere)
        assert tale.rule.event == story.first.told
        assert tale.rule.end == story.end.told
        assert tale.rule.copies == copies
        assert copies <= 1
        assert tale.means is not Means.NONE or not story.end.elsewhere


# The suite itself


def test_every_provider_is_here() -> None:
    """With a fake; the outbox is a folder, and has a module of its own."""
    assert PROVIDERS.keys() == FAKES.keys() | {"outbox"}


@pytest.mark.parametrize("kind", FAKES)
def test_every_fault_is_here(kind: str) -> None:
    """All that a fake can be told to do, by lot or by a word, at every provider; batches are elsewhere."""
    known = {fault.label for _, fault in FAKES[kind].weights.values()}
    if kind != FakeSmtp.kind:
        known |= {fault.label for fault in WORDS.values()}
    happened = {mishap.fault.label for of, mishap in PAIRS.values() if of == kind and mishap.fault}

    assert known - {"partial"} <= happened


def timeline(glance: Glance) -> list[tuple[str, int, str | None]]:
    return [(event.event, event.attempt, event.provider) for event in glance.events]
