"""Twilio SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from services.gateway.provider_events import documents
from services.gateway.provider_events.documents import inside, text
from services.gateway.provider_events.genuine import check_age, header
from services.gateway.provider_events.reader import Aside, Call, NotGenuineError, Reading
from services.gateway.provider_events.telling import MESSAGE_ID, Teller
from shared.signatures import Event, Feedback, RecordEvent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"

_WORDS: Final[dict[str, str]] = {
    "processed": Feedback.PROCESSED,
    "delivered": Feedback.DELIVERED,
    "deferred": Feedback.DELIVERY_DELAYED,
    "bounce": Feedback.BOUNCED,
    "dropped": Event.FAILED,
    "open": Feedback.OPENED,
    "click": Feedback.CLICKED,
    "spamreport": Feedback.COMPLAINED,
    "unsubscribe": Feedback.UNSUBSCRIBED,
    "group_unsubscribe": Feedback.UNSUBSCRIBED,
}
_ON_A_LIST: Final = ("bounced", "unsubscribed", "spam reporting")
"""How the reasons begin for which SendGrid drops what goes to an address on one of its lists."""


def public_key(written: str) -> EllipticCurvePublicKey:
    """Read a verification key as SendGrid shows it: base64 of a P-256 key in DER.

    Raises:
        ValueError: It is none.
    """
    # Imported here, for gateways that no SendGrid posts to.
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        key = load_der_public_key(base64.b64decode(written, validate=True))
    except (ValueError, binascii.Error):
        raise ValueError("no verification key of SendGrid's") from None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ValueError("no verification key of SendGrid's")
    return key


@dataclass(frozen=True, slots=True)
class SendGridReader:
    """Verifies ECDSA over the timestamp and the raw body."""

    teller: Teller
    keys: Sequence[EllipticCurvePublicKey]

    window: ClassVar[timedelta] = timedelta(hours=25)
    """SendGrid repeats a call for 24 hours, and does not say whether under a new timestamp."""

    def read(self, call: Call, now: datetime) -> Reading:
        """See :meth:`.Reader.read`."""
        self._verify(call, now)
        yield Aside.WORKING
        for event in documents.elements(call.body):
            yield self._told(event)

    def _verify(self, call: Call, now: datetime) -> None:
        timestamp = header(call.headers, _TIMESTAMP)
        try:
            signature = base64.b64decode(header(call.headers, _SIGNATURE), validate=True)
        except (ValueError, binascii.Error):
            raise NotGenuineError("wrong") from None
        check_age(timestamp, now, self.window)
        signed = timestamp.encode() + call.body
        if not any(_is_signed(key, signature, signed) for key in self.keys):
            raise NotGenuineError("wrong")

    def _told(self, event: object) -> RecordEvent | Aside:
        # Our custom_args stand among SendGrid's own fields.
        return self.teller.tell(
            _word(event),
            at=inside(event, "timestamp"),
            message_id=inside(event, MESSAGE_ID),
            # What follows the first dot is SendGrid's way inside.
            provider_message_id=text(event, "sg_message_id").partition(".")[0],
            event_id=inside(event, "sg_event_id"),
            recipient=inside(event, "email"),
            reasons=(inside(event, "status"), inside(event, "reason"), inside(event, "response")),
        )


def _is_signed(key: EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    try:
        key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _word(event: object) -> str | None:
    word = _WORDS.get(text(event, "event"))
    if word == Feedback.BOUNCED and text(event, "type") == "blocked":
        return Feedback.SOFT_BOUNCED  # refused for the sake of the message or the sender, not of the address
    if word == Event.FAILED and text(event, "reason").lower().startswith(_ON_A_LIST):
        return Event.SUPPRESSED
    return word
