"""A newsletter: messages that differ as little as those of one mailing do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.mailer.outcome import Outcome
from services.mailer.providers.base import Batchable, Response
from shared.signatures import Address, SendEmail
from tests.fakes import HTTP_FAKES, FakeESP
from tests.mailer.carried import READERS, Carried
from tests.mailer.made import KEY, made
from tests.mailer.places import post
from tests.mailer.samples import message

_FIRST = 0x019A9D5E7B2C7DEF8ABC0123456789AB


def letters(count: int, **fields: Any) -> list[SendEmail]:
    """Make messages to a recipient each, with an id, subject and metadata of their own."""
    return [
        message(
            **{
                "message_id": UUID(int=_FIRST + number),
                "to": (Address(email=f"user{number}@example.net", name=f"Nº {number}"),),
                "subject": f"Grüße, {number}",
                "html": "<p>Grüße</p>",
                "metadata": {"order": str(number)},
                **fields,
            }
        )
        for number in range(count)
    ]


def batchable(kind: str, base_url: str = "https://provider.test") -> Batchable:
    provider = made(kind, base_url)
    assert isinstance(provider, Batchable)
    return provider


def alike(kind: str, *messages: SendEmail) -> bool:
    """Whether these messages may share a request."""
    shares = {batchable(kind).shared(each) for each in messages}
    return len(shares) == 1 and None not in shares


async def sent(kind: str, messages: list[SendEmail]) -> tuple[list[Outcome], list[Carried], FakeESP]:
    """Send messages in one request; give their outcomes, what arrived, and the fake that took them."""
    async with HTTP_FAKES[kind](api_key=KEY) as fake:
        provider = batchable(kind, fake.base_url)
        outcomes = provider.read_batch(await post(provider.build_batch(messages)), messages)
        return outcomes, [READERS[kind](entry.payload) for entry in fake.record], fake


def read(kind: str, answer: Response, count: int = 2) -> list[Outcome]:
    """Say what a provider makes of an answer to a batch of so many."""
    return batchable(kind).read_batch(answer, letters(count))
