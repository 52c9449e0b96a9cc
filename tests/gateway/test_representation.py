"""How messages and their timelines look from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.gateway.api.representation import LAST_EVENT, represent_email, represent_timeline
from shared.signatures import Address, Event, Feedback, SendEmail, SendWelcomeEmail

MESSAGE_ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATE: dict[str, Any] = {
    "status": "deferred",
    "created_at": AT,
    "series": 0,
    "attempts": 2,
    "provider": "postmark",
    "provider_message_id": None,
    "reason": "HTTP 503",
}
SHOWN = {
    "object": "email",
    "id": str(MESSAGE_ID),
    "created_at": "2026-01-02T03:04:05Z",
    "last_event": "delivery_delayed",
    "status": "deferred",
    "series": 0,
    "attempts": 2,
    "provider": "postmark",
    "provider_message_id": None,
    "reason": "HTTP 503",
}

RESEND_WORDS = {
    *("queued", "scheduled", "sent", "delivered", "delivery_delayed", "bounced", "complained"),
    *("suppressed", "failed", "canceled"),
}


def test_an_email_is_shown_with_all_its_fields() -> None:
    """Resend's fields and ours, in JSON types; attachments are not handed back."""
    email = SendEmail.model_validate(
        {
            "message_id": MESSAGE_ID,
            "from": Address(email="letters@Example.com", name="Acme, Inc."),
            "to": [Address(email="ann@example.org"), Address(email="bob@example.org", name="Bob")],
            "cc": [Address(email="cc@example.org")],
            "bcc": [Address(email="bcc@example.org")],
            "reply_to": [Address(email="re@example.org")],
            "subject": "Hi",
            "html": "<p>Hello</p>",
            "headers": {"X-A": "1"},
            "tags": [{"name": "kind", "value": "receipt"}],
            "metadata": {"order": "1"},
            "attachments": [{"filename": "a", "content": "aGVsbG8="}],
            "lane": "bulk",
            "expires_at": AT,
            "on_uncertain": "hold",
        }
    )
    expected = SHOWN | {
        "message_id": f"<{MESSAGE_ID}@Example.com>",
        "from": '"Acme, Inc." <letters@Example.com>',
        "to": ["ann@example.org", "Bob <bob@example.org>"],
        "cc": ["cc@example.org"],
        "bcc": ["bcc@example.org"],
        "reply_to": ["re@example.org"],
        "subject": "Hi",
        "html": "<p>Hello</p>",
        "text": None,
        "headers": {"X-A": "1"},
        "tags": [{"name": "kind", "value": "receipt"}],
        "metadata": {"order": "1"},
        "priority": "bulk",
        "expires_at": "2026-01-02T03:04:05Z",
        "on_uncertain": "hold",
        "template": None,
        "scheduled_at": None,
        "purged_at": None,
    }

    assert expected == represent_email(email, **STATE)


def test_a_welcome_email_shows_what_the_gateway_knows() -> None:
    """Only the mailer knows its sender, subject and words."""
    unknown = dict.fromkeys(("message_id", "from", "subject", "html", "text"))
    expected = SHOWN | unknown | {"to": ["ann@example.org"], "headers": {}, "metadata": {}}
    expected |= {field: [] for field in ("cc", "bcc", "reply_to", "tags")}
    expected |= dict.fromkeys(("expires_at", "template", "scheduled_at", "purged_at"))
    expected |= {"priority": "transactional", "on_uncertain": "resend"}
    email = SendWelcomeEmail(email="ann@example.org", message_id=MESSAGE_ID)

    assert expected == represent_email(email, **STATE)


def test_a_template_is_shown_as_it_was_accepted() -> None:
    """Its source and variables stand where subject and bodies will only be rendered."""
    email = SendEmail.model_validate(
        {
            "message_id": MESSAGE_ID,
            "from": Address(email="letters@example.com"),
            "to": [Address(email="ann@example.org")],
            "subject": "Hi {{ name }}",
            "template": {"subject": "Hi {{ name }}", "text": "Dear {{ name }}", "variables": {"name": "Ann"}},
        }
    )
    shown = represent_email(email, **STATE, scheduled_at=AT)

    assert {
        "subject": "Hi {{ name }}",
        "html": None,
        "text": "Dear {{ name }}",
        "variables": {"name": "Ann"},
    } == shown["template"]
    assert ("Hi {{ name }}", "2026-01-02T03:04:05Z") == (shown["subject"], shown["scheduled_at"])


def test_what_was_never_accepted_cannot_be_shown() -> None:
    """A signature without a message id did not come through the gateway."""
    with pytest.raises(ValueError, match="without a message id"):
        represent_email(SendWelcomeEmail(email="ann@example.org"), **STATE)


def test_every_state_has_a_last_event() -> None:
    """Every event of the mailer is a state, and all but three have a word of Resend's."""
    assert {event.value for event in Event} <= set(LAST_EVENT)
    assert RESEND_WORDS | {"expired", "uncertain", "held"} == set(LAST_EVENT.values())


def test_a_state_of_a_newer_version_is_shown_as_it_is() -> None:
    """A gateway that is older than the ledger's newest rows still answers."""
    email = SendWelcomeEmail(email="ann@example.org", message_id=MESSAGE_ID)

    assert "opened" == represent_email(email, **STATE | {"status": "opened"})["last_event"]


@dataclass(frozen=True)
class Recorded:
    """A row of the ledger, which has more than is shown."""

    event: str
    at: datetime = AT
    actor: str = "mailer"
    attempt: int = 1
    provider: str | None = "outbox"
    provider_message_id: str | None = None
    recipient: str | None = None
    reason: str | None = None
    retry_at: datetime | None = None
    key: str = "1:sending"


def test_a_timeline_begins_with_the_gateway() -> None:
    """Accepted and queued come first, then what was recorded, as a list of Resend's form."""
    nothing = dict.fromkeys(("provider_message_id", "reason", "retry_at", "recipient"))
    shown = nothing | {"at": "2026-01-02T03:04:05Z"}
    accepted = "Accepted: it is stored, and will not be lost."
    queued = "Queued: the broker has it, and a mailer takes it from there."
    deferred = "Attempt 1 was deferred by outbox; the next one follows at 2026-01-02 03:04:05 UTC."
    ours = shown | {"actor": "gateway", "attempt": 0, "provider": None}
    theirs = shown | {"actor": "mailer", "attempt": 1, "provider": "outbox"}

    assert {
        "object": "list",
        "data": [
            ours | {"event": "accepted", "summary": accepted},
            ours | {"event": "queued", "summary": queued},
            theirs | {"event": "deferred", "retry_at": "2026-01-02T03:04:05Z", "summary": deferred},
        ],
    } == represent_timeline(AT, AT, [Recorded("deferred", retry_at=AT)])


def test_a_timeline_tells_of_a_publish_that_failed_before_the_one_that_did_not() -> None:
    """What the gateway met with before the broker took the message stands before "queued"."""
    met = Recorded("unroutable", actor="gateway", at=AT)
    begun = Recorded("sending", actor="mailer", at=AT)
    events = represent_timeline(AT, AT + timedelta(seconds=1), [met, begun])["data"]

    assert ["accepted", "unroutable", "queued", "sending"] == [event["event"] for event in events]


def test_a_timeline_of_two_series_tells_one_after_the_other() -> None:
    """Each has its own confirm, before its mailer's first word, however late it was noted."""
    first = [Recorded("sending"), Recorded("queued", actor="gateway"), Recorded("failed")]
    later = AT + timedelta(minutes=1)
    second = [Recorded("replayed", actor="gateway", at=later), Recorded("sending", at=later)]
    events = represent_timeline(AT, later + timedelta(seconds=1), [*first, *second])["data"]

    assert ["accepted", "queued", "sending", "failed", "replayed", "queued", "sending"] == [
        event["event"] for event in events
    ]


def test_a_timeline_before_the_broker_confirmed() -> None:
    """Without a confirm there is nothing but the acceptance."""
    events = represent_timeline(AT, None, [])["data"]

    assert ["accepted"] == [event["event"] for event in events]


def test_what_happened_within_the_second_that_a_provider_tells_was_after_it_was_sent() -> None:
    """Most providers tell whole seconds; the mailer tells fractions of them."""
    sent = Recorded("sent", at=AT + timedelta(milliseconds=700))
    told = Recorded("delivered", actor="receiver", attempt=0)
    later = Recorded("opened", actor="recipient", attempt=0, at=AT + timedelta(seconds=1))
    events = represent_timeline(AT, None, [told, sent, later])["data"]

    assert ["accepted", "sent", "delivered", "opened"] == [event["event"] for event in events]


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (
            Recorded("deferred", provider="sendgrid", reason="HTTP 429.", retry_at=AT),
            "Attempt 1 was deferred by sendgrid: HTTP 429; the next one follows at 2026-01-02 03:04:05 UTC.",
        ),
        (Recorded("sending", attempt=2, provider="ses"), "Attempt 2 began at ses."),
        (Recorded("sent", attempt=2, provider="ses"), "Attempt 2 was accepted by ses."),
        (Recorded("deferred", attempt=0, provider=None), "It was deferred."),
        (Recorded("failed", reason="given_up"), "Given up after attempt 1: given_up."),
        (Recorded("dropped", actor="gateway", reason="dropped"), "Dropped: it is not sent once more."),
        (
            Recorded("delivered", actor="receiver", recipient="ann@example.org"),
            "Delivered to ann@example.org: the receiving server took it.",
        ),
        (
            Recorded("bounced", actor="receiver", recipient="{ann}@example.org", reason="550 {no} such user"),
            "Bounced: it cannot be delivered to {ann}@example.org: 550 {no} such user.",
        ),
        (
            Recorded("delivery_delayed", actor="receiver", provider="mandrill"),
            "The receiving server did not take it yet; mandrill goes on trying.",
        ),
        (Recorded("complained", actor="recipient"), "A recipient marked it as spam."),
        (Recorded("{new}_word", actor="provider"), "New word."),
        (Recorded("{new}_word", actor="gateway"), "New word."),
    ],
    ids=lambda value: value.event if isinstance(value, Recorded) else "",
)
def test_each_event_is_told_in_a_sentence(recorded: Recorded, expected: str) -> None:
    """With who did it, to whom, and why."""
    assert expected == represent_timeline(AT, None, [recorded])["data"][-1]["summary"]


def test_every_event_has_a_sentence_of_its_own() -> None:
    """Whoever reads a timeline need not know our words."""
    words = {*Feedback, "failed", "suppressed"} - {"opened"}  # which is one by itself
    told = [Recorded(word, actor="provider") for word in sorted(words)]
    events = represent_timeline(AT, None, [*map(Recorded, Event), *told])["data"]

    assert not [event for event in events if event["summary"] == f"{event['event'].capitalize()}."]
