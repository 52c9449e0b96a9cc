"""Faults by lot are the same ones in every run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx

from tests.fakes import FakeESP, faults
from tests.fakes.calls import send
from tests.fakes.entry import Entry, Member

MESSAGES = [f"m-{number}" for number in range(3000)]


def entry(message_id: str | None = None, **fields: Any) -> Entry:
    seen = {"path": "/", "arrived_at": 0.0, "arrived": 0.0, "payload": None, "headers": {}}
    return Entry(**{"number": 1, "message_id": message_id, **seen, **fields})


def batch(*ids: str) -> Entry:
    return entry(members=tuple(Member(each, None) for each in ids))


def drawn(
    seed: int, messages: list[str], times: int = 1, **options: Any
) -> dict[tuple[str, int], str | None]:
    rule = faults.seeded(seed, 0.1, **options)
    found = {}
    for message in messages:
        for time in range(times):
            fault = rule(entry(message))
            found[message, time] = fault.label if fault else None
    return found


def test_a_run_can_be_replayed() -> None:
    """The same seed draws the same faults for the same messages, whatever their order."""
    assert drawn(7, MESSAGES, 3) == drawn(7, MESSAGES[::-1], 3)


def test_another_seed_is_another_run() -> None:
    """What one seed does not find another one may."""
    assert drawn(7, MESSAGES) != drawn(8, MESSAGES)


def test_an_attempt_draws_anew() -> None:
    """A message is not lost because its first attempt was unlucky."""
    found = drawn(7, MESSAGES, 3)
    unlucky = [message for message in MESSAGES if found[message, 0]]

    assert [message for message in unlucky if not found[message, 1]]
    assert [message for message in MESSAGES if not found[message, 0] and found[message, 1]]


def test_the_share_is_kept() -> None:
    """One in ten is one in ten."""
    found = drawn(7, MESSAGES)

    assert 0.08 < sum(label is not None for label in found.values()) / len(found) < 0.12


def test_every_kind_is_drawn() -> None:
    """All that has a weight happens, except what needs a batch."""
    rule = faults.seeded(7, 1)
    seen = Counter(fault.label for message in MESSAGES if (fault := rule(entry(message))))

    assert {str(fault.label) for _, fault in faults.WEIGHTS.values()} - {"partial"} == set(seen)
    assert seen["429-day"] < seen["500"]


def test_kinds_can_be_left_out() -> None:
    """A run that has no quarter of an hour leaves out what parks the account."""
    found = set(drawn(7, MESSAGES, 3, without=faults.PARKING).values())

    assert not found & faults.PARKING
    assert "429-date" in found


def test_a_batch_is_refused_in_part() -> None:
    """Which of its messages are refused is drawn for each, and at least one is."""
    ids = [f"m-{number}" for number in range(100)]
    rule, again = (faults.seeded(7, 1, weights={"partial": (1, faults.partial())}) for _ in range(2))
    many = rule(batch(*ids))
    ones = [rule(batch(each)) for each in ids]

    assert many is not None
    assert 30 < len(many.refused) < 70
    assert {frozenset({0})} == {one.refused for one in ones if one}
    assert many == again(batch(*ids))


async def test_a_fake_can_be_run_badly(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """As a rule, it treats the messages that it draws, and records how."""
    fake.rule = faults.seeded(7, 0.5, weights={"503": (1, faults.refuse(503))})
    for message in MESSAGES[:20]:
        await send(client, fake, message)
    expected = faults.seeded(7, 0.5, weights={"503": (1, faults.refuse(503))})

    assert [expected(entry(message)) is None for message in MESSAGES[:20]] == [
        request.accepted for request in fake.requests
    ]
    assert {None, "503"} == {request.fault for request in fake.requests}
