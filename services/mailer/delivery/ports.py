"""What delivery needs from outside: somebody who performs requests, and somebody who takes events."""

from __future__ import annotations

from typing import Protocol

from services.mailer.outcome import Outcome
from services.mailer.providers.base import Outgoing, Response
from shared.signatures import RecordEvent


class NotSentError(Exception):
    """The request certainly did not reach the provider."""


class NoAnswerError(Exception):
    """The request left, and no usable answer came back."""


class Transport(Protocol):
    """Performs requests."""

    async def perform(self, request: Outgoing) -> Response:
        """Perform ``request`` once.

        Raises:
            NotSentError: It certainly did not reach the provider.
            NoAnswerError: It may have.
        """


class UnreportedError(Exception):
    """The broker did not take an event."""


class Reporter(Protocol):
    """Takes events to the gateway."""

    async def report(self, event: RecordEvent) -> None:
        """Return once the broker has the event, safely.

        Raises:
            UnreportedError: It has not.
        """

    def mention(self, event: RecordEvent) -> None:
        """Send an event that nobody has to wait for."""


class Watch(Protocol):
    """Counts what happens; each call has to be quick."""

    def attempted(self, account: str, outcome: Outcome) -> None:
        """An attempt at an account ended."""

    def answered(self, account: str, seconds: float) -> None:
        """A request to an account's provider ended, with or without an answer."""

    def resolved(self, way: str) -> None:
        """An attempt in doubt was looked into, and this follows.

        ``found`` or ``absent`` at the provider, ``asked_again`` with the same key, ``resent`` or ``held``
        because nobody can tell.
        """

    def held(self) -> None:
        """A message waits for a human."""


class Unwatched:
    """Counts nothing."""

    def attempted(self, account: str, outcome: Outcome) -> None:
        """See :class:`Watch`."""

    def answered(self, account: str, seconds: float) -> None:
        """See :class:`Watch`."""

    def resolved(self, way: str) -> None:
        """See :class:`Watch`."""

    def held(self) -> None:
        """See :class:`Watch`."""


UNWATCHED: Watch = Unwatched()
