"""After https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event."""

from __future__ import annotations

from typing import Any

from tests.gateway.provider_events.samples import ANN, OURS, Sample

MOMENT = 1_767_323_045
_BASE = {
    "email": ANN,
    "timestamp": MOMENT,
    "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    "category": ["welcome"],
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "message_id": OURS,
}
_AGENT = {"useragent": "Mozilla/5.0", "ip": "203.0.113.7"}


def _sample(name: str, event: str, *means: tuple[str, str | None, str | None], **fields: Any) -> Sample:
    return Sample(name, {**_BASE, "event": event, "sg_event_id": f"ev-{name}==", **fields}, means)


SAMPLES = [
    _sample("processed", "processed", ("processed", ANN, None)),
    _sample(
        *("deferred", "deferred", ("delivery_delayed", ANN, "400 try again later")),
        response="400 try again later",
        attempt="5",
    ),
    _sample("delivered", "delivered", ("delivered", ANN, "250 OK"), response="250 OK"),
    _sample(
        *("bounce", "bounce", ("bounced", ANN, "5.0.0: 550 5.1.1 <address> unknown user")),
        type="bounce",
        status="5.0.0",
        reason=f"550 5.1.1 {ANN} unknown user",
        bounce_classification="Invalid Address",
    ),
    _sample(
        *("blocked", "bounce", ("soft_bounced", ANN, "5.7.1: 554 listed as a source of spam")),
        type="blocked",
        status="5.7.1",
        reason="554 listed as a source of spam",
    ),
    _sample(
        *("dropped for a bounce", "dropped", ("suppressed", ANN, "5.0.0: Bounced Address")),
        status="5.0.0",
        reason="Bounced Address",
    ),
    _sample(
        *("dropped for a complaint", "dropped", ("suppressed", ANN, "Spam Reporting Address")),
        reason="Spam Reporting Address",
    ),
    _sample(*("dropped for its content", "dropped", ("failed", ANN, "Spam Content")), reason="Spam Content"),
    _sample("open", "open", ("opened", ANN, None), sg_machine_open=False, **_AGENT),
    _sample(
        "click", "click", ("clicked", ANN, None), url="https://example.com/?to=ann@example.org", **_AGENT
    ),
    _sample("spamreport", "spamreport", ("complained", ANN, None)),
    _sample("unsubscribe", "unsubscribe", ("unsubscribed", ANN, None)),
    _sample("group_unsubscribe", "group_unsubscribe", ("unsubscribed", ANN, None), asm_group_id=10, **_AGENT),
    _sample("group_resubscribe", "group_resubscribe", asm_group_id=10, **_AGENT),
    _sample("account_status_change", "account_status_change", type="compliance_suspend"),
]
