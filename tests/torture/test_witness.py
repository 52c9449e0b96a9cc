"""When a storm's witness believes that nothing is under way any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.torture.witness import Api


class Told(Api):
    """Is told of one message, which is in another state each time that somebody asks."""

    def __init__(self, *states: str) -> None:
        self._stage: Any = SimpleNamespace(keys={"shop": "key"})
        self._states = list(states)

    async def get(self, tenant: str, path: str) -> Any:
        """What a gateway would list."""
        assert tenant == "shop"
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        wanted = path.partition("status=")[2].partition("&")[0]
        return {"data": [{"id": "1", "status": state}] if wanted in ("", state) else [], "has_more": False}


@pytest.mark.parametrize(
    ("states", "rests"),
    [
        (["sent"], True),
        (["queued"], False),
        (["scheduled", "scheduled", "queued"], False),
        (["sending", "sending", "deferred", "deferred", "queued"], False),
        (["scheduled", "scheduled", "queued", "queued", "queued", "queued", "sent"], True),
    ],
)
async def test_a_message_that_is_nowhere_where_one_looks_is_noticed(
    states: list[str], *, rests: bool
) -> None:
    """It may go on from state to state while these are looked at one after another."""
    assert rests == await Told(*states).is_at_rest()
