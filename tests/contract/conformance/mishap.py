"""What can happen to a message at a provider, and what a client that sees it may know.

The truth is declared here, by what the protocols say, and by nothing that a provider's adapter does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.fakes import Fake
from tests.fakes.faults import Fault


class Known(Enum):
    """What a client that sees it may know of its message, and of whom it speaks."""

    TAKEN = "the provider says that it took it"
    AWAY = "it was not taken, for the provider is ill or out of reach"
    TOO_FAST = "it was not taken, for the account sends too fast"
    NOT_US = "it was not taken, and no other message of this account would be"
    NOT_YET = "it was not taken; this very message may be later"
    NOT_THIS = "it was not taken, and never will be"
    NOT_TO_THEM = "it was not taken, and nothing to these recipients will be"
    NOTHING = "it may have been taken"

    @property
    def is_certain(self) -> bool:
        return self is not Known.NOTHING


Circumstance = Callable[[Any], AbstractAsyncContextManager[None]]
"""Something about a fake that goes on for a while."""


@asynccontextmanager
async def nothing_else(_: Fake) -> AsyncIterator[None]:
    """The circumstances are as usual."""
    yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """Happens to the first request of a message; everything after that is as usual."""

    name: str
    known: Known
    fault: Fault | None = None
    """What the fake does to the request."""
    during: Circumstance = nothing_else
    """What goes on while the first attempt is made."""
    taken: bool = False
    """Whether the provider really takes the message over."""
    asks: tuple[float, float] | None = None
    """Between which seconds the wait is that the answer asks for, as far as anybody would do so."""
    patience: float | None = None
    """Seconds that the first attempt may take, where it is known that it will use them up."""
    after_another: bool = False
    """Whether a message was sent before, over a connection that is still open."""
    in_the_clear: bool = False
    """Whether the account does not encrypt, where that is a choice: TLS takes in what nobody has read yet."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What is special about the message."""

    @property
    def lies(self) -> bool:
        """Whether the answer says that the message was not taken, although it was."""
        return self.taken and self.known not in (Known.TAKEN, Known.NOTHING)


def changed(**attributes: Any) -> Circumstance:
    """Let these attributes of a fake be different for a while."""

    @asynccontextmanager
    async def during(fake: Fake) -> AsyncIterator[None]:
        before = {name: getattr(fake, name) for name in attributes}
        for name, value in attributes.items():
            setattr(fake, name, value)
        yield
        for name, value in before.items():
            setattr(fake, name, value)

    return during
