"""Read back what Amazon SES was sent."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy
from typing import Any

from tests.mailer.carried.letter import addresses, body, files, parsed
from tests.mailer.carried.shape import Carried, Mailbox

_HEAD = {
    "from", "to", "cc", "reply-to", "subject", "date", "mime-version", "content-type",
    "content-transfer-encoding",
}  # fmt: skip


def read(payload: Any) -> Carried:
    """Read the JSON of ``/v2/email/outbound-emails``: an envelope, and a letter or a template."""
    return _template(payload) if "Template" in payload["Content"] else _letter(payload)


def _letter(payload: Any) -> Carried:
    letter = message_from_bytes(base64.b64decode(payload["Content"]["Raw"]["Data"]), policy=policy.default)
    shown = {"ToAddresses": addresses(letter["To"]), "CcAddresses": addresses(letter["Cc"])}
    destination = payload["Destination"]
    # The envelope decides who gets it, and the letter what they read: they have to agree.
    assert all(destination.get(kind, []) == [email for email, _ in people] for kind, people in shown.items())
    return Carried(
        sender=addresses(letter["From"])[0],
        to=shown["ToAddresses"],
        cc=shown["CcAddresses"],
        bcc=[(email, None) for email in destination.get("BccAddresses", [])],
        reply_to=addresses(letter["Reply-To"]),
        subject=letter["Subject"],
        text=body(letter, "plain"),
        html=body(letter, "html"),
        headers={name: value for name, value in letter.items() if name.lower() not in _HEAD},
        **_tags(payload),
        files=sorted(files(letter)),
    )


def _template(payload: Any) -> Carried:
    template, destination = payload["Content"]["Template"], payload["Destination"]
    content = template["TemplateContent"]
    return Carried(
        sender=parsed("From", payload["FromEmailAddress"])[0],
        to=_mailboxes(destination["ToAddresses"]),
        cc=_mailboxes(destination.get("CcAddresses")),
        bcc=_mailboxes(destination.get("BccAddresses")),
        reply_to=_mailboxes(payload.get("ReplyToAddresses")),
        subject=content["Subject"],
        text=content.get("Text"),
        html=content.get("Html"),
        headers={header["Name"]: header["Value"] for header in template["Headers"]},
        **_tags(payload),
        files=[],
    )


def _mailboxes(texts: list[str] | None) -> list[Mailbox]:
    return [mailbox for text in texts or [] for mailbox in parsed("To", text)]


def _tags(payload: Any) -> dict[str, Any]:
    """Tell tags from metadata, which are one thing to Amazon: by the names that the samples have."""
    pairs = {tag["Name"]: tag["Value"] for tag in payload["EmailTags"]}
    metadata = {name: value for name, value in pairs.items() if name in {"message_id", "order"}}
    tags = [f"{name}:{value}" for name, value in pairs.items() if name not in metadata]
    return {"metadata": metadata, "tags": [tag.removesuffix(":true") for tag in tags]}
