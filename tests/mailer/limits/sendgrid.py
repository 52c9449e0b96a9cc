"""What SendGrid cannot carry: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations."""

from __future__ import annotations

from shared.signatures import Address
from tests.mailer.limits.values import people, tags

UNSUPPORTED: list[tuple[dict[str, object], str]] = [
    ({"tags": tags(11)}, "at most 10 tags"),
    ({"tags": tags(1, "x" * 255)}, "at most 255 characters"),
    ({"metadata": {"k": "v" * 10_000}}, "10000 bytes"),
    ({"cc": (Address(email="ADA@example.net"),)}, "only once"),
    ({"bcc": people(1000)}, "1000 recipients"),
    ({"headers": {"X-SG-EID": "1"}}, "X-SG-EID is reserved"),
    ({"headers": {"dkim-signature": "1"}}, "reserved"),
    ({"subject": ""}, "subject"),
    ({"text": ""}, "text or html"),
]
