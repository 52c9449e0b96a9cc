"""Amazon SES, whose events come through Amazon SNS, in one of two formats.

What a configuration set publishes: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
What an identity notifies of: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from services.gateway.provider_events import documents, sns
from services.gateway.provider_events.documents import inside, listed, text
from services.gateway.provider_events.reader import (
    Aside,
    Call,
    Fetch,
    NotGenuineError,
    Reading,
    UnreadableError,
)
from services.gateway.provider_events.sns import Envelope
from services.gateway.provider_events.telling import MESSAGE_ID, Teller, fingerprint, only
from shared.signatures import Event, Feedback, RecordEvent

_BODY_BYTES: Final = 600_000
"""It has to be read before it is known who wrote it; a message of SNS's is of 256 kB, before it is quoted."""

_WORDS: Final[dict[str, tuple[str, str]]] = {
    # The event's type: our word for it, and the field that holds what is particular to it.
    "Send": (Feedback.PROCESSED, "send"),
    "Reject": (Event.FAILED, "reject"),
    "Rendering Failure": (Event.FAILED, "failure"),
    "Delivery": (Feedback.DELIVERED, "delivery"),
    "DeliveryDelay": (Feedback.DELIVERY_DELAYED, "deliveryDelay"),
    "Bounce": (Feedback.SOFT_BOUNCED, "bounce"),
    "Complaint": (Feedback.COMPLAINED, "complaint"),
    "Open": (Feedback.OPENED, "open"),
    "Click": (Feedback.CLICKED, "click"),
    "Subscription": (Feedback.UNSUBSCRIBED, "subscription"),
}
_ON_A_LIST: Final = frozenset({"Suppressed", "OnAccountSuppressionList"})
"""Kinds of bounces and complaints of messages that Amazon did not even try to deliver."""
_RECIPIENTS: Final = ("bouncedRecipients", "complainedRecipients", "delayedRecipients", "recipients")


@dataclass(frozen=True, slots=True)
class SesReader:
    """Verifies RSA over the fields of the envelope, by the certificate that it names.

    The certificate says that some customer of Amazon's published this.  Which one, only the topic says.
    """

    teller: Teller
    topics: Collection[str]

    window: ClassVar[timedelta] = timedelta(hours=2)
    """SNS signs a message once, and repeats it for an hour at most."""

    def read(self, call: Call, now: datetime) -> Reading:
        """See :meth:`.Reader.read`."""
        if len(call.body) > _BODY_BYTES:
            raise NotGenuineError("wrong")
        envelope = Envelope.open(documents.parse(call.body), self.topics)
        certificate = yield Fetch(envelope.certificate_url, keep=True)
        envelope.verify(certificate or b"", now, self.window)
        if envelope.kind == sns.CONFIRMATION:
            yield Fetch(envelope.subscribe_url)
        elif envelope.kind == sns.NOTIFICATION:
            yield from self._told(envelope["Message"])

    def _told(self, message: str) -> Iterator[RecordEvent | Aside]:
        try:
            event = documents.parse(message)
        except UnreadableError:
            event = None  # SES greets a new topic in plain words
        word, details = _word(event)
        mail = inside(event, "mail")
        at = inside(details, "timestamp") or inside(mail, "timestamp")
        theirs = inside(mail, "messageId")
        for recipient, why in _recipients(details, mail):
            yield self.teller.tell(
                word,
                at=at,
                message_id=only(listed(mail, "tags", MESSAGE_ID)),
                provider_message_id=theirs,
                # The same in both formats, which may come side by side.
                event_id=fingerprint(
                    word, theirs, inside(details, "feedbackId") or at, recipient, inside(details, "link")
                ),
                recipient=recipient,
                reasons=(*_reasons(details), *why),
            )


def _word(event: object) -> tuple[str | None, object]:
    kind = text(event, "eventType") or text(event, "notificationType")
    word, field = _WORDS.get(kind, (None, ""))
    details = inside(event, field)
    if _kind_of(details) in _ON_A_LIST:
        return Event.SUPPRESSED, details
    if word == Feedback.SOFT_BOUNCED and text(details, "bounceType") == "Permanent":
        return Feedback.BOUNCED, details
    if word == Feedback.UNSUBSCRIBED and not _is_leaving(details):
        return None, details
    return word, details


def _kind_of(details: object) -> str:
    return text(details, "bounceSubType") or text(details, "complaintSubType")


def _is_leaving(details: object) -> bool:
    wanted = inside(details, "newTopicPreferences")
    topics = listed(wanted, "topicSubscriptionStatus")
    return inside(wanted, "unsubscribeAll") is True or any(
        text(topic, "subscriptionStatus") == "OptOut" for topic in topics
    )


def _recipients(details: object, mail: object) -> Iterator[tuple[object, tuple[object, ...]]]:
    """Whom an event is about, each with what is said of it."""
    named = [one for name in _RECIPIENTS for one in listed(details, name)]
    for one in named or [only(listed(mail, "destination"))]:
        if isinstance(one, dict):
            yield one.get("emailAddress"), (one.get("diagnosticCode"), one.get("status"))
        else:
            yield one, ()


def _reasons(details: object) -> tuple[object, ...]:
    return (
        inside(details, "bounceType"),
        _kind_of(details),
        *(inside(details, name) for name in ("reason", "errorMessage", "delayType", "smtpResponse")),
        inside(details, "complaintFeedbackType"),
    )
