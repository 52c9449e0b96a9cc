"""All calls, in the order in which people read about them."""

from __future__ import annotations

from services.gateway.api.description import (
    api_keys,
    emails,
    event_stream,
    gateway,
    provider_events,
    replays,
    sendgrid,
    statistics,
    suppressions,
    templates,
    unsubscribe,
    webhooks,
)

OPERATIONS = (
    *emails.OPERATIONS,
    *event_stream.OPERATIONS,
    *replays.OPERATIONS,
    *templates.OPERATIONS,
    *suppressions.OPERATIONS,
    *statistics.OPERATIONS,
    *webhooks.OPERATIONS,
    *api_keys.OPERATIONS,
    *sendgrid.OPERATIONS,
    *provider_events.OPERATIONS,
    *unsubscribe.OPERATIONS,
    *gateway.OPERATIONS,
)

TAGS = {
    "Emails": "Send messages, and see what becomes of them.",
    "Replays": "Send once more what failed, and decide on what is held.",
    "Templates": "Write what messages say once, and send it many times.",
    "Suppressions": "Addresses that no mail of yours may go to.",
    "Webhooks": "Have your own server told what becomes of your messages.",
    "Statistics": "How much was sent and delivered, and how fast.",
    "API keys": "Who may call, and what for.",
    "SendGrid": "The same service in SendGrid's words.",
    "Provider events": "What the providers tell of the messages that they took.",
    "Unsubscribing": "What the links in your messages lead to.",
    "Gateway": "Probes, and this description.",
}
"""The groups of calls, in the same order."""
