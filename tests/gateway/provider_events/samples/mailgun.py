"""After https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure."""

from __future__ import annotations

from typing import Any

from tests.gateway.provider_events.samples import ANN, OURS, Meaning, Sample

MOMENT = 1_767_323_045.376_125
THEIRS = f"{OURS}@example.com"
_BASE = {
    "timestamp": MOMENT,
    "log-level": "info",
    "recipient": ANN,
    "recipient-domain": "example.org",
    "message": {"headers": {"to": ANN, "message-id": THEIRS, "from": "shop@example.com"}, "size": 111},
    "tags": ["welcome"],
    "user-variables": {"message_id": OURS},
    "flags": {"is-routed": False, "is-authenticated": True, "is-test-mode": False},
}


def _sample(name: str, event: str, /, *means: Meaning, **fields: Any) -> Sample:
    return Sample(name, {**_BASE, "event": event, "id": f"id-{name}", **fields}, means)


def _failed(name: str, severity: str, why: str, event: str, **status: Any) -> Sample:
    told = f"{why}: No mailbox <address>"
    return _sample(
        *(name, "failed", (event, ANN, told)),
        severity=severity,
        reason=why,
        **{"delivery-status": {"attempt-no": 1, "message": f"No mailbox {ANN}", "code": 550, **status}},
    )


SAMPLES = [
    _sample("accepted", "accepted", ("processed", ANN, None)),
    _sample(
        *("delivered", "delivered", ("delivered", ANN, "OK")),
        **{"delivery-status": {"message": "OK", "code": 250, "description": "", "tls": True}},
    ),
    _failed("failed for now", "temporary", "generic", "delivery_delayed"),
    _failed("failed for good", "permanent", "bounce", "bounced"),
    _failed("failed for good, softly", "permanent", "bounce", "soft_bounced", **{"bounce-type": "soft"}),
    _failed("failed for good, hard", "permanent", "generic", "bounced", **{"bounce-type": "hard"}),
    _failed("given up", "permanent", "old", "soft_bounced"),
    _failed("on a list", "permanent", "suppress-bounce", "suppressed", code=605),
    _failed("on the list of complaints", "permanent", "suppress-complaint", "suppressed", code=607),
    _sample(
        "rejected", "rejected", ("failed", ANN, "Sandbox subdomains"), reject={"reason": "Sandbox subdomains"}
    ),
    _sample("opened", "opened", ("opened", ANN, None), ip="203.0.113.7", geolocation={}),
    _sample("clicked", "clicked", ("clicked", ANN, None), ip="203.0.113.7", url="https://example.com"),
    _sample("complained", "complained", ("complained", ANN, None)),
    _sample("unsubscribed", "unsubscribed", ("unsubscribed", ANN, None)),
    _sample("stored", "stored"),
]
