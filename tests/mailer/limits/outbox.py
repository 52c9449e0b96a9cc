"""What a file of RFC 5322 cannot hold."""

from __future__ import annotations

from shared.signatures import Address, Attachment
from tests.mailer.samples import EVERY_BYTE

LETTER_INSIDE = Attachment(filename="a.eml", content=EVERY_BYTE, content_type="message/rfc822")

NO_ADDRESSES = ("not an address", "", "@", "a@", "a@[", "a@b c", "a..b@c", "<a@b>")

UNSUPPORTED: list[tuple[dict[str, object], str]] = [
    ({"attachments": (LETTER_INSIDE,)}, "byte for byte"),
    ({"to": (Address(email="émile@example.org"),)}, "not ASCII"),
]
UNSUPPORTED += [({"to": (Address(email=email),)}, "cannot be written") for email in NO_ADDRESSES]
