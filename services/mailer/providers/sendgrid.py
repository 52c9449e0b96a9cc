"""Twilio SendGrid, Web API v3: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.mailer.outcome import Accepted, Outcome, Uncertain, reason
from services.mailer.providers import fields
from services.mailer.providers.base import Request, Response, UnsupportedError
from services.mailer.providers.replies import by_status, identifier, parse, words

if TYPE_CHECKING:
    from shared.signatures import Address, Attachment, SendEmail

_RECIPIENTS = 1000
_CATEGORIES = 10
_CATEGORY_LENGTH = 255
_CUSTOM_ARGS_BYTES = 10_000
_RESERVED_HEADERS = frozenset({"x-sg-id", "x-sg-eid", "received", "dkim-signature"})
_ERRORS_TOLD = 3

_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class SendGrid:
    """One SendGrid account.  It honours no idempotency key, and its send cannot be searched for."""

    api_key: str = field(repr=False)
    base_url: str = "https://api.sendgrid.com"
    """``https://api.eu.sendgrid.com`` for a regional subuser in the EU."""

    kind = "sendgrid"

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`.

        Limits: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations
        """
        return Request(
            url=f"{self.base_url.rstrip('/')}/v3/mail/send",
            body=fields.compact(_payload(message)),
            headers={
                "Authorization": f"Bearer {self.api_key}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
        )

    def read(self, response: Response) -> Outcome:
        """See :meth:`.Provider.read`.

        Success is 202 with an empty body; 200 is the answer of the sandbox mode, which we never ask for.
        Errors: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
        """
        if response.status == _ACCEPTED:
            provider_message_id = identifier(response.headers.get("x-message-id"))
            if provider_message_id is None and response.body.strip():
                return Uncertain(reason("HTTP 202", "with a page in its body, so not SendGrid's answer"))
            return Accepted(provider_message_id)
        return by_status(response, self._said(response.body))

    def _said(self, body: bytes) -> str:
        """Give the words of ``{"errors": [{"message", "field"}]}``; empty for any other body."""
        document = parse(body)
        errors = document.get("errors") if isinstance(document, dict) else None
        told = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
        return "; ".join(
            words(f"{error['field']}: {message}" if error.get("field") else message, secret=self.api_key)
            for error in told[:_ERRORS_TOLD]
            if (message := error.get("message"))
        )


def _payload(message: SendEmail) -> dict[str, object]:
    if not message.subject:
        raise UnsupportedError("SendGrid sends no message without a subject")
    payload: dict[str, object] = {
        "personalizations": [_personalization(message)],
        "from": _person(message.sender),
        "subject": message.subject,
        "content": _content(message),
        "headers": fields.headers(message, reserved=_RESERVED_HEADERS),
        "custom_args": _custom_args(message),
    }
    # SendGrid takes the one or the other.
    if len(message.reply_to) == 1:
        payload["reply_to"] = _person(message.reply_to[0])
    elif message.reply_to:
        payload["reply_to_list"] = [_person(address) for address in message.reply_to]
    if message.attachments:
        payload["attachments"] = [_attachment(attachment) for attachment in message.attachments]
    if message.tags:
        payload["categories"] = _categories(message)
    return payload


def _personalization(message: SendEmail) -> dict[str, object]:
    recipients = (*message.to, *message.cc, *message.bcc)
    if len(recipients) > _RECIPIENTS:
        raise UnsupportedError(f"SendGrid takes at most {_RECIPIENTS} recipients, not {len(recipients)}")
    if len({address.email.lower() for address in recipients}) < len(recipients):
        raise UnsupportedError("SendGrid takes an address only once over to, cc and bcc")
    groups = {"to": message.to, "cc": message.cc, "bcc": message.bcc}
    # An empty cc or bcc is refused.
    return {kind: [_recipient(address) for address in group] for kind, group in groups.items() if group}


def _person(address: Address) -> dict[str, str]:
    return {"email": address.email, "name": address.name} if address.name else {"email": address.email}


def _recipient(address: Address) -> dict[str, str]:
    person = _person(address)
    if {",", ";"} & set(address.name or ""):
        # Here, unlike in from and reply_to, SendGrid reads a bare comma or semicolon as the end of an
        # address, and drops the message after having accepted it.
        # https://github.com/sendgrid/sendgrid-python/issues/291
        escaped = person["name"].replace("\\", "\\\\").replace('"', '\\"')
        person["name"] = f'"{escaped}"'
    return person


def _content(message: SendEmail) -> list[dict[str, str]]:
    # In this order, and without an empty one.
    bodies = {"text/plain": message.text, "text/html": message.html}
    content = [{"type": kind, "value": body} for kind, body in bodies.items() if body]
    if not content:
        raise UnsupportedError("SendGrid sends no message without text or html")
    return content


def _custom_args(message: SendEmail) -> dict[str, str]:
    custom_args = fields.metadata(message)
    if len(fields.compact(custom_args)) > _CUSTOM_ARGS_BYTES:
        raise UnsupportedError(f"SendGrid takes at most {_CUSTOM_ARGS_BYTES} bytes of metadata")
    return custom_args


def _categories(message: SendEmail) -> list[str]:
    categories = fields.labels(message)
    if len(categories) > _CATEGORIES:
        raise UnsupportedError(f"SendGrid takes at most {_CATEGORIES} tags, not {len(categories)}")
    if any(len(category) > _CATEGORY_LENGTH for category in categories):
        raise UnsupportedError(f"SendGrid takes tags of at most {_CATEGORY_LENGTH} characters")
    return categories


def _attachment(attachment: Attachment) -> dict[str, str]:
    carried = {
        "content": attachment.content,
        "filename": attachment.filename,
        "type": attachment.content_type,
        "disposition": "inline" if attachment.content_id else "attachment",
    }
    if attachment.content_id:
        carried["content_id"] = attachment.content_id
    return carried
