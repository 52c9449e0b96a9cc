"""What SMTP cannot carry."""

from __future__ import annotations

from shared.signatures import Address
from tests.mailer.limits import outbox

FITTING: dict[str, object] = {"tags": (), "metadata": {}}
"""They have no place there, and are nobody's loss: see :class:`~services.mailer.providers.smtp.Smtp`."""

_NOT_ASCII = (Address(email="émile@example.org"),)

UNSUPPORTED: list[tuple[dict[str, object], str]] = [
    *outbox.UNSUPPORTED,
    ({"cc": _NOT_ASCII}, "not ASCII"),
    ({"bcc": _NOT_ASCII}, "not ASCII"),
    ({"sender": Address(email="post@käse.example")}, "not ASCII"),
    ({"to": ()}, "no recipient"),
    ({"headers": {"X-Pillarbox-Message-Id": "mine"}}, "reserved"),
    ({"headers": {"Return-Path": "<mine@example.org>"}}, "reserved"),
]
UNSUPPORTED += [({"bcc": (Address(email=email),)}, "cannot be written") for email in outbox.NO_ADDRESSES]
