"""What really became of a message that a mishap befell: told by a mailer, and by the fake's own record."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from services.mailer.accounts.circuit import Position
from services.mailer.outcome import Deferred, Outcome, Redundant
from services.mailer.providers.base import Outgoing, Request
from shared.signatures import Event, OnUncertain, RecordEvent, SendEmail
from tests.contract.conformance.mailer import Mailer, mailing
from tests.contract.conformance.mishap import Mishap
from tests.contract.conformance.rule import Means, means_of
from tests.fakes import FAKES, Fake, FakeSmtp
from tests.fakes.entry import Entry
from tests.fakes.smtp.certificates import Authority
from tests.mailer.made import KEY
from tests.mailer.samples import message

MAIN, SPARE = "main", "spare"
_HERE = "127.0.0.1"
_SPARE_KIND = "sendgrid"

Told = TypeVar("Told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """How things stand with a message at a moment."""

    outcome: Outcome | Redundant
    """What its last attempt came to."""
    events: Sequence[RecordEvent]
    requests: Sequence[Entry]
    """What the fake saw: sendings and searches."""
    copies: Sequence[Entry]
    """What it took over."""
    elsewhere: Sequence[Entry]
    """What the fake of the other account took over."""

    @property
    def told(self) -> str:
        """What was reported last."""
        return self.events[-1].event


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Three glances, and what is to be said of the time between."""

    first: Glance
    """After the first attempt, to which the mishap happened."""
    soon: Glance
    """After a copy of the message that came at once: before its time, or after its end."""
    end: Glance
    """After the last attempt."""
    circuit: Position
    """Of the account, after the first attempt."""
    pause: float
    """Seconds for which it was left alone then, having been too fast."""
    sent: Sequence[Outgoing]
    """The requests by which the message was to be sent through the account."""


async def tell(
    kind: str, mishap: Mishap, *, spare: bool = False, wish: OnUncertain = OnUncertain.RESEND
) -> Story:
    """Let a message meet a mishap at an account of this kind, and let it come until it has ended.

    With a *spare* account there is a healthy one beside it.
    """
    async with telling(kind, spare=spare, in_the_clear=mishap.in_the_clear) as (mailer, fakes):
        if mishap.after_another:
            await mailer.attempt(letter())
        subject = letter(on_uncertain=wish, **mishap.fields)
        first = glance(mailer, fakes, subject, await befallen(mailer, fakes[MAIN], mishap, subject))
        circuit = mailer.accounts[MAIN].circuit.position
        pause = await mailer.pause_of(MAIN)
        mailer.time.ends_pauses()
        if means_of(type(fakes[MAIN])) is Means.SEARCH and first.told == Event.UNCERTAIN:
            mailer.time.hurries(subject)  # that it is due is no reason to search before the time
        outcome = await mailer.attempt(subject)
        soon = glance(mailer, fakes, subject, outcome)
        if isinstance(first.outcome, Deferred):
            outcome = await mailer.to_its_end(subject, first.outcome)
        end = glance(mailer, fakes, subject, outcome)
        ours = str(subject.message_id).encode()
        sent = [
            each for each in mailer.sendings.requests if ours in each.body and _goes_to(fakes[MAIN], each)
        ]
        return Story(first=first, soon=soon, end=end, circuit=circuit, pause=pause, sent=sent)


@asynccontextmanager
async def telling(
    kind: str, *, spare: bool = False, in_the_clear: bool = False, **settings: Any
) -> AsyncIterator[tuple[Mailer, Mapping[str, Fake]]]:
    """A mailer with its fakes, by the names of the accounts."""
    fakes = {MAIN: fake_of(kind, in_the_clear=in_the_clear)}
    if spare:
        fakes[SPARE] = fake_of(_SPARE_KIND)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for fake in fakes.values():
            await stack.enter_async_context(fake)
        yield await stack.enter_async_context(mailing(folder / "claims.sqlite3", fakes, **settings)), fakes


async def befallen(mailer: Mailer, fake: Fake, mishap: Mishap, *subjects: SendEmail) -> Any:
    """Let messages come at the same moment, while a mishap happens to the first request of them."""
    if mishap.fault is not None:
        fake.script(mishap.fault)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(mishap.during(fake))
        if mishap.patience is not None:
            await stack.enter_async_context(mailer.patient_for(mishap.patience))
        outcomes = await asyncio.gather(*map(mailer.attempt, subjects))
    assert not fake._treatments._script, "it did not happen"
    return outcomes if len(subjects) > 1 else outcomes[0]


def letter(**fields: Any) -> SendEmail:
    """Make a message of its own."""
    return message(**{"message_id": uuid4(), "html": "<p>Hello</p>", **fields})


def glance(
    mailer: Mailer, fakes: Mapping[str, Fake], subject: SendEmail, outcome: Outcome | Redundant
) -> Glance:
    """Look at how things stand."""
    ours = str(subject.message_id)
    main, spare = fakes[MAIN], fakes.get(SPARE)
    return Glance(
        outcome=outcome,
        events=mailer.told(subject),
        requests=[each for each in main.requests if ours in (*each.message_ids, each.searched_for)],
        copies=[each for each in main.record if each.message_id == ours],
        elsewhere=[each for each in spare.record if each.message_id == ours] if spare else [],
    )


def run(story: Coroutine[Any, Any, Told]) -> Told:
    """Tell a story, while the authority of the fakes' certificates is trusted, and no other."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(_authority().file(Path(folder) / "authority.pem")))
        return asyncio.run(story)


def fake_of(kind: str, *, in_the_clear: bool = False) -> Fake:
    """Make a fake; the mail server wants to be spoken to in secret, if not told otherwise."""
    if kind == FakeSmtp.kind and not in_the_clear:
        return FakeSmtp(api_key=KEY, security="starttls", context=_authority().context(_HERE))
    return FAKES[kind](api_key=KEY)


@cache
def _authority() -> Authority:
    return Authority()


def _goes_to(fake: Fake, request: Outgoing) -> bool:
    if isinstance(request, Request):
        return request.url.startswith(fake.base_url)
    return fake.base_url.endswith(f"{request.host}:{request.port}")
