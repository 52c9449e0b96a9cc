"""Webhooks through Resend's Node.js SDK: made, received, verified, and told once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.flow.system import until
from tests.sdks.gateway import moment
from tests.sdks.node import Node, ThrownError
from tests.sdks.sink import Posted, Sink
from tests.sdks.test_resend_node_emails import EMAIL


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The tenant's server."""
    with Sink() as sink:
        yield sink


@pytest.fixture
def webhook(sink: Sink, node: Node) -> Iterator[Any]:
    """A webhook that is told what was sent."""
    made = node.data("webhooks.create", {"endpoint": sink.url, "events": ["email.sent", "email.bounced"]})
    yield made
    node.data("webhooks.remove", made["id"])


def verified(node: Node, posted: Posted, secret: str) -> Any:
    """What the SDK reads out of a request, if the signature is good."""
    request = {"payload": posted.body, "headers": posted.signature(), "webhookSecret": secret}
    return node.result("webhooks.verify", request)


def event_of(node: Node, webhook_id: str, posted: Posted) -> Any:
    """The event behind a request, as soon as it is known what came of it."""
    which = {"webhookId": webhook_id, "eventId": posted.headers["webhook-id"]}

    def look() -> Any:
        event = node.data("webhooks.events.get", which)
        return event if event["status"] == "success" else None

    return until(look, 30, "the attempt to be recorded")


def test_what_happens_is_told_and_told_once_more(sink: Sink, node: Node, webhook: Any) -> None:
    """The SDK verifies it, shows what was told and that it arrived, and has it repeated."""
    message_id = node.data("emails.send", EMAIL)["id"]
    (posted,) = sink.told(message_id)
    read = verified(node, posted, webhook["signing_secret"])
    event = event_of(node, webhook["id"], posted)
    listed = node.data("webhooks.events.list", {"webhookId": webhook["id"], "limit": 100})
    which = {"webhookId": webhook["id"], "eventId": event["id"]}
    (attempt,) = node.data("webhooks.events.attempts.list", {**which, "limit": 10})["data"]
    replayed = node.data("webhooks.events.replay", which)
    again = sink.told(message_id, 2)[1]

    assert ("email.sent", message_id) == (read["type"], read["data"]["email_id"])
    assert ("webhook_event", "email.sent", read, None) == tuple(
        event[name] for name in ("object", "type", "payload", "next_attempt_at")
    )
    assert event["id"] in [item["id"] for item in listed["data"]]
    assert (200, "Thanks") == (attempt["http_status_code"], attempt["response"])
    assert moment(event["created_at"]) <= moment(attempt["sent_at"])
    assert {"object": "webhook_event", "id": event["id"]} == replayed
    assert posted.body == again.body


def test_a_rotated_secret_verifies_beside_the_one_before(sink: Sink, node: Node, webhook: Any) -> None:
    """And a third one does not."""
    rotated = node.data("webhooks.rotateSigningSecret", webhook["id"])
    message_id = node.data("emails.send", EMAIL)["id"]
    (posted,) = sink.told(message_id)
    for secret in (webhook["signing_secret"], rotated["signing_secret"]):
        assert message_id == verified(node, posted, secret)["data"]["email_id"]

    with pytest.raises(ThrownError, match="WebhookVerificationError"):
        verified(node, posted, "whsec_" + "A" * 32)


def test_a_webhook_is_shown_changed_and_removed(sink: Sink, node: Node) -> None:
    """Everything that the SDK's types promise is there."""
    made = node.data("webhooks.create", {"endpoint": sink.url, "events": ["email.opened"]})
    changed = node.data("webhooks.update", made["id"], {"events": ["email.clicked"], "status": "disabled"})
    shown = node.data("webhooks.get", made["id"])
    listed = node.data("webhooks.list", {"limit": 100})
    removed = node.data("webhooks.remove", made["id"])

    assert {"object": "webhook", "id": made["id"]} == changed
    assert ("webhook", "disabled", sink.url, ["email.clicked"], made["signing_secret"]) == tuple(
        shown[name] for name in ("object", "status", "endpoint", "events", "signing_secret")
    )
    assert made["id"] in [item["id"] for item in listed["data"]]
    assert {"object": "webhook", "id": made["id"], "deleted": True} == removed
    assert "not_found" == node.error("webhooks.get", made["id"])["name"]
