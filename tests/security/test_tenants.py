"""A tenant sees nothing of another: every call of the description is tried, so that none is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.gateway.api.description import describe
from services.gateway.identifiers import new_message_id
from tests.flow.system import EMAIL, System, until
from tests.gateway.tenants import client_of

CANARY = "canary-of-one-tenant"
SUPPRESSED = f"{CANARY}@example.org"
CHANGING = {"x-request-id", "date", "content-length", "ratelimit-reset", "ratelimit-remaining"}
PATHS: dict[str, dict[str, Any]] = describe(version="0", body_limit=10_000)["paths"]

BODIES: dict[str, Any] = {
    "PATCH /emails/{id}": {"scheduled_at": "in 2 hours"},
    "PATCH /templates/{id}": {"name": "Mine now"},
    "POST /templates/{id}/preview": {"variables": {}},
    "PATCH /webhooks/{id}": {"events": ["email.sent"]},
    "PATCH /api-keys/{id}": {"name": "mine now"},
}
"""What a call takes that takes a body: a good one, or the refusal would be for the body."""

BESIDE = {"/provider-events/{account}", "/unsubscribe/{token}"}
"""Calls that belong to no tenant: a provider's and a recipient's, each known by a signature."""

CALLS = [
    f"{method.upper()} {path}"
    for path, item in PATHS.items()
    for method in item
    if "{" in path and path not in BESIDE
]
LISTS = [path for path, item in PATHS.items() if "get" in item and "{" not in path and path != "/events"]


@dataclass
class Tenants:
    """One who has everything, and one who has nothing."""

    owner: httpx.Client
    stranger: httpx.Client
    owned: dict[str, str]
    """Ids, by what stands for them in a path."""

    def path(self, call: str, ids: dict[str, str]) -> str:
        """The path of a call with some ids in it."""
        template = call.partition(" ")[2]
        kind = template.split("/")[1]
        names = {"id": kind, "which": kind}
        return re.sub(r"{(\w+)}", lambda name: ids[names.get(name[1], name[1])], template)


@pytest.fixture(scope="module")
def tenants(box: System) -> Iterator[Tenants]:
    """Everything there can be, made by one of them."""
    with client_of(box) as owner, client_of(box) as stranger:
        hook = _made(owner, "/webhooks", {"endpoint": "https://example.com/", "events": ["email.sent"]})
        sent = _made(owner, "/emails", EMAIL | {"subject": CANARY})
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        owned = {
            "emails": _made(owner, "/emails", EMAIL | {"subject": CANARY, "scheduled_at": later}),
            "templates": _made(owner, "/templates", {"name": CANARY, "html": "<p>Hi</p>", "subject": "Hi"}),
            "webhooks": hook,
            "api-keys": _made(owner, "/api-keys", {"name": CANARY}),
            "suppressions": SUPPRESSED,
        }
        assert owner.post("/suppressions", json={"email": SUPPRESSED}).is_success
        events = f"/webhooks/{hook}/events"
        (event,) = until(lambda: owner.get(events).json()["data"], 60, f"what is told of {sent}")
        yield Tenants(owner, stranger, owned | {"event_id": event["id"]})


def _made(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


def missing() -> dict[str, str]:
    """Ids of what is not there."""
    ids = dict.fromkeys(("emails", "templates", "api-keys"), str(new_message_id()))
    ids |= {"webhooks": str(uuid4()), "event_id": str(uuid4())}
    return ids | {"suppressions": "nobody-at-all@example.org"}


def told(answer: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    """All that can be seen of an answer, but for what is another in each."""
    headers = {name: value for name, value in answer.headers.items() if name not in CHANGING}
    return answer.status_code, answer.text, headers


@pytest.mark.parametrize("call", CALLS)
def test_what_is_anothers_looks_like_what_is_not_there(tenants: Tenants, call: str) -> None:
    """Status, body and headers are the same, and nothing is changed by it."""
    method, body = call.partition(" ")[0], BODIES.get(call)
    theirs, nobodys = (
        tenants.stranger.request(method, tenants.path(call, ids), json=body)
        for ids in (tenants.owned, missing())
    )

    assert 404 == theirs.status_code, theirs.text
    assert told(theirs) == told(nobodys)


@pytest.mark.parametrize("call", [call for call in CALLS if "event_id" in call])
def test_an_own_webhook_is_no_way_to_anothers_events(tenants: Tenants, call: str) -> None:
    """The event has to be of the webhook, too."""
    body = {"endpoint": "https://example.com/", "events": ["email.sent"]}
    own = _made(tenants.stranger, "/webhooks", body)
    theirs, nobodys = (
        tenants.stranger.request(call.partition(" ")[0], tenants.path(call, ids | {"webhooks": own}))
        for ids in (tenants.owned, missing())
    )

    assert 404 == theirs.status_code
    assert told(theirs) == told(nobodys)


@pytest.mark.parametrize("path", LISTS)
def test_no_list_shows_anothers(tenants: Tenants, path: str) -> None:
    """Neither an id nor a word of theirs."""
    answer = tenants.stranger.get(path)

    assert answer.is_success or answer.status_code == 422
    assert not [own for own in (CANARY, *tenants.owned.values()) if own in answer.text]


def test_no_body_names_anothers(tenants: Tenants) -> None:
    """A template in an e-mail, messages to be sent once more, addresses to be written to again."""
    template = {name: value for name, value in EMAIL.items() if name not in {"text", "subject"}}
    theirs, nobodys = (
        tenants.stranger.post("/emails", json=template | {"template": {"id": ids["templates"]}})
        for ids in (tenants.owned, missing())
    )
    replayed = tenants.stranger.post("/emails/replay", json={"dry_run": True})
    removed = tenants.stranger.post("/suppressions/batch/remove", json={"emails": [SUPPRESSED]})

    assert 422 == theirs.status_code
    assert told(theirs) == told(nobodys)
    assert CANARY not in replayed.text
    assert removed.status_code < 500
    assert 200 == tenants.owner.get(f"/suppressions/{SUPPRESSED}").status_code


def test_a_key_of_idempotency_is_ones_own(tenants: Tenants) -> None:
    """Another tenant's answer is not given, also for the same body."""
    headers = {"Idempotency-Key": CANARY}
    ids = [
        client.post("/emails", json=EMAIL, headers=headers).json()["id"]
        for client in (tenants.owner, tenants.stranger, tenants.owner)
    ]

    assert ids[0] == ids[2]
    assert ids[0] != ids[1]


def test_a_suppression_is_ones_own(tenants: Tenants) -> None:
    """Others may write to whom one tenant does not."""
    accepted = tenants.stranger.post("/emails", json=EMAIL | {"to": SUPPRESSED}).json()["id"]

    assert "suppressed" != tenants.stranger.get(f"/emails/{accepted}").json()["status"]


def test_everything_is_still_there(tenants: Tenants) -> None:
    """After all that the stranger tried; the owner finds it, so it was asked for at the right place."""
    kept = [call for call in CALLS if call.startswith("GET")]
    answers = {call: tenants.owner.get(tenants.path(call, tenants.owned)).status_code for call in kept}

    assert dict.fromkeys(kept, 200) == answers
    assert "scheduled" == tenants.owner.get(f"/emails/{tenants.owned['emails']}").json()["status"]
