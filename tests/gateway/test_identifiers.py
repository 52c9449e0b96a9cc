"""What a message is called."""

from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from services.gateway.identifiers import new_message_id


def milliseconds(message_id: UUID) -> int:
    """When an id was made, in Unix milliseconds (RFC 9562, 5.7)."""
    return message_id.int >> 80


def test_an_id_is_a_uuid_of_version_7() -> None:
    """With the variant of RFC 9562."""
    message_id = new_message_id()

    assert (7, RFC_4122) == (message_id.version, message_id.variant)


def test_an_id_tells_when_it_was_made() -> None:
    """To the millisecond."""
    before = time.time_ns() // 1_000_000
    made = milliseconds(new_message_id())
    after = time.time_ns() // 1_000_000

    assert before <= made <= after


def test_ids_sort_by_time() -> None:
    """As text and as bytes; so new rows land at the end of the index."""
    ids = []
    for _ in range(5):
        ids.append(new_message_id())
        time.sleep(0.002)

    assert ids == sorted(ids)
    assert list(map(str, ids)) == sorted(map(str, ids))


def test_ids_are_different() -> None:
    """Also within a millisecond."""
    ids = {new_message_id() for _ in range(20_000)}

    assert len(ids) == 20_000


def test_ids_cannot_be_guessed() -> None:
    """Each of the 74 random bits is sometimes set and sometimes not."""
    mask = (((1 << 12) - 1) << 64) | ((1 << 62) - 1)
    ids = [new_message_id().int & mask for _ in range(200)]
    ever, always = 0, mask
    for value in ids:
        ever |= value
        always &= value

    assert mask == ever
    assert always == 0
