"""Mailchimp Transactional: https://mailchimp.com/developer/transactional/docs/webhooks/."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import unquote_to_bytes

from services.gateway.provider_events import documents
from services.gateway.provider_events.documents import inside, listed, text
from services.gateway.provider_events.genuine import check_any, header
from services.gateway.provider_events.reader import Aside, Call, NotGenuineError, Reading
from services.gateway.provider_events.telling import MESSAGE_ID, Teller, fingerprint
from shared.signatures import Event, Feedback, RecordEvent

_SIGNATURE: Final = "x-mandrill-signature"
_EVENTS: Final = b"mandrill_events"
_TEST_KEY: Final = "test-webhook"
"""What Mandrill signs its trial call with, before there is a key; it carries no event."""
_FIELDS: Final = 10
_PIECE: Final = 16_384

_WORDS: Final[dict[str, str]] = {
    "send": Feedback.PROCESSED,
    "delivered": Feedback.DELIVERED,
    "deferral": Feedback.DELIVERY_DELAYED,
    "soft_bounce": Feedback.SOFT_BOUNCED,
    "hard_bounce": Feedback.BOUNCED,
    "reject": Event.FAILED,
    "open": Feedback.OPENED,
    "click": Feedback.CLICKED,
    "spam": Feedback.COMPLAINED,
    "unsub": Feedback.UNSUBSCRIBED,
}
_ON_A_LIST: Final = frozenset({"hard-bounce", "soft-bounce", "spam", "unsub", "custom"})
"""Reasons for which Mandrill rejects what goes to an address on its denylist."""


@dataclass(frozen=True, slots=True)
class MandrillReader:
    """Verifies HMAC-SHA1 over the URL as Mandrill knows it and the fields of the form.

    The signature holds no moment, so there is no telling how old it is.
    """

    teller: Teller
    keys: Sequence[str] = field(repr=False)
    url: str

    def read(self, call: Call, now: datetime) -> Reading:  # noqa: ARG002 - see above
        """See :meth:`.Reader.read`."""
        signature = header(call.headers, _SIGNATURE)
        pieces: dict[bytes, list[bytes]] = {}
        for name, piece in _pieces(call.body):
            pieces.setdefault(name, []).append(piece)
            yield Aside.WORKING
        form = {name: b"".join(value) for name, value in pieces.items()}
        self._verify(signature, form)
        yield Aside.WORKING
        for event in documents.elements(form.get(_EVENTS, b"")):
            yield self._told(event)

    def _verify(self, signature: str, form: dict[bytes, bytes]) -> None:
        signed = self.url.encode() + b"".join(name + form[name] for name in sorted(form))
        keys = [*self.keys, _TEST_KEY] if form.get(_EVENTS) == b"[]" else self.keys
        check_any([signature], [_sign(key, signed) for key in keys])

    def _told(self, event: object) -> RecordEvent | Aside:
        message = inside(event, "msg")
        theirs = inside(message, "_id") or inside(event, "_id")
        word, at, whom = text(event, "event"), inside(event, "ts"), inside(message, "email")
        return self.teller.tell(
            _word(event),
            at=at,
            message_id=inside(message, "metadata", MESSAGE_ID),
            provider_message_id=theirs,
            event_id=fingerprint(word, theirs, at, whom, inside(event, "url"), inside(event, "ip")),
            recipient=whom,
            reasons=(
                inside(message, "bounce_description"),
                inside(message, "diag") or inside(_last(listed(message, "smtp_events")), "diag"),
                _rejected(event),
            ),
        )


def _pieces(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Decode a form in pieces of bounded size, each under its field's name.

    https://url.spec.whatwg.org/#urlencoded-parsing
    """
    pairs = body.split(b"&", _FIELDS)
    if len(pairs) > _FIELDS:
        raise NotGenuineError("wrong")
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        start = 0
        while start < len(value) or not start:
            end = start + _PIECE
            if b"%" in (tail := value[end - 2 : end]):
                end += tail.index(b"%") - len(tail)  # not between a percent sign and its two digits
            yield _decoded(name), _decoded(value[start:end])
            start = end


def _decoded(written: bytes) -> bytes:
    return unquote_to_bytes(written.replace(b"+", b" "))


def _sign(key: str, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key.encode(), signed, hashlib.sha1)).decode()


def _word(event: object) -> str | None:
    word = _WORDS.get(text(event, "event"))
    return Event.SUPPRESSED if word == Event.FAILED and _rejected(event) in _ON_A_LIST else word


def _rejected(event: object) -> str:
    return text(event, "msg", "reject", "reason") or text(event, "msg", "reject")


def _last(items: list[object]) -> object:
    return items[-1] if items else None
