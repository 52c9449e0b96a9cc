"""What Mailgun cannot carry."""

from __future__ import annotations

from shared.signatures import Address, Attachment
from tests.mailer.limits.values import people, tags
from tests.mailer.samples import EVERY_BYTE

UNSUPPORTED: list[tuple[dict[str, object], str]] = [
    ({"bcc": people(1000)}, "1000 recipients"),
    ({"text": ""}, "text or html"),
    ({"tags": tags(11)}, "at most 10 tags"),
    ({"tags": tags(1, "x" * 128)}, "128 ASCII characters"),
    ({"tags": tags(1, "größe")}, "ASCII"),
    ({"metadata": {"k": "v" * 16_384}}, "16 kB"),
    ({"headers": {"X-Long": "v" * 16_384}}, "16 kB"),
    ({"headers": {"X-Mailgun-Drop-Message": "yes"}}, "X-Mailgun-Drop-Message is reserved"),
    ({"metadata": {'"': "v"}}, "quotation mark"),
    ({"attachments": (Attachment(filename='a"b.pdf', content=EVERY_BYTE),)}, "quotation mark"),
    ({"attachments": (Attachment(filename="a\\b.pdf", content=EVERY_BYTE),)}, "backslash"),
    ({"attachments": (Attachment(filename="a", content="AAAA" * 8_400_000),)}, "25 MB"),
    ({"reply_to": (Address(email="émile@example.org", name="É"),)}, "not ASCII"),
]
