"""The contract between the services: what stands on the wire, now and for ever."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from shared import signatures
from shared.signatures import (
    AccountUse,
    Address,
    Attachment,
    Event,
    Feedback,
    Lane,
    OnUncertain,
    PostWebhook,
    RecordEvent,
    RecordEvents,
    RecordMailer,
    RecordWebhookAttempt,
    SendEmail,
    SendWelcomeEmail,
    Signature,
    SlotUse,
    Tag,
    Template,
)

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(
    (folder.name for folder in GOLDEN.iterdir() if folder.is_dir()),
    key=lambda version: [int(part) for part in version.split(".")],
)
PAYLOADS = [path for version in VERSIONS for path in sorted((GOLDEN / version).glob("*.json"))]

MESSAGE_ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")
AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

KINDS: dict[str, type[Signature]] = {
    "send_email": SendEmail,
    "send_welcome_email": SendWelcomeEmail,
    "record_event": RecordEvent,
    "record_events": RecordEvents,
    "post_webhook": PostWebhook,
    "record_webhook_attempt": RecordWebhookAttempt,
    "record_mailer": RecordMailer,
}

LEAST_EMAIL: dict[str, Any] = {
    "message_id": MESSAGE_ID,
    "sender": Address(email="letters@example.com"),
    "to": (Address(email="ann@example.org"),),
    "subject": "Hi",
}

TODAY: dict[str, Signature] = {
    "send_email.minimal": SendEmail(**LEAST_EMAIL),
    "send_email.full": SendEmail(
        message_id=MESSAGE_ID,
        tenant="acme",
        lane=Lane.BULK,
        sender=Address(email="letters@example.com", name="Acme, Inc."),
        to=(Address(email="ann@example.org"), Address(email="joao@example.org", name="João")),
        cc=(Address(email="cc@example.org"),),
        bcc=(Address(email="bcc@example.org", name="Bea"),),
        reply_to=(Address(email="replies@example.com"),),
        subject="Olá \N{LOVE LETTER}",
        html="<p>Hello</p>\r\n",
        text="Hello\n",
        headers={"X-Order": "17", "List-Unsubscribe": "<https://example.com/u>"},
        attachments=(
            Attachment(filename="a.bin", content="aGVsbG8="),
            Attachment(filename="ü.png", content="iVBORw==", content_type="image/png", content_id="logo"),
        ),
        tags=(Tag(name="kind", value="receipt"),),
        metadata={"order": "17"},
        expires_at=AT,
        on_uncertain=OnUncertain.HOLD,
        series=2,
    ),
    "send_email.template": SendEmail(
        **LEAST_EMAIL | {"subject": "Hi {{ name }}"},
        template=Template(
            subject="Hi {{ name }}",
            html="<p>{{ name }}</p>",
            text="{% for item in items %}{{ item.title }}{% endfor %}",
            variables={"name": "João", "items": [{"title": "A", "price": 1.5, "new": True}], "note": None},
        ),
    ),
    "send_welcome_email.without_message_id": SendWelcomeEmail(email="ann@example.org"),
    "send_welcome_email.with_message_id": SendWelcomeEmail(
        email="ann@example.org", message_id=MESSAGE_ID, tenant="acme", series=1
    ),
    "record_event.minimal": RecordEvent(message_id=MESSAGE_ID, event="sending", at=AT),
    "record_event.full": RecordEvent(
        message_id=MESSAGE_ID,
        event="deferred",
        at=AT,
        attempt=3,
        provider="sendgrid",
        provider_message_id="14c5d75ce93.dfd.64b469",
        reason="HTTP 503",
        retry_at=datetime(2026, 1, 2, 3, 9, 5, tzinfo=UTC),
        series=2,
    ),
    "record_event.held": RecordEvent(
        message_id=MESSAGE_ID,
        event="held",
        at=AT,
        attempt=4,
        provider="sendgrid",
        reason="uncertain: nobody can tell whether it was sent",
    ),
    "record_event.told_by_provider": RecordEvent(
        message_id=MESSAGE_ID,
        event="bounced",
        at=AT,
        provider="sendgrid",
        provider_message_id="14c5d75ce93.dfd.64b469",
        provider_event_id="ZGVsaXZlcmVkLTA",
        recipient="ann@example.org",
        reason="550 5.1.1 unknown user",
    ),
    "record_event.of_a_provider_message": RecordEvent(
        event="delivered",
        at=AT,
        provider="ses",
        provider_message_id="0100018c-000000",
        provider_event_id="5d2a",
    ),
    "record_events.two": RecordEvents(
        events=(
            RecordEvent(message_id=MESSAGE_ID, event="sending", at=AT, attempt=1, provider="sendgrid"),
            RecordEvent(
                event="delivered",
                at=AT,
                provider="ses",
                provider_message_id="0100018c-000000",
                provider_event_id="5d2a",
            ),
        )
    ),
    "post_webhook.minimal": PostWebhook(
        delivery_id=MESSAGE_ID, attempt=1, url="https://example.com/", payload="{}", secrets=()
    ),
    "post_webhook.full": PostWebhook(
        delivery_id=MESSAGE_ID,
        attempt=7,
        url="https://hooks.example.com/pillarbox?a=1",
        payload='{"type":"email.sent","data":{"subject":"Olá"}}',
        secrets=("whsec_bmV3IHNlY3JldCBvZiAyNCBieXRlcyE=", "whsec_b2xkIHNlY3JldCBvZiAyNCBieXRlcyE="),
    ),
    "record_webhook_attempt.minimal": RecordWebhookAttempt(delivery_id=MESSAGE_ID, attempt=1, at=AT),
    "record_webhook_attempt.full": RecordWebhookAttempt(
        delivery_id=MESSAGE_ID,
        attempt=7,
        at=AT,
        duration_ms=120,
        status_code=429,
        response="slow down",
        reason="HTTP 429",
        retry_after=30.0,
    ),
    "record_mailer.minimal": RecordMailer(mailer_id=MESSAGE_ID, at=AT, started_at=AT),
    "record_mailer.full": RecordMailer(
        mailer_id=MESSAGE_ID,
        at=AT,
        started_at=datetime(2026, 1, 2, 3, 0, tzinfo=UTC),
        host="mailer-7c9f",
        version="0.4.0",
        every_seconds=5.0,
        ends=True,
        queues=(
            SlotUse(queue="mailer.transactional", busy=3, slots=100),
            SlotUse(queue="mailer.bulk", busy=100, slots=100, paused=True),
        ),
        accounts=(
            AccountUse(
                name="main",
                kind="sendgrid",
                lanes=("transactional", "bulk"),
                circuit="half-open",
                limit_per_second=25.5,
                sent_per_second=12.25,
                in_flight=3,
                waiting=97,
            ),
        ),
    ),
}

LEAST = {
    SendEmail: "send_email.minimal",
    SendWelcomeEmail: "send_welcome_email.without_message_id",
    RecordEvent: "record_event.minimal",
    RecordEvents: "record_events.two",
    PostWebhook: "post_webhook.minimal",
    RecordWebhookAttempt: "record_webhook_attempt.minimal",
    RecordMailer: "record_mailer.minimal",
}
REQUIRED = [
    *((SendEmail, field) for field in ("message_id", "from", "to", "subject")),
    (SendWelcomeEmail, "email"),
    *((RecordEvent, field) for field in ("event", "at")),
    (RecordEvents, "events"),
    *((PostWebhook, field) for field in ("delivery_id", "attempt", "url", "payload", "secrets")),
    *((RecordWebhookAttempt, field) for field in ("delivery_id", "attempt", "at")),
    *((RecordMailer, field) for field in ("mailer_id", "at", "started_at")),
]


def kind_of(path: Path) -> type[Signature]:
    """The signature that a golden payload is of: its file is called ``<signature>.<variant>.json``."""
    return KINDS[path.name.partition(".")[0]]


def on_the_wire(signature: Signature) -> dict[str, Any]:
    """What a signature writes, as JSON values."""
    fields: dict[str, Any] = json.loads(signature.arguments())
    return fields


def least(kind: type[Signature], **fields: object) -> dict[str, Any]:
    """The least that a signature needs, as it stands on the wire, with more fields or others."""
    return on_the_wire(TODAY[LEAST[kind]]) | fields


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_payload_of_every_version_is_read_for_ever(path: Path) -> None:
    """What any released version wrote can be read today, and nothing of it is lost."""
    payload = path.read_bytes()

    assert json.loads(payload) == on_the_wire(kind_of(path).parse(payload))


def test_this_version_has_golden_payloads() -> None:
    """A version is not released without a folder of its own."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert version == VERSIONS[-1]


def test_the_newest_payloads_are_all_known() -> None:
    """Every file of the newest version has an example here, and the other way round."""
    names = {path.stem for path in (GOLDEN / VERSIONS[-1]).glob("*.json")}

    assert set(TODAY) == names


@pytest.mark.parametrize("name", TODAY)
def test_todays_code_writes_the_newest_payload(name: str) -> None:
    """Exactly these fields and values, no more and no fewer."""
    expected = json.loads((GOLDEN / VERSIONS[-1] / f"{name}.json").read_bytes())

    assert expected == on_the_wire(TODAY[name])


@pytest.mark.parametrize("name", TODAY)
def test_what_is_written_is_read_back(name: str) -> None:
    """Writing and reading changes nothing, whether the payload arrives as bytes or as text."""
    signature = TODAY[name]
    payload = signature.arguments()

    assert [signature, signature] == [type(signature).parse(payload), type(signature).parse(payload.decode())]


@pytest.mark.parametrize("kind", KINDS.values())
def test_unknown_fields_are_ignored(kind: type[Signature]) -> None:
    """A receiver may be older than the sender."""
    newer = json.dumps(least(kind, invented_later={"a": [1]}))

    assert TODAY[LEAST[kind]] == kind.parse(newer)


def test_unknown_fields_inside_parts_are_ignored() -> None:
    """Addresses, attachments and tags may grow too."""
    newer = least(SendEmail)
    newer["from"]["invented_later"] = True
    newer["to"][0]["invented_later"] = True
    newer |= {"tags": [{"name": "a", "value": "b", "invented_later": True}]}
    newer |= {"attachments": [{"filename": "a", "content": "", "invented_later": True}]}
    read = SendEmail.parse(json.dumps(newer))

    assert "invented_later" not in read.model_dump_json()


@pytest.mark.parametrize(("kind", "field"), REQUIRED)
def test_a_missing_required_field_is_refused(kind: type[Signature], field: str) -> None:
    """Without it the receiver could not do its work."""
    payload = least(kind)
    del payload[field]

    with pytest.raises(ValidationError) as caught:
        kind.parse(json.dumps(payload))

    assert [(field,)] == [error["loc"] for error in caught.value.errors()]


@pytest.mark.parametrize("kind", KINDS.values())
def test_only_these_fields_are_required(kind: type[Signature]) -> None:
    """Every field beyond the first version's required ones has a default."""
    expected = {field for signature, field in REQUIRED if signature is kind}
    required = {field.alias or name for name, field in kind.model_fields.items() if field.is_required()}

    assert expected == required


@pytest.mark.parametrize(
    ("field", "value"), [("at", "2026-01-02T03:04:05"), ("attempt", "many"), ("series", 2**15)]
)
def test_values_of_the_wrong_type_are_refused(field: str, value: object) -> None:
    """A time without a zone is nobody's time, a word is no number, and series come to an end."""
    with pytest.raises(ValidationError):
        RecordEvent.parse(json.dumps(least(RecordEvent, **{field: value})))


@pytest.mark.parametrize("kind", KINDS.values())
def test_defaults_are_left_out_on_the_wire(kind: type[Signature]) -> None:
    """A default that was given explicitly is not written either."""
    default = TODAY[LEAST[kind]]
    explicit = kind.model_validate(default.model_dump(by_alias=True))

    assert default.arguments() == explicit.arguments()


@pytest.mark.parametrize("name", TODAY)
def test_no_field_on_the_wire_holds_its_default(name: str) -> None:
    """Payloads are as small as they can be, and a default can be told from a value."""
    signature = TODAY[name]
    fields = type(signature).model_fields
    defaults = {
        field.alias or name: field.get_default(call_default_factory=True)
        for name, field in fields.items()
        if not field.is_required()
    }
    written = on_the_wire(signature)

    assert not [name for name, value in written.items() if name in defaults and value == defaults[name]]


def test_defaults_are_read_back() -> None:
    """What is left out means what it has always meant."""
    expected: dict[str, Any] = {
        "tenant": "default",
        "lane": Lane.TRANSACTIONAL,
        "cc": (),
        "bcc": (),
        "reply_to": (),
        "html": None,
        "text": None,
        "headers": {},
        "attachments": (),
        "tags": (),
        "metadata": {},
        "expires_at": None,
        "on_uncertain": OnUncertain.RESEND,
        "series": 0,
    }
    email = SendEmail.parse(json.dumps(least(SendEmail)))

    assert expected == {name: getattr(email, name) for name in expected}


def test_defaults_of_the_other_signatures_are_read_back() -> None:
    """A welcome without an id is known by its task id; an event without an attempt has none."""
    expected_welcome = {"email": "ann@example.org", "message_id": None, "tenant": "default", "series": 0}
    expected_event = {"attempt": 0, "series": 0} | dict.fromkeys(
        ("provider", "provider_message_id", "reason", "retry_at", "provider_event_id", "recipient")
    )
    expected_attempt = {"duration_ms": 0, "response": ""} | dict.fromkeys(
        ("status_code", "reason", "retry_after")
    )
    welcome = SendWelcomeEmail.parse(json.dumps(least(SendWelcomeEmail)))
    event = RecordEvent.parse(json.dumps(least(RecordEvent)))
    attempt = RecordWebhookAttempt.parse(json.dumps(least(RecordWebhookAttempt)))

    assert expected_welcome == welcome.model_dump()
    assert expected_event == event.model_dump(exclude={"message_id", "event", "at"})
    assert expected_attempt == attempt.model_dump(exclude={"delivery_id", "attempt", "at"})


@pytest.mark.parametrize("missing", ["provider", "provider_message_id"])
def test_an_event_is_about_some_message(missing: str) -> None:
    """Without our id it takes the provider's, and whose that is."""
    payload = on_the_wire(TODAY["record_event.of_a_provider_message"])
    del payload[missing]

    with pytest.raises(ValidationError, match="message_id"):
        RecordEvent.parse(json.dumps(payload))


def test_defaults_of_the_parts_are_read_back() -> None:
    """An attachment without a type is bytes; an address needs no name."""
    expected = {"content_type": "application/octet-stream", "content_id": None}
    attachment = Attachment.model_validate_json('{"filename": "a", "content": ""}')

    assert expected == attachment.model_dump(include=set(expected))
    assert Address.model_validate_json('{"email": "a@example.org"}').name is None


def test_task_names_are_for_ever() -> None:
    """They are never renamed, and never reused for something else."""
    expected = {
        SendEmail: "mailer.send_email",
        SendWelcomeEmail: "mailer.send_welcome_email",
        RecordEvent: "gateway.record_event",
        RecordEvents: "gateway.record_events",
        PostWebhook: "mailer.post_webhook",
        RecordWebhookAttempt: "gateway.record_webhook_attempt",
        RecordMailer: "gateway.record_mailer",
    }

    assert expected == {kind: kind.task for kind in KINDS.values()}


def test_queue_names_are_for_ever() -> None:
    """Each signature knows its queue, and each lane has one of its own."""
    bulk = SendEmail(**LEAST_EMAIL, lane=Lane.BULK)
    expected = (
        *("mailer.transactional", "mailer.bulk", "mailer.transactional", "gateway.events"),
        *("gateway.batches", "mailer.webhooks", "gateway.events", "gateway.mailers"),
    )

    assert expected == (
        TODAY["send_email.minimal"].queue,
        bulk.queue,
        TODAY["send_welcome_email.with_message_id"].queue,
        TODAY["record_event.minimal"].queue,
        TODAY["record_events.two"].queue,
        TODAY["post_webhook.minimal"].queue,
        TODAY["record_webhook_attempt.minimal"].queue,
        TODAY["record_mailer.minimal"].queue,
    )
    assert expected[:2] == signatures.MAILER_QUEUES


def test_exchange_names_are_for_ever() -> None:
    """An exchange cannot be renamed while services of two versions run."""
    expected = ("pillarbox", "pillarbox.dead")

    assert expected == (signatures.EXCHANGE, signatures.DEAD_LETTER_EXCHANGE)


def test_words_are_for_ever() -> None:
    """The words that stand in payloads and in both databases."""
    expected: dict[type[StrEnum], set[str]] = {
        Lane: {"transactional", "bulk"},
        OnUncertain: {"resend", "hold"},
        Event: {"sending", "sent", "deferred", "uncertain", "suppressed", "failed", "expired", "held"},
        Feedback: {
            *("processed", "delivered", "delivery_delayed", "soft_bounced", "bounced", "complained"),
            *("unsubscribed", "opened", "clicked"),
        },
    }

    assert expected == {words: {word.value for word in words} for words in expected}


def test_an_unknown_event_still_parses() -> None:
    """A newer mailer may know more events than this gateway."""
    word = "throttled"

    assert word == RecordEvent.parse(json.dumps(least(RecordEvent, event=word))).event


def test_a_signature_cannot_be_changed() -> None:
    """What was accepted is what is delivered."""
    with pytest.raises(ValidationError):
        TODAY["send_email.minimal"].subject = "Another"  # type: ignore[attr-defined]
