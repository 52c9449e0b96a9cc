"""Signs a webhook by the scheme of Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
Svix, which Resend's SDKs verify by, is the same scheme under other names of headers.
"""

from __future__ import annotations

from datetime import datetime

from standardwebhooks import Webhook

from shared.signatures import PostWebhook

_PREFIXES = ("webhook", "svix")


def signed(webhook: PostWebhook, at: datetime) -> dict[str, str]:
    """The headers that prove where it comes from, by every secret that is valid; ``at`` is in UTC.

    The id is that of the delivery, and the same over all attempts: a receiver can tell a copy by it.
    """
    delivery = str(webhook.delivery_id)
    signatures = [Webhook(secret).sign(delivery, at, webhook.payload) for secret in webhook.secrets]
    told = {"id": delivery, "timestamp": str(int(at.timestamp())), "signature": " ".join(signatures)}
    return {f"{prefix}-{name}": value for prefix in _PREFIXES for name, value in told.items()}
