"""After https://mailchimp.com/developer/transactional/docs/webhooks/."""

from __future__ import annotations

from typing import Any

from tests.gateway.provider_events.samples import ANN, OURS, Sample

MOMENT = 1_767_323_045
THEIRS = "a92c74e4c5d74998ba690cd535483bb7"
_MESSAGE = {
    "ts": MOMENT - 60,
    "_id": THEIRS,
    "state": "sent",
    "subject": "Welcome",
    "email": ANN,
    "tags": ["welcome"],
    "opens": [],
    "clicks": [],
    "smtp_events": [],
    "metadata": {"message_id": OURS},
    "sender": "shop@example.com",
    "template": None,
}


def _sample(
    name: str,
    event: str,
    *means: tuple[str, str | None, str | None],
    message: dict[str, Any] | None = None,
    **fields: Any,
) -> Sample:
    told = {"event": event, "_id": THEIRS, "msg": {**_MESSAGE, **(message or {})}, "ts": MOMENT}
    return Sample(name, {**told, **fields}, means)


SAMPLES = [
    _sample("send", "send", ("processed", ANN, None)),
    _sample("delivered", "delivered", ("delivered", ANN, "250 OK"), message={"diag": "250 OK"}),
    _sample(
        *("deferral", "deferral", ("delivery_delayed", ANN, "451 4.3.5 Temporarily unavailable, try later.")),
        message={
            "smtp_events": [
                {
                    "destination_ip": "192.0.2.1",
                    "diag": "451 4.3.5 Temporarily unavailable, try later.",
                    "source_ip": "192.0.2.2",
                    "ts": MOMENT,
                    "type": "deferred",
                    "size": 0,
                }
            ]
        },
    ),
    _sample(
        *("soft_bounce", "soft_bounce", ("soft_bounced", ANN, "mailbox_full: smtp;552 5.2.2 Over Quota")),
        message={
            "bounce_description": "mailbox_full",
            "bgtools_code": 22,
            "diag": "smtp;552 5.2.2 Over Quota",
        },
    ),
    _sample(
        *("hard_bounce", "hard_bounce", ("bounced", ANN, "bad_mailbox: smtp;550 5.1.1 Unknown")),
        message={"bounce_description": "bad_mailbox", "bgtools_code": 10, "diag": "smtp;550 5.1.1 Unknown"},
    ),
    _sample(
        *("reject for a bounce", "reject", ("suppressed", ANN, "hard-bounce")),
        message={"state": "rejected", "reject": {"reason": "hard-bounce", "last_event_at": "2026-01-01"}},
    ),
    _sample(
        *("reject of the sender", "reject", ("failed", ANN, "invalid-sender")),
        message={"state": "rejected", "reject": "invalid-sender"},
        ts=MOMENT + 1,
    ),
    _sample("open", "open", ("opened", ANN, None), ip="203.0.113.7", location={}, user_agent="Mozilla/5.0"),
    _sample("click", "click", ("clicked", ANN, None), ip="203.0.113.7", url="https://example.com/a"),
    _sample("spam", "spam", ("complained", ANN, None), message={"state": "spam"}),
    _sample("unsub", "unsub", ("unsubscribed", ANN, None), message={"state": "unsub"}),
    Sample("denylist", {"type": "blacklist", "action": "add", "reject": {"email": ANN}, "ts": MOMENT}, ()),
    _sample("inbound", "inbound"),
]
