"""After https://postmarkapp.com/developer/webhooks/webhooks-overview and the pages below it."""

from __future__ import annotations

from typing import Any

from tests.gateway.provider_events.samples import ANN, OURS, Meaning, Sample

THEIRS = "883953f4-6105-42a2-a16a-77a8eac79483"
_BASE = {
    "MessageID": THEIRS,
    "ServerID": 23,
    "MessageStream": "outbound",
    "Tag": "welcome",
    "Metadata": {"message_id": OURS},
}


def _sample(name: str, record: str, /, *means: Meaning, **fields: Any) -> Sample:
    return Sample(name, {**_BASE, "RecordType": record, **fields}, means)


def _bounce(kind: str, code: int, name: str, event: str | None, record: str = "Bounce") -> Sample:
    means: list[Meaning] = (
        [(event, ANN, f"{name}: It did not arrive.: 550 no <address> here")] if event else []
    )
    return _sample(
        f"{record} {kind}",
        record,
        *means,
        ID=4_323_372_036_854_775_807,
        Type=kind,
        TypeCode=code,
        Name=name,
        Description="It did not arrive.",
        Details=f"550 no <{ANN}> here",
        Email=ANN,
        From="shop@example.com",
        BouncedAt="2026-01-02T03:04:05.2735393Z",
        DumpAvailable=True,
        Inactive=True,
        CanActivate=True,
        Subject="Welcome",
    )


def _change(name: str, *means: Meaning, **fields: Any) -> Sample:
    told = {"Recipient": ANN, "ChangedAt": "2026-01-02T03:04:05Z", "Origin": "Recipient", **fields}
    return _sample(name, "SubscriptionChange", *means, **told)


_CLIENT: dict[str, Any] = {
    "Client": {"Name": "Chrome 35"},
    "OS": {"Name": "OS X 10.7"},
    "Platform": "WebMail",
    "Geo": {},
}

SAMPLES = [
    _sample(
        *("Delivery", "Delivery", ("delivered", ANN, "smtp;250 OK")),
        Recipient=ANN,
        DeliveredAt="2026-01-02T03:04:05Z",
        Details="smtp;250 OK",
    ),
    _bounce("HardBounce", 1, "Hard bounce", "bounced"),
    _bounce("BadEmailAddress", 100_000, "Invalid email address", "bounced"),
    _bounce("Transient", 2, "Message delayed", "delivery_delayed"),
    _bounce("SoftBounce", 4096, "Soft bounce", "soft_bounced"),
    _bounce("DnsError", 256, "DNS error", "soft_bounced"),
    _bounce("Blocked", 100_006, "ISP block", "soft_bounced"),
    _bounce("SpamComplaint", 512, "Spam complaint", "complained"),
    _bounce("Unsubscribe", 16, "Unsubscribe request", "unsubscribed"),
    _bounce("ManuallyDeactivated", 100_002, "Manually deactivated", "suppressed"),
    _bounce("SMTPApiError", 100_007, "SMTP API error", "failed"),
    _bounce("AutoResponder", 64, "Auto responder", None),
    _bounce("SpamComplaint", 512, "Spam complaint", "complained", record="SpamComplaint"),
    _sample(
        *("Open", "Open", ("opened", ANN, None)),
        **{"FirstOpen": True, "Recipient": ANN, "ReceivedAt": "2026-01-02T03:04:05Z", **_CLIENT},
    ),
    _sample(
        *("Click", "Click", ("clicked", ANN, None)),
        ClickLocation="HTML",
        OriginalLink="https://example.com",
        Recipient=ANN,
        **{"ReceivedAt": "2026-01-02T03:04:05Z", **_CLIENT},
    ),
    _change(
        *("unsubscribed", ("unsubscribed", ANN, None)),
        SuppressSending=True,
        SuppressionReason="ManualSuppression",
    ),
    _change("suppressed for a bounce", SuppressSending=True, SuppressionReason="HardBounce"),
    _change(
        "suppressed by the customer",
        SuppressSending=True,
        SuppressionReason="ManualSuppression",
        Origin="Customer",
    ),
    _change("subscribed again", SuppressSending=False, SuppressionReason=None),
    _sample("Inbound", "Inbound"),
]
