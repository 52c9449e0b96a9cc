"""Messages that use what a message can use."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from shared.signatures import Address, Attachment, SendEmail, Tag

MESSAGE_ID = UUID("019a9d5e-7b2c-7def-8abc-0123456789ab")
"""A UUIDv7 of Wed, 19 Nov 2025 18:26:46 UTC."""

EVERY_BYTE = base64.b64encode(bytes(range(256)) * 3).decode()


def message(**fields: Any) -> SendEmail:
    """Make a small message; *fields* replace or add."""
    plain: dict[str, Any] = {
        "message_id": MESSAGE_ID,
        "sender": Address(email="no-reply@example.org"),
        "to": (Address(email="ada@example.net"),),
        "subject": "Welcome",
        "text": "Hello",
    }
    return SendEmail(**{**plain, **fields})


PLAIN = message()
HTML = message(text=None, html="<p>Hello</p>")
FULL = message(
    sender=Address(email="no-reply@example.org", name="Pillarbox"),
    to=(
        Address(email="ada@example.net", name="Ada Lovelace"),
        Address(email="emile@example.net", name="Émile"),
    ),
    cc=(Address(email="carl@example.net", name='Carl "C" O\'Neil'),),
    bcc=(Address(email="secret@example.net"),),
    reply_to=(Address(email="help@example.org", name="Hilfe für alle"), Address(email="desk@example.org")),
    subject="Grüße aus der Küche: 10 € für dich, und zwar ein ganzes langes Jahr hindurch 🎉 日本",
    text="Grüße\n\n.\nFrom here on =\n--=_019a9d5e7b2c7def8abc0123456789ab_0\nkein Ende",
    html=f'<p>Grüße</p><img src="cid:logo@example.org">{"x" * 1500}',
    headers={
        "List-Unsubscribe": f"<https://example.org/unsubscribe/{'u' * 120}>, <mailto:stop@example.org>",
        "X-Campaign": "Frühling",
        "References": "<one@example.org> <two@example.org>",
    },
    attachments=(
        Attachment(filename="Rechnung Größe.pdf", content=EVERY_BYTE, content_type="application/pdf"),
        Attachment(
            filename="notes.txt", content=base64.b64encode(b"a\r\nb\nc").decode(), content_type="text/plain"
        ),
        Attachment(
            filename="logo@example.org",
            content=EVERY_BYTE,
            content_type="image/png",
            content_id="logo@example.org",
        ),
    ),
    tags=(Tag(name="welcome", value=""), Tag(name="plan", value="pro")),
    metadata={"order": "42", "größe": "XL"},
)
MANY = message(to=tuple(Address(email=f"user{number}@example.net") for number in range(50)))

LITERAL = message(
    sender=Address(email="no-reply@example.org", name="=?utf-8?q?not_encoded?="),
    subject="=?utf-8?q?not_encoded?= (really)",
    headers={"X-Literal": "=?utf-8?b?bm8=?="},
)
ATTACHED_ONLY = message(text="Look", attachments=FULL.attachments)

SAMPLES = {
    "plain": PLAIN,
    "html": HTML,
    "full": FULL,
    "many": MANY,
    "literal": LITERAL,
    "attached": ATTACHED_ONLY,
}
