"""Twilio SendGrid, Web API v3: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from services.mailer.outcome import Accepted, Outcome, Uncertain, reason
from services.mailer.providers import fields, sendgrid_payload
from services.mailer.providers.base import Request, Response, Traits
from services.mailer.providers.replies import by_status, identifier, of_the_whole, parse, words
from shared.signatures import SendEmail

_ERRORS_TOLD = 3

_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class SendGrid:
    """One SendGrid account.

    It honours no idempotency key, and cannot be searched by an id of ours: a message in doubt stays so.
    A batch is of up to 1000 messages to one recipient each that share sender, Reply-To, text, HTML, files
    and tags.

    It cannot carry more than 1000 recipients, an address twice, more than ten tags of 255 characters,
    10,000 bytes of metadata, an empty subject, or a message without text and HTML.
    """

    api_key: str = field(repr=False)
    base_url: str = "https://api.sendgrid.com"
    """``https://api.eu.sendgrid.com`` for a regional subuser in the EU."""

    kind: ClassVar[str] = "sendgrid"
    traits: ClassVar[Traits] = Traits(batch_size=1000)

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`.

        Limits: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations
        """
        return self._request(sendgrid_payload.single(message))

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

    def shared(self, message: SendEmail) -> Hashable | None:
        """See :meth:`.Batchable.shared`."""
        return sendgrid_payload.shared(message)

    def build_batch(self, messages: Sequence[SendEmail]) -> Request:
        """See :meth:`.Batchable.build_batch`.

        https://www.twilio.com/docs/sendgrid/for-developers/sending-email/personalizations
        """
        return self._request(sendgrid_payload.batch(messages))

    def read_batch(self, response: Response, messages: Sequence[SendEmail]) -> list[Outcome]:
        """See :meth:`.Batchable.read_batch`.

        SendGrid takes all or none, and names them all by the same id.  In its events a suffix follows
        that id, and what tells them apart is our message id among the custom arguments.
        """
        return of_the_whole(self.read(response), len(messages))

    def _request(self, payload: dict[str, object]) -> Request:
        return Request(
            url=f"{self.base_url.rstrip('/')}/v3/mail/send",
            body=fields.compact(payload),
            headers={
                "Authorization": f"Bearer {self.api_key}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
        )

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
