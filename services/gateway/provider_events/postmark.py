"""Postmark: https://postmarkapp.com/developer/webhooks/webhooks-overview."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from services.gateway.provider_events import documents
from services.gateway.provider_events.documents import inside, text
from services.gateway.provider_events.genuine import check_any, header
from services.gateway.provider_events.reader import Aside, Call, NotGenuineError, Reading
from services.gateway.provider_events.telling import MESSAGE_ID, Teller
from shared.signatures import Event, Feedback, RecordEvent

Network = IPv4Network | IPv6Network

_WORDS: Final[dict[str, tuple[str, str]]] = {
    # The record's type: our word for it, and the field that says when.
    "Delivery": (Feedback.DELIVERED, "DeliveredAt"),
    "Bounce": (Feedback.SOFT_BOUNCED, "BouncedAt"),
    "SpamComplaint": (Feedback.COMPLAINED, "BouncedAt"),
    "Open": (Feedback.OPENED, "ReceivedAt"),
    "Click": (Feedback.CLICKED, "ReceivedAt"),
    "SubscriptionChange": (Feedback.UNSUBSCRIBED, "ChangedAt"),
}
_BOUNCES: Final[dict[str, str | None]] = {
    # https://postmarkapp.com/developer/api/bounce-api#bounce-types; those left out are soft.
    "HardBounce": Feedback.BOUNCED,
    "BadEmailAddress": Feedback.BOUNCED,
    "Transient": Feedback.DELIVERY_DELAYED,
    "SpamComplaint": Feedback.COMPLAINED,
    "Unsubscribe": Feedback.UNSUBSCRIBED,
    "ManuallyDeactivated": Event.SUPPRESSED,
    "SMTPApiError": Event.FAILED,
    "TemplateRenderingFailed": Event.FAILED,
    "Unconfirmed": Event.FAILED,
    # Answers of people and machines that got the message, and what is not about a message of ours.
    "AutoResponder": None,
    "AddressChange": None,
    "ChallengeVerification": None,
    "Subscribe": None,
    "InboundError": None,
}


@dataclass(frozen=True, slots=True)
class PostmarkReader:
    """Checks user name and password, since Postmark signs nothing; and where the call comes from.

    So there is no telling how old it is, or whether it was changed on its way: use https.
    """

    teller: Teller
    username: str
    passwords: Sequence[str] = field(repr=False)
    networks: Sequence[Network] = ()
    """From which it may come; none stand for everywhere."""

    def read(self, call: Call, now: datetime) -> Reading:  # noqa: ARG002 - see above
        """See :meth:`.Reader.read`."""
        self._verify(call)
        yield self._told(documents.parse(call.body))

    def _verify(self, call: Call) -> None:
        scheme, _, credentials = header(call.headers, "authorization").partition(" ")
        try:
            given = base64.b64decode(credentials.strip(), validate=True).decode()
        except (ValueError, binascii.Error):
            raise NotGenuineError("wrong") from None
        check_any([given], [f"{self.username}:{password}" for password in self.passwords])
        if scheme.lower() != "basic" or (self.networks and not self._is_from_there(call.peer)):
            raise NotGenuineError("wrong")

    def _is_from_there(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.networks)

    def _told(self, record: object) -> RecordEvent | Aside:
        kind = text(record, "RecordType")
        _, moment = _WORDS.get(kind, ("", ""))
        number = inside(record, "ID")
        return self.teller.tell(
            _word(record),
            at=inside(record, moment),
            message_id=inside(record, "Metadata", MESSAGE_ID),
            provider_message_id=inside(record, "MessageID"),
            event_id=f"{kind}-{number}" if isinstance(number, int) else None,
            recipient=inside(record, "Email") or inside(record, "Recipient"),
            reasons=(
                *(inside(record, name) for name in ("Name", "Description")),
                # Of an open or a click they would be of the recipient's mail reader.
                inside(record, "Details") if kind in {"Bounce", "SpamComplaint", "Delivery"} else None,
            ),
        )


def _word(record: object) -> str | None:
    word, _ = _WORDS.get(text(record, "RecordType"), (None, ""))
    if word == Feedback.SOFT_BOUNCED:
        return _BOUNCES.get(text(record, "Type"), word)
    if word == Feedback.UNSUBSCRIBED:
        by_recipient = text(record, "SuppressionReason") == "ManualSuppression" and (
            text(record, "Origin") == "Recipient"
        )
        # Of the other reasons a bounce or a complaint tells, too.
        return word if inside(record, "SuppressSending") is True and by_recipient else None
    return word
