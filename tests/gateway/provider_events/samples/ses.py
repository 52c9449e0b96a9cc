"""After https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html.

And, for the older format, https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html.
"""

from __future__ import annotations

from typing import Any

from tests.gateway.provider_events.samples import ANN, OURS, Meaning, Sample

THEIRS = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"
BOB = "bob@example.org"
WHEN = "2026-01-02T03:04:05.000Z"
MAIL: dict[str, Any] = {
    "timestamp": "2026-01-02T03:03:00.000Z",
    "source": "shop@example.com",
    "messageId": THEIRS,
    "destination": [ANN],
    "headersTruncated": False,
    "headers": [{"name": "Subject", "value": "Welcome"}],
    "tags": {"message_id": [OURS], "ses:configuration-set": ["pillarbox"]},
}


def _sample(name: str, kind: str, field: str, /, *means: Meaning, **details: Any) -> Sample:
    return Sample(name, {"eventType": kind, "mail": MAIL, field: details}, means)


def _bounce(kind: str, sub_type: str, event: str) -> Sample:
    told = f"{kind}: {sub_type}: smtp; 550 5.1.1 no <address> here: 5.1.1"
    return _sample(
        *(f"Bounce {kind} {sub_type}", "Bounce", "bounce", (event, ANN, told)),
        bounceType=kind,
        bounceSubType=sub_type,
        bouncedRecipients=[
            {"emailAddress": ANN, "status": "5.1.1", "diagnosticCode": f"smtp; 550 5.1.1 no {ANN} here"}
        ],
        timestamp=WHEN,
        feedbackId="0100018c-feedback",
    )


def _subscription(name: str, preferences: dict[str, Any], *means: Meaning) -> Sample:
    details = {"contactList": "all", "timestamp": WHEN, "source": "UnsubscribeHeader"}
    return _sample(name, "Subscription", "subscription", *means, newTopicPreferences=preferences, **details)


_TOPIC = {"topicName": "news", "subscriptionStatus": "OptOut"}
_COMPLAINT: dict[str, Any] = {
    "complainedRecipients": [{"emailAddress": ANN}],
    "timestamp": WHEN,
    "feedbackId": "0100018c",
}

SAMPLES = [
    _sample("Send", "Send", "send", ("processed", ANN, None)),
    _sample("Reject", "Reject", "reject", ("failed", ANN, "Bad content"), reason="Bad content"),
    _sample(
        *("Rendering Failure", "Rendering Failure", "failure", ("failed", ANN, "NAME is not there")),
        errorMessage="NAME is not there",
        templateName="welcome",
    ),
    _sample(
        *("Delivery", "Delivery", "delivery"),
        *[("delivered", whom, "250 2.6.0 OK") for whom in (ANN, BOB)],
        timestamp=WHEN,
        processingTimeMillis=11_893,
        recipients=[ANN, BOB],
        smtpResponse="250 2.6.0 OK",
    ),
    _sample(
        *("DeliveryDelay", "DeliveryDelay", "deliveryDelay"),
        ("delivery_delayed", ANN, "MailboxFull: smtp; 452: 4.2.2"),
        timestamp=WHEN,
        delayType="MailboxFull",
        delayedRecipients=[{"emailAddress": ANN, "status": "4.2.2", "diagnosticCode": "smtp; 452"}],
    ),
    _bounce("Permanent", "General", "bounced"),
    _bounce("Permanent", "Suppressed", "suppressed"),
    _bounce("Permanent", "OnAccountSuppressionList", "suppressed"),
    _bounce("Transient", "MailboxFull", "soft_bounced"),
    _bounce("Undetermined", "Undetermined", "soft_bounced"),
    _sample(
        *("Complaint", "Complaint", "complaint", ("complained", ANN, "abuse")),
        complaintFeedbackType="abuse",
        **_COMPLAINT,
    ),
    _sample(
        *("Complaint on a list", "Complaint", "complaint", ("suppressed", ANN, "OnAccountSuppressionList")),
        complaintSubType="OnAccountSuppressionList",
        **_COMPLAINT,
    ),
    _sample("Open", "Open", "open", ("opened", ANN, None), timestamp=WHEN, ipAddress="203.0.113.7"),
    _sample("Click", "Click", "click", ("clicked", ANN, None), timestamp=WHEN, link="https://example.com"),
    _subscription("Subscription ended", {"unsubscribeAll": True}, ("unsubscribed", ANN, None)),
    _subscription(
        "Topic ended",
        {"unsubscribeAll": False, "topicSubscriptionStatus": [_TOPIC]},
        ("unsubscribed", ANN, None),
    ),
    _subscription("Subscription begun", {"unsubscribeAll": False}),
    _sample("something new", "Teleport", "teleport"),
]

NOTIFICATIONS = [
    Sample(
        f"notification of a {sample.name}",
        {
            "notificationType": sample.event["eventType"],
            "mail": {name: value for name, value in MAIL.items() if name != "tags"},
            **{name: value for name, value in sample.event.items() if name not in {"eventType", "mail"}},
        },
        sample.means,
    )
    for sample in SAMPLES
    if sample.event["eventType"] in {"Bounce", "Complaint", "Delivery"}
]
