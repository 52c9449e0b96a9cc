"""Whoever has no key cannot tell from the work that is done for the answer how near the guess was.

Counted, since a clock tells of the machine more than of the code: the same calls of Python and of C are
made, and the same question is asked of the ledger, whether a key is unknown, wrong or revoked.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from types import FrameType
from typing import Any
from uuid import UUID

import pytest

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.api_keys import StoredKey
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission
from services.gateway.tenants.keyring import Keyring


class Table:
    """The ledger's keys, in memory; counts how often it is asked."""

    def __init__(self, key: keys.NewKey) -> None:
        self._rows = {key.id: StoredKey(Caller("acme", key.id, Permission.FULL), key.digest)}
        self.asked: list[int] = []

    async def find(self, ids: Collection[UUID]) -> Mapping[UUID, StoredKey]:
        """See :class:`~services.gateway.ledger.api_keys.ApiKeys`."""
        self.asked.append(len(ids))
        return {key_id: row for key_id, row in self._rows.items() if key_id in ids}


LIVING, REVOKED = keys.generate(new_message_id()), keys.generate(new_message_id())
GUESSES = {
    "unknown": keys.generate(new_message_id()).text,
    "wrong": keys.generate(LIVING.id).text,
    "revoked": REVOKED.text,
    "revoked and wrong": keys.generate(REVOKED.id).text,
}


async def work(text: str) -> tuple[Counter[str], list[int]]:
    """The calls that are made for a guess, and the questions."""
    table = Table(LIVING)
    keyring = Keyring(table, max_age=1.0)  # type: ignore[arg-type]
    assert await keyring.identify(LIVING.text) is not None  # whatever is done once is done
    table.asked.clear()
    made: Counter[str] = Counter()

    def note(frame: FrameType, what: str, argument: Any) -> None:
        if "services" in frame.f_code.co_filename and what in {"call", "c_call"}:
            made[argument.__qualname__ if what == "c_call" else frame.f_code.co_qualname] += 1

    sys.setprofile(note)
    try:
        assert await keyring.identify(text) is None
    finally:
        sys.setprofile(None)
    return made, table.asked


@pytest.mark.parametrize("guess", GUESSES)
def test_the_same_is_done_for_every_wrong_key(guess: str) -> None:
    """And the comparison is one whose time tells nothing."""
    expected, asked = asyncio.run(work(GUESSES["unknown"]))
    made, also = asyncio.run(work(GUESSES[guess]))

    assert asked == also == [1]
    assert expected == made
    assert 1 == made["compare_digest"]


def test_what_cannot_be_a_key_is_told_by_its_form_alone() -> None:
    """No row is looked for; its form is no secret, and says nothing of any key there is."""
    table = Table(LIVING)
    keyring = Keyring(table, max_age=1.0)  # type: ignore[arg-type]

    assert [None, None] == [
        asyncio.run(keyring.identify(text)) for text in (LIVING.text[:-1], LIVING.text[:-1] + "~")
    ]
    assert not table.asked
