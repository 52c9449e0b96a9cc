"""One message, one trace: from the caller over both services to the provider, and what that tells later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fakes import FakePostmark, faults
from tests.flow.behind import KEY, behind
from tests.flow.collector import Collector, Span
from tests.flow.conftest import build
from tests.flow.system import EMAIL, System, until

CANARY = "canary.recipient@example.org"
SUBJECT = "canary in the subject"
CALLER = "00f067aa0ba902b7"
WEBHOOK = {
    "PILLARBOX_PROVIDER_EVENTS__POSTMARK__USERNAME": "postmark",
    "PILLARBOX_PROVIDER_EVENTS__POSTMARK__PASSWORDS": "canary-of-a-password",
}


@dataclass(frozen=True)
class Traced:
    """A system that exports what it does."""

    system: System
    collector: Collector
    postmark: FakePostmark

    def post(self, trace_id: str, flags: str = "01", **fields: Any) -> str:
        """POST an e-mail in a caller's trace, and return its id."""
        headers = {"traceparent": f"00-{trace_id}-{CALLER}-{flags}", "tracestate": "vendor=1"}
        body = {**EMAIL, "to": CANARY, "subject": SUBJECT, **fields}
        answer = self.system.client.post("/emails", json=body, headers=headers)
        assert 202 == answer.status_code
        return str(answer.json()["id"])

    def tell(self, message_id: str) -> None:
        """Call as Postmark does when a message was delivered, in a trace that is none of ours."""
        record = {
            "RecordType": "Delivery",
            "MessageID": str(uuid4()),
            "Metadata": {"message_id": message_id},
            "Recipient": CANARY,
            "DeliveredAt": "2026-01-02T03:04:05Z",
        }
        answer = httpx.post(
            f"http://127.0.0.1:{self.system.port}/provider-events/postmark",
            json=record,
            auth=("postmark", "canary-of-a-password"),
            headers={"traceparent": f"00-{'ab' * 16}-{CALLER}-01"},
        )
        assert 200 == answer.status_code

    def wait_for(self, trace_id: str, name: str, count: int = 1) -> list[Span]:
        """Wait for spans, and return those of that name."""

        def look() -> list[Span] | None:
            found = [one for one in self.collector.trace(trace_id) if one.name == name]
            return found if len(found) >= count else None

        return until(look, 60, f"{count} of {name}")


@pytest.fixture(scope="module")
def traced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Both services on RabbitMQ, behind a Postmark that tells what became of messages."""
    with Collector().running() as collector, FakePostmark(api_key=KEY).in_thread() as postmark:
        settings = {
            **behind(postmark),
            **WEBHOOK,
            "PILLARBOX_TRACING": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        folder = tmp_path_factory.mktemp("flow")
        with build(request, "rabbitmq-sqlite", folder, settings) as system:
            yield Traced(system.start(), collector, postmark)


def test_one_message_is_one_trace(traced: Traced) -> None:
    """Of both processes and the caller's, with what the provider tells afterwards."""
    trace_id = uuid4().hex
    message_id = traced.post(trace_id)
    traced.system.wait_for(message_id, "sent")
    traced.tell(message_id)
    expected = {
        "gateway: POST /emails",
        "  gateway: commit",
        "  gateway: publish mailer.transactional",
        "    mailer: process mailer.transactional",
        "      mailer: claim",
        "      mailer: attempt",
        "        mailer: POST",
        "  gateway: record sending",
        "  gateway: record sent",
        "  gateway: record delivered",
    }
    until(lambda: expected <= {*traced.collector.tree(trace_id)}, 60, "the whole trace")

    assert sorted(expected) == sorted(traced.collector.tree(trace_id))
    assert CALLER == traced.collector.trace(trace_id)[0].parent_id


def test_spans_say_what_happened(traced: Traced) -> None:
    """By OpenTelemetry's words where it has some, and ours elsewhere."""
    trace_id = uuid4().hex
    message_id = traced.post(trace_id)
    (process,) = traced.wait_for(trace_id, "process mailer.transactional")
    traced.wait_for(trace_id, "POST /emails")
    spans = {one.name: one.attributes for one in traced.collector.trace(trace_id)}

    assert {"http.route": "/emails", "http.response.status_code": 202} == {
        name: spans["POST /emails"][name] for name in ("http.route", "http.response.status_code")
    }
    assert ("rabbitmq", message_id) == (
        process.attributes["messaging.system"],
        process.attributes["messaging.message.id"],
    )
    assert ("granted", 1, "postmark", "accepted") == (
        spans["claim"]["pillarbox.claim"],
        *(spans["attempt"][f"pillarbox.{name}"] for name in ("attempt", "account", "outcome")),
    )
    assert ("127.0.0.1", 200) == (
        spans["POST"]["server.address"],
        spans["POST"]["http.response.status_code"],
    )


def test_what_a_provider_tells_is_linked_to_its_call(traced: Traced) -> None:
    """Which has a trace of its own: strangers do not choose ours."""
    trace_id = uuid4().hex
    message_id = traced.post(trace_id)
    traced.system.wait_for(message_id, "sent")
    traced.tell(message_id)
    (told,) = traced.wait_for(trace_id, "record delivered")
    ((linked, span_id),) = told.links
    (call,) = traced.wait_for(linked, "POST /provider-events/{account}")

    assert (span_id, "") == (call.span_id, call.parent_id)
    assert linked not in {trace_id, "ab" * 16}


def test_a_retry_is_a_second_attempt_in_the_same_trace(traced: Traced) -> None:
    """Under the same publish: Celery keeps the headers of what it publishes again."""
    trace_id = uuid4().hex
    traced.postmark.script(faults.refuse(503))
    message_id = traced.post(trace_id)
    traced.system.wait_for(message_id, "sent")
    first, second = traced.wait_for(trace_id, "attempt", 2)
    tasks = traced.wait_for(trace_id, "process mailer.transactional", 2)

    assert [(1, True), (2, False)] == [
        (one.attributes["pillarbox.attempt"], one.failed) for one in (first, second)
    ]
    assert 1 == len({one.parent_id for one in tasks})
    assert [one.span_id for one in tasks] == [first.parent_id, second.parent_id]
    assert [True, False] == ["pillarbox.retried" in one.attributes for one in tasks]


def test_what_the_caller_does_not_sample_is_not_exported(traced: Traced) -> None:
    """By neither service; its trace goes on all the same."""
    unsampled, sampled = uuid4().hex, uuid4().hex
    traced.system.wait_for(traced.post(unsampled, "00"), "sent")
    traced.system.wait_for(traced.post(sampled), "sent")
    traced.wait_for(sampled, "record sent")
    traced.wait_for(sampled, "process mailer.transactional")

    assert [] == traced.collector.trace(unsampled)
    assert unsampled in {line.get("trace_id") for line in lines(traced.system.mailers[0].log())}


def test_log_lines_name_the_trace(traced: Traced) -> None:
    """In both services, the one of the request and the one of the attempt."""
    trace_id = uuid4().hex
    traced.system.wait_for(traced.post(trace_id), "sent")
    found = {line["event"] for line in lines(traced.system.logs()) if line.get("trace_id") == trace_id}

    assert {"message.accepted", "attempt.sent"} <= found


def test_nobody_is_given_away(traced: Traced) -> None:
    """Neither recipient nor subject, neither key nor text; and the provider is told of no trace."""
    trace_id = uuid4().hex
    traced.system.wait_for(traced.post(trace_id), "sent")
    traced.wait_for(trace_id, "process mailer.transactional")
    bodies = b"".join(traced.collector.bodies)

    for secret in (CANARY, "example.com", SUBJECT, EMAIL["text"], KEY, traced.system.key):
        assert secret.encode() not in bodies
    assert all("traceparent" not in {*map(str.lower, one.headers)} for one in traced.postmark.requests)


def test_the_end_hands_over_what_is_left(traced: Traced) -> None:
    """By both services; so this is the last test."""
    trace_id = uuid4().hex
    traced.system.wait_for(traced.post(trace_id), "sent")
    traced.system.stop()
    names = {one.name for one in traced.collector.trace(trace_id)}

    assert {"POST /emails", "record sent", "process mailer.transactional", "attempt"} <= names


def lines(log: str) -> Iterator[dict[str, Any]]:
    """What was logged."""
    for line in log.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
