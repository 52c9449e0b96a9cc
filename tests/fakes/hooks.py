"""What a dialect tells the base of the HTTP fakes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.bucket import Bucket
from tests.fakes.dialect import Call, Verdict
from tests.fakes.entry import Entry


class Dialect(ABC):
    """One provider's way to speak.  None of these changes anything or raises, whatever the request is.

    Every dialect says ``judge``, ``refusal``, ``message_id`` and ``summary``.  Beyond that:

    * Batches: ``members`` splits a request into its messages, and ``judge`` gives a verdict whose
      ``fates`` tell what becomes of each.  Where the provider refuses single ones, it refuses those at
      the places of ``call.refused`` as well.
    * Idempotency keys: ``key`` reads the key, and the constructor sets ``self.keys`` to a
      :class:`.Keys` with the provider's two refusals.
    * Search: ``searched_for`` recognises a search, and ``found`` answers it.
    * ``rate_headers`` gives what the provider says about its limit in every answer.
    """

    @abstractmethod
    def judge(self, call: Call) -> Verdict:
        """Say what the provider would."""

    @abstractmethod
    def refusal(self, status: int) -> Verdict:
        """Give the provider's own words for a status, for faults that bring none and for the rate limit."""

    @abstractmethod
    def message_id(self, payload: Any) -> str | None:
        """Find our message id where the adapter put it, in a request of one message."""

    @abstractmethod
    def summary(self, payload: Any) -> str:
        """Name recipients and subject of one message, which was accepted, in one line."""

    def members(self, call: Call) -> Sequence[tuple[str | None, Any]]:  # noqa: ARG002 - for dialects that do
        """Give our id and the payload of each message of a batch, in order; empty if the request is none.

        A payload has the shape of a request of this one message, so that whoever reads the record need
        not know whether it came alone.
        """
        return ()

    def key(self, call: Call) -> str | None:  # noqa: ARG002 - for dialects that do
        """Give the request's idempotency key, if it is one that the provider takes."""
        return None

    def searched_for(self, call: Call) -> str | None:  # noqa: ARG002 - for dialects that do
        """Give our id of the message that is searched for, ``""`` if none can be read; None: no search."""
        return None

    def found(self, call: Call, messages: tuple[Entry, ...]) -> Verdict:  # noqa: ARG002 - for dialects that do
        """Answer a search, given the acceptances of the message that the index knows by now.

        The key is the dialect's to check, as is any range of time in the search.
        """
        return self.refusal(404)

    def rate_headers(self, limit: Bucket) -> Mapping[str, str]:  # noqa: ARG002 - for dialects that do
        """Give what the provider says about its limit in every answer."""
        return {}
