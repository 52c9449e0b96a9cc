"""From a message that was submitted to the ledger's entry for it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json, to_json

from services.gateway.ledger.deposit import Entry, Key
from services.gateway.states import ACCEPTED, SCHEDULED
from services.gateway.submission.addresses import comparable
from shared.signatures import Event, SendEmail, SendWelcomeEmail

RECIPIENTS_SUPPRESSED: Final = "recipients_suppressed"

_LISTS = ("to", "cc", "bcc")
_SUMMARY = {
    "message_id",
    "tenant",
    "lane",
    "sender",
    *_LISTS,
    "reply_to",
    "subject",
    "tags",
    "metadata",
    "expires_at",
    "on_uncertain",
    "series",
}
"""Fields of a message that lists show, and that stay when bodies are purged."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as it will be accepted, unless a rule of its tenant stands against it."""

    signature: SendEmail | SendWelcomeEmail
    scheduled_at: datetime | None = None
    key: Key | None = None
    """Guards this one message of a batch."""
    place: str = ""
    """Where it stands in the body, as a JSON pointer: ``/3`` in a batch."""

    def recipients(self) -> list[str]:
        """Everybody it goes to, in the form that addresses are compared in."""
        if isinstance(self.signature, SendWelcomeEmail):
            return [comparable(self.signature.email)]
        everybody = (*self.signature.to, *self.signature.cc, *self.signature.bcc)
        return [comparable(recipient.email) for recipient in everybody]

    def entry(self, suppressed: AbstractSet[str] = frozenset(), trace: str | None = None) -> Entry:
        """What is committed, as part of a *trace*; recipients among *suppressed* are left out of it.

        If nobody is left to write to, the message itself is suppressed.
        """
        signature, left_out = self.signature, self._left_out(suppressed)
        status, event, reason = ACCEPTED, None, None
        if left_out:
            signature, event, reason = _without(signature, left_out)
            status = event if event == Event.SUPPRESSED else status
        if self.scheduled_at is not None and status == ACCEPTED:
            status = event = SCHEDULED
        assert signature.message_id is not None  # noqa: S101 - the gateway has just made it
        return Entry(
            signature.message_id,
            signature.tenant,
            signature.lane,
            signature.task,
            arguments := signature.arguments(),
            trace,
            summary=_summary(signature, arguments),
            lookups=self._lookups(),
            status=status,
            event=event,
            reason=reason,
            scheduled_at=self.scheduled_at,
            expires_at=getattr(signature, "expires_at", None),
        )

    def _left_out(self, suppressed: AbstractSet[str]) -> list[str]:
        if not suppressed:
            return []
        return [place for place, address in _addresses(self.signature) if comparable(address) in suppressed]

    def _lookups(self) -> tuple[tuple[str, str], ...]:
        found = dict.fromkeys(("recipient", recipient) for recipient in self.recipients())
        if isinstance(self.signature, SendEmail):
            found |= dict.fromkeys(("tag", f"{tag.name}:{tag.value}") for tag in self.signature.tags)
        return tuple(found)


def _addresses(signature: SendEmail | SendWelcomeEmail) -> list[tuple[str, str]]:
    """Every recipient, with its place in the submission as a JSON pointer."""
    if isinstance(signature, SendWelcomeEmail):
        return [("/email", signature.email)]
    return [
        (f"/{name}/{index}", address.email)
        for name in _LISTS
        for index, address in enumerate(getattr(signature, name))
    ]


def _without(
    signature: SendEmail | SendWelcomeEmail, left_out: list[str]
) -> tuple[SendEmail | SendWelcomeEmail, str, str]:
    """The message without some recipients, and what its timeline says of that."""
    kept: dict[str, Any] = {
        name: tuple(
            address
            for index, address in enumerate(getattr(signature, name, ()))
            if f"/{name}/{index}" not in left_out
        )
        for name in _LISTS
    }
    if not kept["to"]:
        return signature, Event.SUPPRESSED, "Nobody in to is left: the recipients are suppressed."
    reason = f"Left out, because they are suppressed: {', '.join(left_out)}."
    return signature.model_copy(update=kept), RECIPIENTS_SUPPRESSED, reason


def read_signature(task: str, content: bytes) -> SendEmail | SendWelcomeEmail:
    """Read a message back from its arguments, or, without what only they hold, from its summary.

    Raises:
        pydantic.ValidationError: It was written by a version that this one does not understand.
    """
    return (SendEmail if task == SendEmail.task else SendWelcomeEmail).parse(content)


def in_series(content: bytes, series: int) -> bytes:
    """Give arguments, or a summary, of the same message in another series of attempts.

    What a newer version wrote there stays, although this one does not know it.
    """
    return to_json({**from_json(content), "series": series})


def summarise(task: str, arguments: bytes) -> bytes:
    """Give the summary of a message that was stored without one.

    Raises:
        pydantic.ValidationError: As :func:`read_signature`.
    """
    return _summary(read_signature(task, arguments), arguments)


def _summary(signature: SendEmail | SendWelcomeEmail, arguments: bytes) -> bytes:
    if isinstance(signature, SendWelcomeEmail):
        return arguments
    return signature.model_dump_json(by_alias=True, exclude_defaults=True, include=_SUMMARY).encode()
