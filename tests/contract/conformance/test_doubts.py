"""How long a doubt may last, and how it ends: by a search that can know, or by the limit of what is tried."""

from __future__ import annotations

import pytest

from services.mailer.outcome import Deferred, Uncertain
from shared.signatures import Event, OnUncertain
from tests.contract.conformance.mailer import RESENDS
from tests.contract.conformance.mishap import Known, Mishap
from tests.contract.conformance.rule import Means, means_of
from tests.contract.conformance.story import MAIN, befallen, letter, run, telling
from tests.contract.conformance.surroundings import BRIEF
from tests.fakes import FAKES, FakeESP, faults
from tests.fakes.entry import Entry
from tests.fakes.faults import Fault

SETTLED, LAG = 30.0, 20.0
HORIZON = 60.0

SEARCHED, KEYED, BLIND = (
    [kind for kind, fake in FAKES.items() if means_of(fake) is means]
    for means in (Means.SEARCH, Means.KEY, Means.NONE)
)
TAKEN = {
    "reset": faults.reset(accept=True),
    "500": faults.refuse(500, accept=True),
    "html": faults.page(),
    "empty": faults.empty(),
}
UNANSWERED = {
    "503": faults.refuse(503),
    "500": faults.refuse(500),
    "401-html": faults.page(401, accept=False),
    "429": faults.throttle(),
    "redirect": faults.redirect(),
    "html": faults.page(accept=False),
    "truncated": faults.truncated(accept=False),
    "empty": faults.empty(accept=False),
    "without-id": faults.without_id(accept=False),
    "huge": faults.huge(2 << 20, accept=False),
    "bomb": faults.gzip_bomb(accept=False),
    "reset": faults.reset(),
    "hang": faults.hang(),
    "drip": faults.drip(accept=False),
}
"""What a search may come to that does not say whether the message is there."""


def lost(fault: Fault) -> Mishap:
    return Mishap(name=fault.name, known=Known.NOTHING, fault=fault, taken=True)


def always_lost(_: Entry) -> Fault:
    return faults.reset(accept=True)


# A search


@pytest.mark.parametrize("fault", TAKEN)
@pytest.mark.parametrize("kind", SEARCHED)
def test_a_search_waits_until_the_index_knows(kind: str, fault: str) -> None:
    """A message that is due again before that is not searched for in vain, and then sent a second time."""

    async def story() -> None:
        async with telling(kind, settled=SETTLED, circuit_failures=9) as (mailer, fakes):
            fake, subject = fakes[MAIN], letter()
            assert isinstance(fake, FakeESP)
            fake.searching.lag = LAG
            await befallen(mailer, fake, lost(TAKEN[fault]), subject)
            mailer.time.hurries(subject)
            too_soon = await mailer.attempt(subject)
            searches = len(mailer.searches.requests)
            mailer.time.passes(SETTLED + 5.0)
            fake.searching.lag = 0.0
            mailer.time.hurries(subject)
            await mailer.attempt(subject)

            assert isinstance(too_soon, Deferred)
            assert 0 == searches
            assert Event.SENT == mailer.told(subject)[-1].event
            assert 1 == len(fake.record)
            assert fake.record[0].provider_message_id == mailer.told(subject)[-1].provider_message_id

    run(story())


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not-taken"])
@pytest.mark.parametrize("fault", UNANSWERED)
@pytest.mark.parametrize("kind", SEARCHED)
def test_a_search_without_an_answer_is_made_again(kind: str, fault: str, *, taken: bool) -> None:
    """As long as nobody says that the message is not there it is not sent."""

    async def story() -> None:
        async with telling(kind, circuit_failures=9) as (mailer, fakes):
            fake, subject = fakes[MAIN], letter()
            assert isinstance(fake, FakeESP)
            await befallen(mailer, fake, lost(faults.reset(accept=taken)), subject)
            mailer.time.passes(HORIZON)
            # The library itself asks once more where a connection that it kept is cut off.
            fake.searching.script(*[UNANSWERED[fault]] * (2 if fault == "reset" else 1))
            async with mailer.patient_for(BRIEF):
                outcome = await mailer.attempt(subject)
            sendings = [entry for entry in fake.requests if entry.searched_for is None]
            end = await mailer.to_its_end(subject, outcome)

            assert isinstance(outcome, Deferred)
            assert 1 == len(sendings)
            assert Event.SENT == mailer.told(subject)[-1].event
            assert not isinstance(end, Deferred)
            assert 1 == len(fake.record)

    run(story())


# No end to it


@pytest.mark.parametrize("kind", BLIND)
def test_what_nobody_can_find_out_about_is_not_sent_for_ever(kind: str) -> None:
    """After so many attempts in doubt it is held: each may have been taken, and none may be lost."""

    async def story() -> None:
        async with telling(kind) as (mailer, fakes):
            subject = letter()
            fakes[MAIN].rule = always_lost
            end = await mailer.to_its_end(subject, await mailer.attempt(subject))
            await mailer.attempt(subject)

            assert isinstance(end, Uncertain)
            assert Event.HELD == mailer.told(subject)[-1].event
            assert [True] * RESENDS == [copy.ambiguous for copy in fakes[MAIN].record]

    run(story())


@pytest.mark.parametrize("wish", OnUncertain)
@pytest.mark.parametrize("kind", KEYED)
def test_a_key_is_used_until_nobody_waits_any_more(kind: str, wish: OnUncertain) -> None:
    """There is one copy, however often its answer is lost; and it is not said that there is none."""

    async def story() -> None:
        async with telling(kind, retry_horizon_seconds=HORIZON) as (mailer, fakes):
            subject = letter(on_uncertain=wish)
            fakes[MAIN].rule = always_lost
            end = await mailer.to_its_end(subject, await mailer.attempt(subject))
            requests = fakes[MAIN].requests

            assert isinstance(end, Uncertain)
            assert Event.HELD == mailer.told(subject)[-1].event
            assert len(requests) > RESENDS
            assert 1 == len({each.headers["idempotency-key"] for each in requests})
            assert 1 == len(fakes[MAIN].record)

    run(story())


@pytest.mark.parametrize("wish", OnUncertain)
@pytest.mark.parametrize("kind", SEARCHED)
def test_what_is_never_there_is_sent_until_nobody_waits_any_more(kind: str, wish: OnUncertain) -> None:
    """Each search says that it may be; the last attempt is in doubt, and so the message is held."""

    async def story() -> None:
        async with telling(kind, retry_horizon_seconds=4 * HORIZON) as (mailer, fakes):
            subject = letter(on_uncertain=wish)
            fakes[MAIN].rule = lambda _: faults.reset()
            end = await mailer.to_its_end(subject, await mailer.attempt(subject))
            sendings = [each for each in fakes[MAIN].requests if each.searched_for is None]

            assert isinstance(end, Uncertain)
            assert Event.HELD == mailer.told(subject)[-1].event
            assert len(sendings) > RESENDS
            assert () == fakes[MAIN].record

    run(story())
