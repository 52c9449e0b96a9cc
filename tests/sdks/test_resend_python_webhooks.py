"""Webhooks through Resend's Python SDK: made, received, verified, and told once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import resend
from resend.exceptions import ResendError

from tests.flow.system import until
from tests.sdks.gateway import moment
from tests.sdks.sink import Posted, Sink
from tests.sdks.test_resend_python_emails import EMAIL

pytestmark = pytest.mark.usefixtures("python_resend")


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The tenant's server."""
    with Sink() as sink:
        yield sink


@pytest.fixture
def webhook(sink: Sink) -> Iterator[Any]:
    """A webhook that is told what was sent."""
    made = resend.Webhooks.create({"endpoint": sink.url, "events": ["email.sent", "email.bounced"]})
    yield made
    resend.Webhooks.remove(made["id"])


def verified(posted: Posted, secret: str) -> Any:
    """What the SDK reads out of a request, if the signature is good."""
    headers: Any = posted.signature()
    return resend.Webhooks.verify({"payload": posted.body, "headers": headers, "webhook_secret": secret})


def event_of(webhook_id: str, posted: Posted) -> Any:
    """The event behind a request, as soon as it is known what came of it."""

    def look() -> Any:
        event: Any = resend.Webhooks.get_event(webhook_id, posted.headers["webhook-id"])
        return event if event["status"] == "success" else None

    return until(look, 30, "the attempt to be recorded")


def test_what_happens_is_told(sink: Sink, webhook: Any) -> None:
    """The SDK verifies it, and shows what was told, and that it arrived."""
    message_id = resend.Emails.send(EMAIL)["id"]
    (posted,) = sink.told(message_id)
    read = verified(posted, webhook["signing_secret"])
    event = event_of(webhook["id"], posted)
    listed: Any = resend.Webhooks.list_events(webhook["id"], {"limit": 100})
    attempts: Any = resend.Webhooks.list_event_attempts(webhook["id"], event["id"], {"limit": 10})
    (attempt,) = attempts["data"]

    assert ("email.sent", message_id, EMAIL["subject"]) == (
        *(read["type"], read["data"]["email_id"]),
        read["data"]["subject"],
    )
    assert ("webhook_event", "email.sent", read, None) == tuple(
        event[name] for name in ("object", "type", "payload", "next_attempt_at")
    )
    assert ("list", "list") == (listed["object"], attempts["object"])
    assert event["id"] in [item["id"] for item in listed["data"]]
    assert (200, "Thanks") == (attempt["http_status_code"], attempt["response"])
    assert moment(event["created_at"]) <= moment(attempt["sent_at"])


def test_an_altered_webhook_is_not_verified(sink: Sink, webhook: Any) -> None:
    """By one letter, or by another secret."""
    (posted,) = sink.told(resend.Emails.send(EMAIL)["id"])
    altered = Posted(posted.headers, posted.body.replace("sent", "sunt", 1))
    for body, secret in ((altered, webhook["signing_secret"]), (posted, "whsec_" + "A" * 32)):
        with pytest.raises(ValueError, match="no matching signature"):
            verified(body, secret)


def test_it_is_told_once_more(sink: Sink, webhook: Any) -> None:
    """Under the same id, and with the same words."""
    message_id = resend.Emails.send(EMAIL)["id"]
    (first,) = sink.told(message_id)
    event_id = event_of(webhook["id"], first)["id"]
    replayed: Any = resend.Webhooks.replay_event(webhook["id"], event_id)
    again = sink.told(message_id, 2)[1]

    assert ("webhook_event", event_id) == (replayed["object"], replayed["id"])
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])


def test_after_a_rotation_both_secrets_verify(sink: Sink, webhook: Any) -> None:
    """So that a receiver can change its own at leisure."""
    rotated: Any = resend.Webhooks.rotate_signing_secret(webhook["id"])
    message_id = resend.Emails.send(EMAIL)["id"]
    (posted,) = sink.told(message_id)

    assert webhook["signing_secret"] != rotated["signing_secret"]
    for secret in (webhook["signing_secret"], rotated["signing_secret"]):
        assert message_id == verified(posted, secret)["data"]["email_id"]


def test_a_webhook_is_shown_changed_and_removed(sink: Sink) -> None:
    """Everything that the SDK's types promise is there."""
    made: Any = resend.Webhooks.create({"endpoint": sink.url, "events": ["email.opened"]})
    changed: Any = resend.Webhooks.update(
        {"webhook_id": made["id"], "events": ["email.clicked"], "status": "disabled"}
    )
    shown: Any = resend.Webhooks.get(made["id"])
    listed: Any = resend.Webhooks.list({"limit": 100})
    removed: Any = resend.Webhooks.remove(made["id"])

    assert ("webhook", "webhook", made["id"]) == (made["object"], changed["object"], changed["id"])
    assert ("webhook", "disabled", sink.url, ["email.clicked"], made["signing_secret"]) == tuple(
        shown[name] for name in ("object", "status", "endpoint", "events", "signing_secret")
    )
    assert ("list", False) == (listed["object"], listed["has_more"])
    assert made["id"] in [item["id"] for item in listed["data"]]
    assert (made["id"], True) == (removed["id"], removed["deleted"])
    with pytest.raises(ResendError):
        resend.Webhooks.get(made["id"])
