"""Mailgun: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages."""

from __future__ import annotations

import base64
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote, urlencode

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Trouble,
    Unauthorised,
    Uncertain,
    reason,
)
from services.mailer.providers import mailgun_form
from services.mailer.providers.base import Absent, Finding, Found, Request, Response, Traits, Unclear
from services.mailer.providers.hints import retry_after
from services.mailer.providers.replies import by_status, identifier, of_the_whole, parse, words
from shared.signatures import SendEmail

_ACCOUNT_WORDS = ("is not allowed to send", "activate your mailgun account")
_AGAIN = re.compile(r"try again after ([^\n]{1,40})", re.IGNORECASE)
_NOT_THE_API = b"Mailgun Magnificent API"
_EVENTS = 5


@dataclass(frozen=True, slots=True)
class Mailgun:
    """One domain of a Mailgun account.

    It honours no idempotency key.  Its events can be searched by the ``Message-ID``, which is ours and
    which Mailgun keeps and calls its own message id; but it reserves half an hour for an event to show.
    A batch is of up to 1000 messages to one recipient each that share all but recipient, subject and the
    values of their metadata; none of them may say ``%recipient``, which is Mailgun's own.

    It cannot carry more than 1000 recipients, 25 MB, 16 kB of headers, tags and metadata, ten tags, or a
    message without text and HTML.  The name of an inline picture is its content id.  Recipients can see
    the metadata, as the header ``X-Mailgun-Variables``.
    """

    api_key: str = field(repr=False)
    domain: str
    """The one in Mailgun's settings, which signs; senders may be of any domain below it."""
    base_url: str = "https://api.mailgun.net"
    """``https://api.eu.mailgun.net`` for a domain in the EU."""

    kind: ClassVar[str] = "mailgun"
    traits: ClassVar[Traits] = Traits(settle_delay=1800.0, batch_size=1000)
    """https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-polling"""

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`."""
        body, content_type = mailgun_form.single(message)
        return self._request("messages", body, content_type)

    def read(self, response: Response) -> Outcome:
        """See :meth:`.Provider.read`.

        Errors: https://github.com/mailgun/documentation/blob/master/source/api-sending.rst
        """
        document = parse(response.body)
        if response.status == 200:
            return self._taken(response, document)
        told = document.get("message") if isinstance(document, dict) else None
        said = words(told, secret=self.api_key) if told else ""
        why = reason(f"HTTP {response.status}", said)
        if response.status == 429:
            return Deferred(why, _wait(response, said), Trouble.PACE)
        if response.status == 404:
            return Unauthorised(reason(why, "are domain and region in the settings right?"))
        if response.status == 400 and any(text in said.lower() for text in _ACCOUNT_WORDS):
            return Unauthorised(why)
        return by_status(response, said)

    def _taken(self, response: Response, document: object) -> Outcome:
        if isinstance(document, dict) and isinstance(document.get("id"), str):
            return Accepted(identifier(document["id"].strip("<> ")))
        if response.body.lstrip().startswith(_NOT_THE_API):
            # What any unknown path is answered with.
            return Unauthorised(reason("HTTP 200", "the domain or address in the settings is wrong"))
        return Uncertain(reason("HTTP 200", "without a message id, so not Mailgun's answer"))

    def build_search(self, message: SendEmail, since: datetime) -> Request:
        """See :meth:`.Searchable.build_search`.

        https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events
        """
        query = {
            "begin": int(since.timestamp()),
            "ascending": "yes",
            "limit": _EVENTS,
            # Without the angle brackets, with which the filter lets everything pass.
            # https://github.com/mailgun/mailgun.js/issues/296
            "message-id": mailgun_form.message_id(message),
        }
        return self._request(f"events?{urlencode(query)}", method="GET")

    def read_search(self, response: Response, message: SendEmail) -> Finding:
        """See :meth:`.Searchable.read_search`."""
        document = parse(response.body)
        status = f"HTTP {response.status}"
        if response.status != 200 or not isinstance(document, dict) or "paging" not in document:
            return Unclear(reason(status, "not a page of events"))
        events = document.get("items")
        if events == []:
            return Absent()
        if isinstance(events, list) and mailgun_form.message_id(message) in map(_message_id, events):
            return Found(mailgun_form.message_id(message))
        return Unclear(reason(status, "events of other messages than the one searched for"))

    def shared(self, message: SendEmail) -> Hashable | None:
        """See :meth:`.Batchable.shared`."""
        return mailgun_form.shared(message)

    def build_batch(self, messages: Sequence[SendEmail]) -> Request:
        """See :meth:`.Batchable.build_batch`.

        https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/batch-sending
        """
        body, content_type = mailgun_form.batch(messages)
        return self._request("messages", body, content_type)

    def read_batch(self, response: Response, messages: Sequence[SendEmail]) -> list[Outcome]:
        """See :meth:`.Batchable.read_batch`.

        Mailgun takes all or none.  Its one id is the pattern of ours, whose places it filled in for each.
        """
        outcome = self.read(response)
        if isinstance(outcome, Accepted):
            return [Accepted(mailgun_form.message_id(message)) for message in messages]
        if isinstance(outcome, Unauthorised) and "large batches" in outcome.reason:
            outcome = Rejected(outcome.reason)  # The batch is, and not the account.
        return of_the_whole(outcome, len(messages))

    def _request(
        self, path: str, body: bytes = b"", content_type: str | None = None, *, method: str = "POST"
    ) -> Request:
        credentials = base64.b64encode(f"api:{self.api_key}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        domain = quote(self.domain, safe="")
        return Request(f"{self.base_url.rstrip('/')}/v3/{domain}/{path}", body, headers, method)


def _wait(response: Response, said: str) -> float | None:
    """Give the seconds to wait: by the headers, or by the moment that the words name."""
    named = _AGAIN.search(said)
    return retry_after(response.headers) or (
        retry_after({**response.headers, "retry-after": named[1].strip()}) if named else None
    )


def _message_id(event: object) -> object:
    for step in ("message", "headers", "message-id"):
        event = event.get(step) if isinstance(event, dict) else None
    return event.strip("<>") if isinstance(event, str) else None
