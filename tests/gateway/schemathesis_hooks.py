"""What Schemathesis cannot know from JSON Schema: formats of our own, and rules that span fields.

The texts of each format are made here.  A request that fits the schema is then brought in line with
what a schema cannot say: what is unique, what exists, what comes after what.  A request that is
meant to be refused is sent as it is.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import schemathesis
from hypothesis import strategies as st

from services.gateway.unsubscribing import Subscriber, Tokens

TEMPLATE = "welcome"
"""The alias of a template that is published, and that nobody can change."""

PROVIDER_EVENTS = "/provider-events/{account}"
PROVIDER = "postmark"
PROVIDERS_CREDENTIALS = "Basic cG9zdG1hcms6Y2FuYXJ5"
"""``postmark:canary``: the one provider that signs nothing."""

_AUTHORIZATION = {"Authorization": f"Bearer {os.environ['GATEWAY_KEY']}"}
_SCHEDULED = {
    "from": "letters@example.com",
    "to": "ann@example.org",
    "subject": "Hello",
    "text": "Hello",
    "scheduled_at": "in 30 days",
}
_SUPPRESSED = {"email": "ann@example.org"}
TOKENS = Tokens([os.environ["GATEWAY_UNSUBSCRIBE_KEY"]])
_SUBSCRIBER = Subscriber("default", "ann@example.org", uuid.uuid4())
_WEBHOOK = {"endpoint": "https://example.com/webhooks", "events": ["email.sent"]}
_WEBHOOKS = 90
"""A tenant can have a hundred."""
_HELD_AT = 1_000_000_000_014
"""Progress of a message whose first attempt is held."""
EXISTING = {
    "/emails/{id}": ("id", "/emails", _SCHEDULED),
    "/emails/{id}/events": ("id", "/emails", _SCHEDULED),
    "/emails/{id}/cancel": ("id", "/emails", _SCHEDULED),
    **{f"/emails/{{id}}/{deed}": ("id", "/emails", _SCHEDULED) for deed in ("replay", "release", "drop")},
    "/suppressions/{which}": ("which", "/suppressions", _SUPPRESSED),
    **{f"/webhooks/{{id}}{rest}": ("id", "/webhooks", _WEBHOOK) for rest in ("", "/events")},
    **{
        f"/webhooks/{{id}}/events/{{event_id}}{rest}": ("id", "/webhooks", _WEBHOOK)
        for rest in ("", "/attempts", "/replay")
    },
    "/webhooks/{id}/signing-secret/rotate": ("id", "/webhooks", _WEBHOOK),
}
"""Parameter of a path, and the request that makes what it can name."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NUMBERS = itertools.count()
_RUN = uuid.uuid4().hex[:8]

_names = st.text(_LETTERS + "0123456789", min_size=1, max_size=20)
_domains = st.builds("{}.{}".format, _names, st.sampled_from(["com", "example.org", "test", "xn--p1ai"]))
_addresses = st.builds("{}@{}".format, _names, _domains)
_people = st.text(_LETTERS.title() + " é'", min_size=1, max_size=30).map(str.strip).filter(bool)


def _ahead(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days)).isoformat(timespec="seconds")


FORMATS = {
    "idn-email": _addresses,
    "idn-hostname": _domains,
    "mailbox": _addresses | st.builds("{} <{}>".format, _people, _addresses),
    # Whatever is scheduled is so before it expires.
    "moment": st.integers(1, 90).map(_ahead) | st.sampled_from(["in 1 hour", "friday at 3pm ET"]),
    "date-time": st.integers(100, 360).map(_ahead),
    "liquid": st.text(_LETTERS + " <>/é", max_size=50).map("Hello {}".format)
    | st.sampled_from(["Hello {{ name | default: 'you' }}", "{% if true %}Hello{% endif %}"]),
    "alias": st.text(_LETTERS + "-_", min_size=1, max_size=40),
    "webhook-endpoint": st.builds("https://{}/{}".format, _domains, _names),
    "tag": st.text(_LETTERS, min_size=1, max_size=10).map("-{}-".format),
}
for _name, _strategy in FORMATS.items():
    schemathesis.openapi.format(_name, _strategy)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:  # noqa: ARG001 - the hook's signature
    """Bring a request that fits the schema in line with what the schema cannot say."""
    path = case.operation.path
    if case.meta is None or not case.meta.generation.mode.is_positive:
        if path == "/emails/batch" and case.headers.get("x-batch-validation") == "permissive":
            # That would accept a batch of nonsense, and report each e-mail on its own.
            case.headers["x-batch-validation"] = "strict"
        return
    _mend_headers(path, case.headers)
    if case.query and "after" in case.query:
        case.query.pop("before", None)
    if path == "/statistics" and case.query and "from" in case.query:
        case.query["to"] = _later(case.query["from"])
    if case.meta.phase.name.value != "stateful" and next(_NUMBERS) % 2:
        case.path_parameters = {**case.path_parameters, **_existing(path)}
    for part in _objects(case.body):
        _mend(part)
    if path == "/templates/{id}" and isinstance(case.body, dict):
        _keep_a_body(case.body)
    if path == "/templates/{id}/preview" and isinstance(case.body, dict):
        # What the documented template asks for.
        case.body["variables"] = {**(case.body.get("variables") or {}), "NAME": "Ann", "MINUTES": 20}


def _mend_headers(path: str, headers: Any) -> None:
    if headers and "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = _new(headers["Idempotency-Key"])
    if path == PROVIDER_EVENTS:
        headers["Authorization"] = PROVIDERS_CREDENTIALS


def _new(text: str) -> str:
    """Make a text that was not there before, out of another one."""
    return f"{text[:100]}-{_RUN}-{next(_NUMBERS)}"


def _later(moment: str) -> str:
    """A moment some hours after another one."""
    return (datetime.fromisoformat(moment) + timedelta(hours=5)).isoformat()


def _existing(path: str) -> dict[str, str]:
    """Make something that the path can be about, if that can be made, and name it."""
    if path == "/unsubscribe/{token}":
        return {"token": TOKENS.make(_SUBSCRIBER)}
    if path == PROVIDER_EVENTS:
        return {"account": PROVIDER}
    if path not in EXISTING:
        return {}
    name, call, body = EXISTING[path]
    if call == "/webhooks":
        _make_room()
    answer = httpx.post(os.environ["GATEWAY_URL"] + call, json=body, headers=_AUTHORIZATION)
    if path.endswith(("/replay", "/release", "/drop")):
        _hold(answer.json()["id"])
    named = {name: answer.json()["id"]}
    return named | {"event_id": _tell(named["id"])} if "{event_id}" in path else named


def _hold(message_id: str) -> None:
    """Have it that nobody knows whether a message was sent, which only a mailer could report."""
    hold = "UPDATE messages SET status = 'held', progress = ?, due_at = NULL WHERE id = ?"
    with closing(sqlite3.connect(os.environ["GATEWAY_LEDGER"], timeout=10)) as ledger, ledger:
        ledger.execute(hold, (_HELD_AT, uuid.UUID(message_id).hex))


def _make_room() -> None:
    """Remove webhooks before there are too many."""
    remove = "DELETE FROM webhooks WHERE (SELECT count(*) FROM webhooks) > ?"
    with closing(sqlite3.connect(os.environ["GATEWAY_LEDGER"], timeout=10)) as ledger, ledger:
        ledger.execute(remove, (_WEBHOOKS,))


def _tell(webhook_id: str) -> str:
    """Have it that an endpoint was told of something, which takes a mailer, and name the event."""
    event_id = uuid.uuid4()
    row = (event_id.hex, uuid.UUID(webhook_id).hex, "email.sent", b'{"type": "email.sent"}')
    with closing(sqlite3.connect(os.environ["GATEWAY_LEDGER"], timeout=10)) as ledger, ledger:
        ledger.execute(
            "INSERT INTO webhook_events (id, webhook_id, type, payload, created_at, status) "
            "VALUES (?, ?, ?, ?, strftime('%Y-%m-%d %H:%M:%f'), 'success')",
            row,
        )
    return str(event_id)


def _objects(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from _objects(child)


def _mend(part: dict[str, Any]) -> None:
    if isinstance(part.get("template"), dict):
        part["template"]["id"] = TEMPLATE
    if part.get("unsubscribe"):
        # A link is for one recipient, and makes headers of its own.
        part |= {"to": "ann@example.org", "cc": None, "bcc": None, "headers": None}
    if part.get("template_id"):
        part["template_id"] = TEMPLATE
    for name in ("alias", "idempotency_key"):
        if part.get(name):
            part[name] = _new(part[name])
    if isinstance(part.get("headers"), dict):
        part["headers"] = {name.lower(): value for name, value in part["headers"].items()}
    if isinstance(part.get("send_at"), int | float):
        part["send_at"] = min(int(part["send_at"]), int(time.time()) + 86_400)
    if isinstance(part.get("variables"), list):
        for number, variable in enumerate(part["variables"]):
            variable["key"] = f"{variable['key'][:50]}_{number}"
    _mend_recipients(part)


def _mend_recipients(part: dict[str, Any]) -> None:
    """At most 50 together; and in SendGrid's dialect each address once."""
    room, seen = 50, set()
    for field in ("to", "cc", "bcc"):
        people = part.get(field)
        if not isinstance(people, list):
            room -= isinstance(people, str)
            continue
        kept = []
        for person in people[:room]:
            address = person["email"].lower() if isinstance(person, dict) else object()
            if address not in seen:
                seen.add(address)
                kept.append(person)
        if kept or field != "to":
            part[field] = kept
        room -= len(kept)


def _keep_a_body(body: dict[str, Any]) -> None:
    """A template cannot lose its only body."""
    for field in ("html", "text"):
        if field in body and not body[field]:
            body[field] = "Hello"
