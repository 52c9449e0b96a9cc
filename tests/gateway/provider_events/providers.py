"""The providers, as far as they sign: a reader that knows their keys, and genuine calls."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from standardwebhooks import Webhook

from services.gateway.provider_events.account_settings import (
    MailgunEvents,
    MandrillEvents,
    PostmarkEvents,
    ResendEvents,
    SendGridEvents,
    SesEvents,
)
from services.gateway.provider_events.reader import Call, Fetch, Reader
from shared.signatures import RecordEvent
from tests.gateway.provider_events import amazon
from tests.gateway.provider_events.samples import Sample, mailgun, mandrill, postmark, resend, sendgrid, ses

NOW = datetime(2026, 1, 2, 3, 10, tzinfo=UTC)
URL = "https://mail.example.com/provider-events/mandrill"
_ELLIPTIC = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("right", "older", "wrong")}
KEYS = {name: name[0] * 32 for name in ("right", "older", "wrong")}
SECRETS = {name: "whsec_" + base64.b64encode(KEYS[name].encode()).decode() for name in KEYS}
LISTED = f"{KEYS['right']},{KEYS['older']}"


def public(name: str) -> str:
    """A verification key as SendGrid shows it."""
    encoded = _ELLIPTIC[name].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(encoded).decode()


def _sendgrid(events: Sequence[Any], at: datetime, key: str) -> Call:
    body, timestamp = json.dumps(events).encode(), str(int(at.timestamp()))
    signature = _ELLIPTIC[key].sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    headers = {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": timestamp,
    }
    return Call(headers, body)


def mandrill_call(written: str, key: str) -> Call:
    """A form of Mandrill's."""
    signed = f"{URL}mandrill_events{written}".encode()
    signature = base64.b64encode(hmac.digest(key.encode(), signed, hashlib.sha1)).decode()
    return Call({"x-mandrill-signature": signature}, f"mandrill_events={quote_plus(written)}".encode())


def _mandrill(events: Sequence[Any], _: datetime, key: str) -> Call:
    return mandrill_call(json.dumps(events), KEYS[key])


def _postmark(events: Sequence[Any], _: datetime, key: str) -> Call:
    credentials = base64.b64encode(f"postmark:{KEYS[key]}".encode()).decode()
    return Call({"authorization": f"Basic {credentials}"}, json.dumps(events[0]).encode(), "192.0.2.7")


def _resend(events: Sequence[Any], at: datetime, key: str) -> Call:
    body = json.dumps(events[0])
    signature = Webhook(SECRETS[key]).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    headers = {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": str(int(at.timestamp())),
        "svix-signature": f"v1,c29tZXRoaW5nIGVsc2U= {signature}",
    }
    return Call(headers, body.encode())


def _mailgun(events: Sequence[Any], at: datetime, key: str) -> Call:
    timestamp, token = str(int(at.timestamp())), hashlib.sha256(json.dumps(events).encode()).hexdigest()[:50]
    signature = hmac.new(KEYS[key].encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": timestamp, "token": token, "signature": signature}
    return Call({}, json.dumps({"signature": signed, "event-data": events[0]}).encode())


def _ses(events: Sequence[Any], at: datetime, key: str) -> Call:
    by = "wrong" if key == "wrong" else "right"
    return Call({}, amazon.envelope(json.dumps(events[0]), at, version="2" if key == "older" else "1", by=by))


@dataclass(frozen=True)
class Provider:
    """One provider, with everything that tells it from another."""

    name: str
    reader: Callable[[], Reader]
    call: Callable[[Sequence[Any], datetime, str], Call]
    samples: Sequence[Sample]
    window: timedelta | None = None
    """How old a call may be; None where a call does not say how old it is."""
    is_signed: bool = True
    """Whether the body is, so that no byte of it can be changed."""
    needed: tuple[str, ...] = ()
    """Headers that have to be there."""

    def genuine(self, *, at: datetime = NOW, key: str = "right", sample: int = 0) -> Call:
        """A call with one event."""
        return self.call([self.samples[sample].event], at, key)


PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            "sendgrid",
            lambda: SendGridEvents(
                kind="sendgrid", public_keys=f"{public('right')},{public('older')}"
            ).reader("sendgrid"),
            _sendgrid,
            sendgrid.SAMPLES,
            timedelta(hours=25),
            needed=("x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"),
        ),
        Provider(
            "mandrill",
            lambda: MandrillEvents(kind="mandrill", keys=LISTED, url=URL).reader("mandrill"),
            _mandrill,
            mandrill.SAMPLES,
            needed=("x-mandrill-signature",),
        ),
        Provider(
            "postmark",
            lambda: PostmarkEvents(kind="postmark", username="postmark", passwords=LISTED).reader("postmark"),
            _postmark,
            postmark.SAMPLES,
            is_signed=False,
            needed=("authorization",),
        ),
        Provider(
            "resend",
            lambda: ResendEvents(
                kind="resend", secrets=",".join(SECRETS[k] for k in ("right", "older"))
            ).reader("resend"),
            _resend,
            resend.SAMPLES,
            timedelta(minutes=5),
            needed=("svix-id", "svix-timestamp", "svix-signature"),
        ),
        Provider(
            "mailgun",
            lambda: MailgunEvents(kind="mailgun", keys=LISTED).reader("mailgun"),
            _mailgun,
            mailgun.SAMPLES,
            timedelta(hours=9),
            is_signed=False,
        ),
        Provider(
            "ses",
            lambda: SesEvents(kind="ses", topic_arns=amazon.TOPIC).reader("ses"),
            _ses,
            [*ses.SAMPLES, *ses.NOTIFICATIONS],
            timedelta(hours=2),
        ),
    )
}


def read(reader: Reader, call: Call, now: datetime = NOW) -> list[Any]:
    """Everything that a reader yields, with Amazon's certificate where it asks for that."""
    reading, steps, found = reader.read(call, now), [], None
    try:
        while True:
            step = reading.send(found)
            found = amazon.certificate() if isinstance(step, Fetch) else None
            steps.append(step)
    except StopIteration:
        return steps


def events(provider: Provider, call: Call) -> list[RecordEvent]:
    """The events in a call."""
    return [step for step in read(provider.reader(), call) if isinstance(step, RecordEvent)]


def without(call: Call, name: str) -> Call:
    """The same call, but for a header."""
    return replace(call, headers={key: value for key, value in call.headers.items() if key != name})
