"""Mailchimp Transactional, once called Mandrill: https://mailchimp.com/developer/transactional/api/messages/."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

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
from services.mailer.providers import fields, mandrill_search
from services.mailer.providers.base import Finding, Request, Response, Traits, Unclear
from services.mailer.providers.hints import retry_after
from services.mailer.providers.mandrill_message import payload
from services.mailer.providers.replies import by_status, identifier, parse, words

if TYPE_CHECKING:
    from datetime import datetime

    from shared.signatures import SendEmail

_OK = range(200, 300)
_TAKEN = frozenset({"sent", "queued", "scheduled"})
_REFUSED = frozenset({"rejected", "invalid"})
_DO_NOT_SEND = frozenset({"hard-bounce", "spam", "unsub"})

_ACCOUNT_ERRORS = frozenset({"Invalid_Key", "PaymentRequired", "PoorReputation", "Unknown_Subaccount"})
_MESSAGE_ERRORS = frozenset({"ValidationError", "Unknown_Template"})
_PASSING_ERRORS = frozenset({"ServiceUnavailable"})


@dataclass(frozen=True, slots=True)
class Mandrill:
    """One Mailchimp Transactional account.

    It honours no idempotency key, and takes one message in a request.  A message can be searched for;
    how soon is not documented.  Of a message's own it takes tags of 50 characters, 250 bytes of metadata,
    neither with an underscore in front, and nothing but images inline.  Our ``Message-ID`` is a header
    among others; whether Mandrill keeps it is not documented.
    """

    api_key: str = field(repr=False)
    base_url: str = "https://mandrillapp.com"

    kind: ClassVar[str] = "mandrill"
    traits: ClassVar[Traits] = Traits(settle_delay=60.0)

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`.

        https://mailchimp.com/developer/transactional/api/messages/send-new-message/
        """
        return self._request("send", {"message": payload(message), "async": False})

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

    def build_search(self, message: SendEmail, since: datetime) -> Request:
        """See :meth:`.Searchable.build_search`."""
        return self._request("search", mandrill_search.question(message, since))

    def read_search(self, response: Response, message: SendEmail) -> Finding:
        """See :meth:`.Searchable.read_search`."""
        document = parse(response.body)
        if isinstance(document, list) and response.status in _OK:
            return mandrill_search.judge(document, message)
        name = document.get("name", "") if isinstance(document, dict) else ""
        return Unclear(reason("the search", f"HTTP {response.status}", words(name, secret=self.api_key)))

    def _request(self, call: str, arguments: dict[str, object]) -> Request:
        return Request(
            url=f"{self.base_url.rstrip('/')}/api/1.0/messages/{call}.json",
            body=fields.compact({"key": self.api_key, **arguments}),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )

    def _recipients(self, rows: list[object]) -> Outcome:
        entries = [row for row in rows if isinstance(row, dict)]
        statuses = {str(entry.get("status")) for entry in entries}
        taken = [entry for entry in entries if str(entry.get("status")) in _TAKEN]
        refused = [entry for entry in entries if str(entry.get("status")) in _REFUSED]
        causes = {str(entry.get("reject_reason") or entry.get("status")) for entry in refused}
        why = words(", ".join(sorted(causes)), secret=self.api_key)
        if taken:
            # With several recipients some may be refused.  The others' mail is on its way, so another
            # attempt would send it to them twice; the refusals come again as webhook events.
            some = reason(f"not sent to {len(refused)} of {len(rows)} recipients", why) if refused else None
            return Accepted(next(filter(None, (identifier(each.get("_id")) for each in taken)), None), some)
        if len(entries) < len(rows) or not statuses or not statuses <= _REFUSED:
            return Uncertain(reason("HTTP 200", "a list without a status that Mandrill gives"))
        return (
            Suppressed(reason("refused", why)) if causes <= _DO_NOT_SEND else Rejected(reason("refused", why))
        )

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
