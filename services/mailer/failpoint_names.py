"""Every failpoint of the mailer, and what is true at it; behind it its rows in docs/reliability.md."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

FAILPOINTS: Final = MappingProxyType(
    {
        "w.start": "the task is delivered, and nothing of it is read (B8)",
        "w.before_claim": "the message has its place at an account, and no claim (W2)",
        "w.after_claim": "the claim is committed, and so is the attempt unless one is in doubt (W3)",
        "w.before_resolve": "the claim is ours, and an attempt before this one is in doubt (W3)",
        "w.in_attempt": "the attempt has begun, and the request is not built (W11, W12, W20)",
        "w.before_request": "the attempt has begun, and no byte of the request has left (W4, W14)",
        "w.after_response": "the answer is here, and nothing of it is written down (W7)",
        "w.before_settle": "the outcome is known, and about to be written to the claim (W16)",
        "w.after_settle": "the claim holds the outcome, and the gateway does not know (W8)",
        "w.before_ack": "the gateway's queue has the outcome, and the task is not acknowledged (W8)",
        "w.before_retry": "the attempt was not the last, and its retry is not published (W8)",
        "w.after_retry": "the retry is published, and the task is not acknowledged (W8)",
        "h.after_post": "the tenant's server has the webhook, and nobody is told (W8)",
    }
)
