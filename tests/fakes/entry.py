"""One request as the provider saw it, as far as it has come by now; times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Member:
    """One message of a batch."""

    message_id: str | None
    payload: Any
    accepted: bool = False
    accepted_at: float | None = None
    accepted_monotonic: float | None = None
    provider_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One request; in the list of what was accepted, one message."""

    number: int
    """Of the request, counted from 1 in the order of arrival."""
    path: str
    arrived_at: float
    """Unix time."""
    arrived: float
    """Monotonic time, which all processes of one machine share."""
    message_id: str | None
    """Ours, from the metadata; None for a batch and for a search."""
    payload: Any
    """The parsed JSON, or a form as a dict of lists; None where the body was neither."""
    headers: dict[str, str]
    """Names in lower case."""
    method: str = "POST"
    query: dict[str, list[str]] = field(default_factory=dict)
    searched_for: str | None = None
    """Our id of the message that was searched for; None for a request that is no search."""
    members: tuple[Member, ...] = ()
    """The messages of a batch, in its order; empty for a request of one message."""
    place: int | None = None
    """Where the message stood in its batch, counted from 0; None for a request as a whole."""
    fault: str | None = None
    """The name of how it was treated; None if as usual."""
    repeated: bool = False
    """It had the idempotency key of an earlier request, whose answer it was given again."""
    throttled: bool = False
    """It was above the rate limit."""
    accepted: bool = False
    """The fake took the message over: it would be in a mailbox now.  Of a batch: at least one of them."""
    accepted_at: float | None = None
    accepted_monotonic: float | None = None
    provider_message_id: str | None = None
    status: int | None = None
    """Of the answer that was begun."""
    answered: bool = False
    """The client certainly had the whole answer, and a while to make use of it."""
    honest: bool = False
    """That answer was the provider's own word on what became of the message."""

    @property
    def message_ids(self) -> tuple[str, ...]:
        """Our ids of the messages in it."""
        ids = (member.message_id for member in self.members) if self.members else (self.message_id,)
        return tuple(each for each in ids if each is not None)

    @property
    def ambiguous(self) -> bool:
        """The message was taken over, and the client was not, or may not have been, told.

        A client without an idempotency key or a search cannot know, and a second copy is not its fault.
        """
        return self.accepted and not (self.answered and self.honest)

    def message(self, place: int | None) -> Entry:
        """Give the entry of the message at *place* in the batch; None stands for a request of one."""
        if place is None:
            return self
        member = self.members[place]
        own = {each.name: getattr(member, each.name) for each in fields(Member)}
        return replace(self, **own, members=(), place=place)
