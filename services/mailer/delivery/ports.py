"""What delivery needs from outside: somebody who performs requests, and somebody who takes events."""

from __future__ import annotations

from typing import Protocol

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
