"""What really became of five messages that shared a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.mailer.accounts.circuit import Position
from shared.signatures import Address, Lane, OnUncertain, SendEmail
from tests.contract.conformance import over_http
from tests.contract.conformance.mishap import Known, Mishap
from tests.contract.conformance.rule import Means, means_of
from tests.contract.conformance.story import MAIN, Glance, befallen, glance, letter, telling
from tests.contract.conformance.surroundings import USUAL
from tests.fakes import HTTP_FAKES, faults
from tests.fakes.hooks import Dialect

COUNT = 5
_ODD = 2
"""The place of the message that is special, where one is."""
_REFUSED = (1, 3)
_SINGLY = ("postmark", "ses")
"""The kinds whose provider refuses a message of a batch and takes the others."""

TAKE_BATCHES = [kind for kind, fake in HTTP_FAKES.items() if fake.members is not Dialect.members]
GROUPED = [
    # Under one key for all of them, messages could only come again as the very same batch.
    kind
    for kind in TAKE_BATCHES
    if means_of(HTTP_FAKES[kind]) is not Means.KEY
]
"""The kinds of provider at which delivery groups messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that happens to a batch, and what it is to each of its messages."""

    mishap: Mishap
    """To the request."""
    each: Sequence[Mishap]
    """To the messages, as if each had come alone."""
    singly: bool = False
    """Whether each is tried once more, alone and at once, since it may be refused for another's sake."""


def cases(kind: str) -> Iterator[Case]:
    """Give everything that can happen to a batch at a provider of this kind."""
    for mishap in over_http.mishaps(kind):
        if "to" in mishap.fields:
            each = [mishap if place == _ODD else USUAL for place in range(COUNT)]
            aside = kind == "postmark"  # which judges one after the other; the others the request as a whole
            yield Case(mishap=mishap, each=each, singly=not aside)
        elif mishap.known is Known.NOT_THIS:
            yield Case(mishap=mishap, each=[USUAL] * COUNT, singly=True)
        else:
            plain = replace(mishap, fields={})
            yield Case(mishap=plain, each=[plain] * COUNT)
    refused = Mishap(name="partial", known=Known.NOT_THIS)
    some = _REFUSED if kind in _SINGLY else ()
    yield Case(
        mishap=Mishap(name="partial", known=Known.TAKEN, fault=faults.partial(*_REFUSED)),
        each=[refused if place in some else USUAL for place in range(COUNT)],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStory:
    """Glances at each of the messages, in their order."""

    requests: int
    """How many there were when each message had come once."""
    circuit: Position
    """Then, of an account that bears one failure."""
    firsts: Sequence[Glance]
    ends: Sequence[Glance]


async def tell(kind: str, case: Case, wish: OnUncertain) -> BatchStory:
    """Let five messages share a request, and come until each has ended."""
    subjects = newsletter(on_uncertain=wish)
    for place, mishap in enumerate(case.each):
        subjects[place] = subjects[place].model_copy(update=dict(mishap.fields))
    async with telling(kind, circuit_failures=2) as (mailer, fakes):
        outcomes = await befallen(mailer, fakes[MAIN], case.mishap, *subjects)
        requests, circuit = len(mailer.sendings.requests), mailer.accounts[MAIN].circuit.position
        firsts = [glance(mailer, fakes, *each) for each in zip(subjects, outcomes, strict=True)]
        ends = []
        for subject, outcome in zip(subjects, outcomes, strict=True):
            mailer.time.ends_pauses()  # nor is anybody slow any more who was too fast
            ends.append(await mailer.to_its_end(subject, outcome))
        return BatchStory(
            requests=requests,
            circuit=circuit,
            firsts=firsts,
            ends=[glance(mailer, fakes, *each) for each in zip(subjects, ends, strict=True)],
        )


def newsletter(count: int = COUNT, lane: Lane = Lane.BULK, **fields: object) -> list[SendEmail]:
    """Make messages that may share a request."""
    return [
        letter(lane=lane, to=(Address(email=f"user{number}@example.net"),), **fields)
        for number in range(count)
    ]
