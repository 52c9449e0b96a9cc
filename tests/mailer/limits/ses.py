"""What Amazon SES cannot carry: https://docs.aws.amazon.com/ses/latest/dg/quotas.html."""

from __future__ import annotations

from shared.signatures import Address, Attachment, Tag
from tests.mailer.limits.values import people

UNSUPPORTED: list[tuple[dict[str, object], str]] = [
    ({"bcc": people(50)}, "50 recipients"),
    ({"metadata": {"größe": "XL"}}, "ASCII letters"),
    ({"metadata": {"size": "X L"}}, "ASCII letters"),
    ({"metadata": {"size": ""}}, "ASCII letters"),
    ({"metadata": {"size": "x" * 257}}, "256"),
    ({"tags": (Tag(name="plan", value="pro!"),)}, "ASCII letters"),
    ({"tags": (Tag(name="plan", value="a"), Tag(name="plan", value="b"))}, "only once"),
    ({"tags": (Tag(name="plan", value="a"),), "metadata": {"plan": "a"}}, "only once"),
    ({"tags": (Tag(name="message_id", value="mine"),)}, "only once"),
    ({"bcc": (Address(email="émile@example.org"),)}, "not ASCII"),
    ({"attachments": (Attachment(filename="a", content="AAAA" * 10_500_000),)}, "40 MB"),
]

FITTING: dict[str, object] = {"metadata": {"order": "42"}}
