"""Mailchimp Transactional, once called Mandrill: https://mailchimp.com/developer/transactional/api/messages/."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Unauthorised,
    Uncertain,
    reason,
)
from services.mailer.providers import fields
from services.mailer.providers.base import Request, Response, UnsupportedError
from services.mailer.providers.hints import retry_after
from services.mailer.providers.replies import by_status, identifier, parse, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.signatures import Address, Attachment, SendEmail

_TAG_LENGTH = 50
_METADATA_BYTES = 250

_OK = range(200, 300)
_TAKEN = frozenset({"sent", "queued", "scheduled"})
_REFUSED = frozenset({"rejected", "invalid"})
_DO_NOT_SEND = frozenset({"hard-bounce", "spam", "unsub"})

_ACCOUNT_ERRORS = frozenset({"Invalid_Key", "PaymentRequired", "PoorReputation", "Unknown_Subaccount"})
_MESSAGE_ERRORS = frozenset({"ValidationError", "Unknown_Template"})
_PASSING_ERRORS = frozenset({"ServiceUnavailable"})


@dataclass(frozen=True, slots=True)
class Mandrill:
    """One Mailchimp Transactional account.  It honours no idempotency key; metadata can be searched."""

    api_key: str = field(repr=False)
    base_url: str = "https://mandrillapp.com"

    kind = "mandrill"

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`.

        https://mailchimp.com/developer/transactional/api/messages/send-new-message/
        """
        document = {"key": self.api_key, "message": _message(message), "async": False}
        return Request(
            url=f"{self.base_url.rstrip('/')}/api/1.0/messages/send.json",
            body=fields.compact(document),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )

    def read(self, response: Response) -> Outcome:
        """See :meth:`.Provider.read`.

        A refusal is told by its name, under any HTTP status; success is a list with a status for each
        recipient.  https://mailchimp.com/developer/transactional/docs/error-glossary/
        """
        document = parse(response.body)
        if isinstance(document, list) and response.status in _OK:
            return self._recipients(document)
        if isinstance(document, dict) and document.get("status") == "error":
            return self._error(response, document)
        return by_status(response)

    def _recipients(self, rows: list[object]) -> Outcome:
        entries = [row for row in rows if isinstance(row, dict)]
        statuses = {str(entry.get("status")) for entry in entries}
        taken = [entry for entry in entries if str(entry.get("status")) in _TAKEN]
        if taken:
            # With several recipients some may be refused.  The others' mail is on its way, so another
            # attempt would send it to them twice; the refusals come again as webhook events.
            return Accepted(next(filter(None, (identifier(entry.get("_id")) for entry in taken)), None))
        if len(entries) < len(rows) or not statuses or not statuses <= _REFUSED:
            return Uncertain(reason("HTTP 200", "a list without a status that Mandrill gives"))
        causes = {str(entry.get("reject_reason") or entry.get("status")) for entry in entries}
        why = reason("refused", words(", ".join(sorted(causes)), secret=self.api_key))
        return Suppressed(why) if causes <= _DO_NOT_SEND else Rejected(why)

    def _error(self, response: Response, error: dict[str, object]) -> Outcome:
        name = str(error.get("name"))
        said = words(f"{name}: {error.get('message')}", secret=self.api_key)
        why = reason(f"HTTP {response.status}", said)
        if name in _ACCOUNT_ERRORS:
            return Unauthorised(why)
        if name in _MESSAGE_ERRORS:
            return Rejected(why)
        if name in _PASSING_ERRORS:
            return Deferred(why, retry_after(response.headers))
        outcome = by_status(response, said)
        # GeneralError is their bug, met anywhere on the way, and a name we do not know may be one too.
        return Uncertain(why) if isinstance(outcome, Rejected) else outcome


def _message(message: SendEmail) -> dict[str, object]:
    recipients = list(_recipients(message))
    carried: dict[str, object] = {
        "from_email": message.sender.email,
        "from_name": message.sender.name,
        "to": recipients,
        "subject": message.subject,
        "html": message.html,
        "text": message.text,
        "headers": _headers(message),
        # One message that shows its To and Cc, as everywhere else, and not a copy for each recipient.
        "preserve_recipients": len(recipients) > 1,
        # The words are final: *|such|* a text is meant literally.
        "merge": False,
        "tags": _tags(message),
        "metadata": _metadata(message),
        "attachments": [_file(each, each.filename) for each in message.attachments if not each.content_id],
        "images": [_image(each) for each in message.attachments if each.content_id],
    }
    return {name: value for name, value in carried.items() if value is not None and value != []}


def _recipients(message: SendEmail) -> Iterable[dict[str, str]]:
    groups: tuple[tuple[str, tuple[Address, ...]], ...] = (
        ("to", message.to),
        ("cc", message.cc),
        ("bcc", message.bcc),
    )
    for kind, group in groups:
        for address in group:
            named = {"name": address.name} if address.name else {}
            yield {"email": address.email, **named, "type": kind}


def _headers(message: SendEmail) -> dict[str, str]:
    carried = fields.headers(message)
    if message.reply_to:
        carried["Reply-To"] = ", ".join(fields.mailbox(address) for address in message.reply_to)
    return carried


def _tags(message: SendEmail) -> list[str]:
    tags = fields.labels(message)
    if any(tag.startswith("_") for tag in tags):
        raise UnsupportedError("Mandrill keeps tags that begin with an underscore to itself")
    if any(len(tag) > _TAG_LENGTH for tag in tags):
        raise UnsupportedError(
            f"Mandrill takes tags of at most {_TAG_LENGTH} characters, name and value together"
        )
    return tags


def _metadata(message: SendEmail) -> dict[str, str]:
    """See https://mailchimp.com/developer/transactional/docs/tags-metadata/ for the limits."""
    metadata = fields.metadata(message)
    if any(name.startswith("_") for name in metadata):
        raise UnsupportedError("Mandrill keeps metadata that begins with an underscore to itself")
    if len(fields.compact(metadata)) > _METADATA_BYTES:
        raise UnsupportedError(f"Mandrill takes at most {_METADATA_BYTES} bytes of metadata")
    return metadata


def _image(attachment: Attachment) -> dict[str, str]:
    if not attachment.content_type.startswith("image/"):
        raise UnsupportedError("Mandrill takes nothing but images inline")
    # The name of an image is what cid: refers to.
    return _file(attachment, attachment.content_id or "")


def _file(attachment: Attachment, name: str) -> dict[str, str]:
    return {"type": attachment.content_type, "name": name, "content": attachment.content}
