"""Read back what a mail server took over: the letter, and what its envelope tells besides."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

from tests.mailer.carried.letter import addresses, body, files
from tests.mailer.carried.shape import Carried

_KNOWN = frozenset(
    {
        "from", "to", "cc", "bcc", "reply-to", "subject", "date", "mime-version", "content-type",
        "content-transfer-encoding", "x-pillarbox-message-id",
    }
)  # fmt: skip


def read(payload: Any) -> Carried:
    """Read the envelope and the letter; whoever is in the first alone is a blind copy's recipient."""
    letter = message_from_bytes(payload["content"].encode("latin-1"), policy=policy.default)
    assert addresses(letter["From"])[0][0] == payload["sender"]
    to, cc = addresses(letter["To"]), addresses(letter["Cc"])
    seen = {address for address, _ in (*to, *cc)}
    assert seen <= set(payload["recipients"])
    return Carried(
        sender=addresses(letter["From"])[0],
        to=to,
        cc=cc,
        bcc=[
            *addresses(letter["Bcc"]),
            *((path, None) for path in payload["recipients"] if path not in seen),
        ],
        reply_to=addresses(letter["Reply-To"]),
        subject=letter["Subject"],
        text=body(letter, "plain"),
        html=body(letter, "html"),
        headers={name: value for name, value in letter.items() if name.lower() not in _KNOWN},
        tags=[],
        metadata={"message_id": letter["X-Pillarbox-Message-Id"]},
        files=sorted(files(letter)),
    )
