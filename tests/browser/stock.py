"""What somebody finds on the dashboard who has used Pillarbox for a while."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.webhook_events import WebhookEvents
from shared.signatures import RecordWebhookAttempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.system import System


def _png(*rows: bytes) -> str:
    """A picture of grey rows in base64 (https://www.w3.org/TR/png-3/)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")).decode()


STAMP = _png(*(bytes((60, 200)[(x // 4 + y // 4) % 2] for x in range(32)) for y in range(32)))

LETTERS = Path(__file__).parent / "letters"
RESET: dict[str, Any] = {
    "name": "Password reset",
    "alias": "password-reset",
    "from": "Marlow & Finch <hello@shop.example.com>",
    "subject": "Reset your password, {{ name }}",
    "html": (LETTERS / "reset.html").read_text(),
    "text": "Hello {{ name }},\n\nthis link is good for {{ minutes }} minutes: {{ link }}\n",
    "variables": [{"key": "minutes", "type": "number", "fallback_value": 30}],
}
SHOP = "Marlow & Finch <hello@shop.example.com>"
WEBHOOK = {
    "endpoint": "https://shop.example.com/hooks/pillarbox",
    "events": ["email.delivered", "email.bounced"],
}


def tags(kind: str) -> list[dict[str, str]]:
    """The tag that the shop gives its messages."""
    return [{"name": "kind", "value": kind}]


def send(system: System, to: str, subject: str, **more: Any) -> str:
    """Have a message accepted, and return its id."""
    body = {
        "from": SHOP,
        "to": to,
        "subject": subject,
        "text": f"{subject}.\n\nYours, Marlow & Finch",
        **more,
    }
    return system.accept(body)


def receipt(system: System) -> str:
    """The receipt: HTML, text, a picture in the HTML, and a file."""
    return send(
        system,
        "Ann Ekwall <ann@example.org>",
        "Your receipt for order 1042",
        html=(LETTERS / "receipt.html").read_text(),
        text="Dear Ann,\n\nthank you for your order.\n\nThe Sea, The Sea        £11.50\nTotal  £20.70\n",
        tags=tags("receipt"),
        metadata={"order": "1042"},
        attachments=[
            {"filename": "receipt-1042.txt", "content": base64.b64encode(b"Order 1042: 20.70 GBP").decode()},
            {"filename": "stamp.png", "content": STAMP, "content_type": "image/png", "content_id": "stamp"},
        ],
    )


def report(system: System, message_id: str, *words: str, **fields: Any) -> None:
    """Have the ledger hear of a message what a mailer would report."""
    begun = datetime.now(UTC)
    events = [
        LedgerEvent(
            UUID(message_id), f"1:{word}", word, "mailer", begun + timedelta(milliseconds=40 * n), 1, **fields
        )
        for n, word in enumerate(words)
    ]
    in_ledger(system, lambda sessions: Ledger(sessions, silent_after=60).record(events))


def in_ledger(system: System, do: Callable[[Sessions], Awaitable[object]]) -> None:
    """Do what the gateway's recorder does."""

    async def run() -> None:
        engine = open_engine(LedgerAddress.parse(system.ledger_url), 5)
        await do(Sessions(engine, writing=None))
        await engine.dispose()

    # In a thread, because the browser's event loop may be running in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(run())).result()


def later(system: System, to: str, subject: str, **more: Any) -> str:
    """A message that no mailer gets to see."""
    return send(system, to, subject, scheduled_at="in 2 days", **more)


def tell(system: System, message_id: str, word: str, recipient: str) -> None:
    """Have the ledger hear of a message what its provider tells of it."""
    event = LedgerEvent(
        UUID(message_id),
        f"told:{word}",
        word,
        "receiver",
        datetime.now(UTC),
        provider="sendgrid",
        reason="550 5.1.1 The mailbox does not exist",
        recipient=recipient,
    )
    in_ledger(system, lambda sessions: Ledger(sessions, silent_after=60).record([event]))


def told(system: System, webhook: str, status: int) -> None:
    """Have the ledger hear what came of telling a webhook."""
    (event,) = system.client.get(f"/webhooks/{webhook}/events").json()["data"]
    attempt = RecordWebhookAttempt(
        delivery_id=event["id"], attempt=1, at=datetime.now(UTC), duration_ms=87, status_code=status
    )
    in_ledger(system, lambda sessions: WebhookEvents(sessions).record([attempt]))


def fill(system: System) -> dict[str, str]:
    """Fill a system that has just started; return the ids of what tests look at."""
    client = system.client
    webhook = client.post("/webhooks", json=WEBHOOK).json()["id"]
    template = client.post("/templates", json=RESET).json()["id"]
    client.post(f"/templates/{template}/publish")
    client.patch(f"/templates/{template}", json={"text": RESET["text"] + "\nMarlow & Finch\n"})
    for name, permission in (("Shop, production", "sending_access"), ("Support desk", "read_access")):
        client.post("/api-keys", json={"name": name, "permission": permission})
    for address in ("gone@example.net", "no-mail@example.org"):
        client.post("/suppressions", json={"email": address})
    failed = [
        later(system, f"{who}@example.net", f"Your parcel {number} is on its way", tags=tags("shipping"))
        for number, who in enumerate(("ida", "oskar", "lena"), 1)
    ]
    for one in failed:
        report(
            system, one, "sending", "failed", provider="sendgrid", reason="given_up: 48 attempts in 24 hours"
        )
    held = later(system, "cara@example.com", "Your gift card", tags=tags("gift"))
    report(system, held, "sending", "uncertain", "held", provider="sendgrid", reason="no answer within 30 s")
    bounced = later(system, "old@example.net", "Your order 1039 is ready", tags=tags("receipt"))
    report(
        system, bounced, "sending", "sent", provider="sendgrid", provider_message_id="14c5d75ce93.filter0001"
    )
    tell(system, bounced, "bounced", "old@example.net")
    told(system, webhook, 503)
    scheduled = later(system, "newsletter@example.org", "Spring reading", priority="bulk", tags=tags("news"))
    send(system, "bo@example.org", "Welcome to Marlow & Finch", tags=tags("welcome"))
    client.post(
        "/emails",
        json={
            "to": "ann@example.org",
            "template": {
                "id": "password-reset",
                "variables": {"name": "Ann", "link": "https://shop.example.com/r/7f3"},
            },
        },
    )
    system.accept({"email": "dora@example.org"}, "/welcome-emails")
    sent = receipt(system)
    system.wait_for(sent, "sent")
    (told_of,) = client.get(f"/webhooks/{webhook}/events").json()["data"]
    return {
        "webhook": webhook,
        "event": told_of["id"],
        "template": template,
        "failed": failed[-1],
        "held": held,
        "scheduled": scheduled,
        "sent": sent,
        "bounced": bounced,
    }
