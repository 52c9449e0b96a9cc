"""After https://resend.com/docs/webhooks/event-types."""

from __future__ import annotations

from typing import Any

from tests.gateway.provider_events.samples import ANN, OURS, Meaning, Sample

THEIRS = "56761188-7520-42d8-8898-ff6fc54ce618"
_DATA = {
    "created_at": "2026-01-02T03:03:00.000Z",
    "email_id": THEIRS,
    "from": "Shop <shop@example.com>",
    "to": [ANN],
    "subject": "Welcome",
    "tags": {"message_id": OURS, "category": "welcome"},
}


def _sample(name: str, event: str, /, *means: Meaning, **data: Any) -> Sample:
    document = {"type": event, "created_at": "2026-01-02T03:04:05.126Z", "data": {**_DATA, **data}}
    return Sample(name, document, means)


def _bounce(kind: str, event: str) -> Sample:
    told = {"type": kind, "subType": "General", "message": f"The server has no mailbox {ANN}."}
    meaning = (event, ANN, f"{kind}: General: The server has no mailbox <address>.")
    return _sample(f"bounced, {kind}", "email.bounced", meaning, bounce=told)


SAMPLES = [
    _sample("sent", "email.sent", ("processed", ANN, None)),
    _sample("delivered", "email.delivered", ("delivered", ANN, None)),
    _sample("delivery_delayed", "email.delivery_delayed", ("delivery_delayed", ANN, None)),
    _bounce("Permanent", "bounced"),
    _bounce("Transient", "soft_bounced"),
    _bounce("Undetermined", "soft_bounced"),
    _sample("complained", "email.complained", ("complained", ANN, None)),
    _sample("opened", "email.opened", ("opened", ANN, None)),
    _sample(
        *("clicked", "email.clicked", ("clicked", ANN, None)),
        click={
            "ipAddress": "203.0.113.7",
            "link": "https://example.com",
            "timestamp": "2026-01-02T03:04:05Z",
        },
    ),
    _sample(
        *("failed", "email.failed", ("failed", ANN, "reached_daily_quota")),
        failed={"reason": "reached_daily_quota"},
    ),
    _sample(
        *(
            "suppressed",
            "email.suppressed",
            ("suppressed", ANN, "OnAccountSuppressionList: It bounced before."),
        ),
        suppressed={"type": "OnAccountSuppressionList", "message": "It bounced before."},
    ),
    _sample(
        *("delivered, tags as a list", "email.delivered", ("delivered", ANN, None)),
        tags=[{"name": "message_id", "value": OURS}],
    ),
    _sample(
        *("delivered, a name before the address", "email.delivered", ("delivered", ANN, None)),
        to=[f"Ann <{ANN}>"],
    ),
    _sample(
        *("delivered, one of several", "email.delivered", ("delivered", None, None)),
        to=[ANN, "bob@example.org"],
    ),
    _sample("scheduled", "email.scheduled"),
    _sample("received", "email.received"),
    Sample("contact", {"type": "contact.created", "created_at": "2026-01-02T03:04:05Z", "data": {}}, ()),
]
