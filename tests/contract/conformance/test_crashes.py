"""A mailer that dies while its provider is at work, and another one that finds what it left."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

import pytest

from shared.signatures import Event, OnUncertain, SendEmail
from tests.contract.conformance.mailer import PATIENT, Mailer, mailing
from tests.contract.conformance.mishap import Known, Mishap
from tests.contract.conformance.rule import expected, means_of
from tests.contract.conformance.story import MAIN, fake_of, letter, run
from tests.fakes import FAKES, Fake, faults
from tests.fakes.entry import Entry
from tests.fakes.faults import Fault


@pytest.mark.parametrize("wish", OnUncertain)
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not-taken"])
@pytest.mark.parametrize("kind", FAKES)
def test_an_attempt_whose_mailer_died_is_in_doubt(kind: str, wish: OnUncertain, *, taken: bool) -> None:
    """It ends like any other one whose answer is lost; while the dead one's lease lasts nobody asks."""
    death = Mishap(name="death", known=Known.NOTHING, fault=faults.hang(accept=taken), taken=taken)
    rule = expected(death, means_of(FAKES[kind]), wish)

    async def story() -> None:
        subject = letter(on_uncertain=wish)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "claims.sqlite3"
            async with fake_of(kind) as fake:
                async with mailing(file, {MAIN: fake}) as dying:
                    await dies_while_asking(dying, fake, subject, taken=taken)
                async with mailing(file, {MAIN: fake}) as another:
                    outcome = await another.attempt(subject)
                    seen = len(fake.requests)
                    await another.to_its_end(subject, outcome)

                    assert 1 == seen
                    assert Event.UNCERTAIN == another.told(subject)[0].event
                    assert rule.end == another.told(subject)[-1].event
                    assert rule.copies == len(fake.record)

    run(story())


async def dies_while_asking(mailer: Mailer, fake: Fake, subject: SendEmail, *, taken: bool) -> None:
    arrived, accepted = asyncio.Event(), asyncio.Event()

    def hang(_: Entry) -> Fault:
        arrived.set()
        return faults.hang(accept=taken)

    fake.rule, fake.on_accept = hang, lambda _: accepted.set()
    attempt = asyncio.create_task(mailer.attempt(subject))
    async with asyncio.timeout(PATIENT):
        await (accepted if taken else arrived).wait()
    attempt.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attempt
    fake.rule = None
