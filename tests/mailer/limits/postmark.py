"""What Postmark cannot carry: https://postmarkapp.com/developer/user-guide/send-email-with-api."""

from __future__ import annotations

from shared.signatures import Address, Attachment, Tag
from tests.mailer.limits.values import people, tags

_MEGABYTE = 1024 * 1024

UNSUPPORTED: list[tuple[dict[str, object], str]] = [
    ({"tags": tags(2)}, "one tag, not 2"),
    ({"tags": tags(1, "x" * 1000)}, "1000 characters"),
    ({"metadata": {f"k{number}": "v" for number in range(10)}}, "9 entries"),
    ({"metadata": {"k" * 21: "v"}}, "20 characters"),
    ({"metadata": {"k": "v" * 81}}, "at most 80"),
    ({"metadata": {"Order": "1", "order": "2"}}, "upper and lower case"),
    ({"metadata": {"Message_ID": "mine"}}, "upper and lower case"),
    ({"bcc": people(50)}, "50 recipients, not 51"),
    ({"headers": {"X-PM-Tag": "mine"}}, "X-PM-Tag is reserved"),
    ({"text": ""}, "text or html"),
    ({"text": None}, "text or html"),
    ({"text": "é" * (5 * _MEGABYTE // 2 + 1)}, "5 MB"),
    ({"html": "x" * (5 * _MEGABYTE + 1)}, "5 MB"),
    ({"attachments": (Attachment(filename="a", content="A" * 10 * _MEGABYTE),)}, "10 MB"),
    ({"to": (Address(email="émile@example.org"),)}, "not ASCII"),
    ({"sender": Address(email="émile@example.org")}, "not ASCII"),
]

FITTING: dict[str, object] = {"tags": (Tag(name="plan", value="pro"),)}
