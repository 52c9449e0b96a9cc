"""What Resend cannot carry: https://resend.com/docs/api-reference/emails/send-email."""

from __future__ import annotations

from shared.signatures import Address, Attachment, Tag
from tests.mailer.limits.values import people
from tests.mailer.samples import EVERY_BYTE

_MEGABYTE = 1024 * 1024
_TEXT_AS_CSV = Attachment(filename="data.txt", content=EVERY_BYTE, content_type="text/csv")


def sender(name: str) -> dict[str, object]:
    return {"sender": Address(email="no-reply@example.org", name=name)}


UNSUPPORTED: list[tuple[dict[str, object], str]] = [
    ({"to": people(51)}, "50 recipients in to, not 51"),
    ({"text": ""}, "text or html"),
    ({"text": None}, "text or html"),
    ({"tags": (Tag(name="welcome", value=""),)}, "letter, a digit"),
    ({"tags": (Tag(name="größe", value="XL"),)}, "letter, a digit"),
    ({"tags": (Tag(name="plan", value="for ever"),)}, "letter, a digit"),
    ({"tags": (Tag(name="plan", value="x" * 257),)}, "256"),
    ({"tags": (Tag(name="plan", value="pro\n"),)}, "line break"),
    ({"tags": (Tag(name="plan", value="pro"), Tag(name="plan", value="free"))}, "a name once"),
    ({"tags": (Tag(name="message_id", value="mine"),)}, "a name once"),
    ({"tags": (Tag(name="order", value="1"),), "metadata": {"order": "2"}}, "a name once"),
    ({"metadata": {"order": "4 2"}}, "letter, a digit"),
    ({"metadata": {"größe": "XL"}}, "letter, a digit"),
    ({"attachments": (Attachment(filename="a", content="A" * (40 * _MEGABYTE + 4)),)}, "40 MB"),
    ({"attachments": (_TEXT_AS_CSV,)}, "text/csv that ends in .txt"),
    ({"to": (Address(email="émile@example.org"),)}, "not ASCII"),
    (sender("Lovelace, Ada"), "sender's name"),
    (sender('Ada "A" Lovelace'), "sender's name"),
    (sender("Ada <ada@example.net>"), "sender's name"),
    (sender("=?utf-8?q?Ada?="), "sender's name"),
]

FITTING: dict[str, object] = {"tags": (Tag(name="plan", value="pro"),), "metadata": {"order": "42"}}
LITERAL: dict[str, object] = sender("not encoded")
