"""A sentence for each event of a timeline, for whoever reads it."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

_BY_GATEWAY: Final = MappingProxyType(
    {
        "accepted": "Accepted: it is stored, and will not be lost.",
        "queued": "Queued: the broker has it, and a mailer takes it from there.",
        "scheduled": "Scheduled for later.",
        "rescheduled": "Scheduled for another time.",
        "canceled": "Canceled before it was sent.",
        "recipients_suppressed": "Some of its recipients were left out",
        "suppressed": "Not sent to anybody",
        "expired": "Expired before it could be sent",
        "unroutable": "The broker has no queue for it yet",
        "republished": "Queued once more",
        "replayed": "Replayed: it is sent once more.",
        "released": "Released: it is sent once more, although it may have been sent.",
        "dropped": "Dropped: it is not sent once more.",
        "failed": "Given up",
    }
)
_BY_MAILER: Final = MappingProxyType(
    {
        "sending": "{attempt} began{at_account}",
        "sent": "{attempt} was accepted{by_account}",
        "deferred": "{attempt} was deferred{by_account}",
        "uncertain": "{attempt}{at_account} may have sent it, and nobody can tell",
        "held": "Held: it may have been sent, and is not sent again unless somebody says so",
        "suppressed": "Not sent{by_account}, which sends nothing to this recipient",
        "failed": "Given up after {times}",
        "expired": "Expired after {times}",
    }
)
_TOLD: Final = MappingProxyType(
    {
        "processed": "{account} has it, and is about to deliver it{to}",
        "delivered": "Delivered{to}: the receiving server took it",
        "delivery_delayed": "The receiving server did not take it yet{to}; {account} goes on trying",
        "soft_bounced": "Not delivered{to} this time",
        "bounced": "Bounced: it cannot be delivered{to}",
        "complained": "{recipient} marked it as spam",
        "unsubscribed": "{recipient} wants no more bulk mail",
        "opened": "Opened{by}",
        "clicked": "A link in it was followed{by}",
        "suppressed": "{account} did not deliver it{to}, because it sends nothing there",
        "failed": "{account} dropped it after it had accepted it",
    }
)


class Summarisable(Protocol):
    """What a sentence is made of."""

    @property
    def event(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def recipient(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def retry_at(self) -> datetime | None: ...


def summary(event: Summarisable) -> str:
    """Say in a sentence what happened; an event of a newer version is only named."""
    sentence = _sentence(event)
    if sentence.endswith("."):
        return sentence
    if event.reason and event.event != event.reason:
        sentence += f": {event.reason.rstrip('.')}"
    if event.retry_at is not None:
        sentence += f"; the next one follows at {event.retry_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{sentence}."


def _sentence(event: Summarisable) -> str:
    if event.actor == "gateway":
        return _BY_GATEWAY.get(event.event, _named(event.event))
    phrases = _BY_MAILER if event.actor == "mailer" else _TOLD
    account, who = event.provider, event.recipient
    return phrases.get(event.event, _named(event.event)).format(
        attempt=f"Attempt {event.attempt}" if event.attempt else "It",
        times=f"attempt {event.attempt}" if event.attempt else "no attempt",
        account=account or "The provider",
        at_account=f" at {account}" if account else "",
        by_account=f" by {account}" if account else "",
        recipient=who or "A recipient",
        to=f" to {who}" if who else "",
        by=f" by {who}" if who else "",
    )


def _named(event: str) -> str:
    return event.replace("_", " ").replace("{", "").replace("}", "").capitalize()
