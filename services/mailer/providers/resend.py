"""Resend: https://resend.com/docs/api-reference/emails/send-email."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

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
from services.mailer.providers import fields
from services.mailer.providers.base import Request, Response, Traits
from services.mailer.providers.hints import quota_wait
from services.mailer.providers.replies import by_status, identifier, of_the_whole, parse, words
from services.mailer.providers.resend_message import payload

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from shared.signatures import SendEmail

_DAY = 24 * 3600.0
_BATCH = 100
_SOON = 5.0
"""Seconds; the request with the same key is still under way, and ends when it ends."""

_OK = range(200, 300)
_CONFLICT = 409
_UNDER_WAY = "concurrent_idempotent_requests"
_QUOTAS = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})


@dataclass(frozen=True, slots=True)
class Resend:
    """One Resend account.

    It honours idempotency keys for a day, and takes a repeated request for the same one only if its
    bytes are the same; what it sent cannot be searched for by our message id.  100 messages without
    attachments share a request.  It takes 50 recipients in To, ASCII addresses, a sender's name that
    needs no quotes, and no file whose name and type disagree.  It knows tags alone, so metadata becomes
    tags, and both are plain words.  It sends through Amazon SES, which puts a ``Message-ID`` of its own
    in the place of ours.
    """

    api_key: str = field(repr=False)
    base_url: str = "https://api.resend.com"

    kind: ClassVar[str] = "resend"
    traits: ClassVar[Traits] = Traits(key_window=_DAY, batch_size=_BATCH, limit_window=1.0)

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`; the key is our message id."""
        return self._request("/emails", payload(message), {"Idempotency-Key": str(message.message_id)})

    def read(self, response: Response) -> Outcome:
        """See :meth:`.Provider.read`.

        https://resend.com/docs/api-reference/errors
        """
        document = parse(response.body)
        if response.status in _OK:
            return _created(document)
        return self._error(response, document)

    def shared(self, message: SendEmail) -> Hashable | None:
        """See :meth:`.Batchable.shared`; a message with attachments goes alone."""
        return None if message.attachments else self.kind

    def build_batch(self, messages: Sequence[SendEmail]) -> Request:
        """See :meth:`.Batchable.build_batch`.

        The key is a digest of the message ids in their order, and has nothing to do with the keys of the
        same messages sent alone.  So a batch of unknown outcome is safe to repeat only as it was: the
        same messages in the same order.

        https://resend.com/docs/api-reference/emails/send-batch-emails
        """
        digest = hashlib.sha256(b"".join(message.message_id.bytes for message in messages))
        extra = {"Idempotency-Key": f"batch-{digest.hexdigest()}", "x-batch-validation": "permissive"}
        return self._request("/emails/batch", [payload(message) for message in messages], extra)

    def read_batch(self, response: Response, messages: Sequence[SendEmail]) -> list[Outcome]:
        """See :meth:`.Batchable.read_batch`.

        ``errors`` names the refused ones by their place, and ``data`` is the others in their order.
        https://resend.com/docs/dashboard/emails/batch-validation-modes
        """
        document = parse(response.body)
        if response.status not in _OK:
            return self._error_of_all(response, document, len(messages))
        outcomes: list[Outcome | None] = [None] * len(messages)
        for place, why in self._refused(document):
            if place < len(messages):
                outcomes[place] = Rejected(why)
        created = document.get("data") if isinstance(document, dict) else None
        rest = [place for place, outcome in enumerate(outcomes) if outcome is None]
        if not isinstance(created, list) or len(created) != len(rest):
            lost = Uncertain(reason(f"HTTP {response.status}", "nothing that tells one message from another"))
            return [outcome or lost for outcome in outcomes]
        for place, entry in zip(rest, created, strict=True):
            outcomes[place] = _created(entry)
        return [outcome for outcome in outcomes if outcome]

    def _refused(self, document: object) -> list[tuple[int, str]]:
        errors = document.get("errors") if isinstance(document, dict) else None
        return [
            (place, reason("refused in a batch", words(error.get("message"), secret=self.api_key)))
            for error in (errors if isinstance(errors, list) else ())
            if isinstance(error, dict) and type(place := error.get("index")) is int and place >= 0
        ]

    def _error_of_all(self, response: Response, document: object, members: int) -> list[Outcome]:
        outcome = self._error(response, document)
        if isinstance(outcome, Deferred) and outcome.trouble is Trouble.MESSAGE:
            # The same batch is under way.  Its members alone would have other keys, and be sent twice.
            outcome = Uncertain(outcome.reason)
        return of_the_whole(outcome, members)

    def _error(self, response: Response, document: object) -> Outcome:
        name, said = self._said(document)
        why = reason(f"HTTP {response.status}", said)
        if response.status == _CONFLICT:
            if name == _UNDER_WAY:
                return Deferred(why, _SOON, Trouble.MESSAGE)
            # The key was seen with other bytes: an earlier request of this message is known to Resend, and
            # this answer does not say what came of it.
            return Uncertain(why)
        if name in _QUOTAS:
            return Unauthorised(why, quota_wait(response.headers))
        return by_status(response, said)

    def _said(self, document: object) -> tuple[str, str]:
        """Give name and words of ``{"statusCode", "name", "message"}``; empty for any other answer."""
        name = document.get("name") if isinstance(document, dict) else None
        if not isinstance(document, dict) or not isinstance(name, str):
            return "", ""
        return name, words(f"{name}: {document.get('message')}", secret=self.api_key)

    def _request(self, path: str, document: object, extra: dict[str, str]) -> Request:
        return Request(
            url=f"{self.base_url.rstrip('/')}{path}",
            body=fields.compact(document),
            headers={
                "Authorization": f"Bearer {self.api_key}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                **extra,
            },
        )


def _created(entry: object) -> Outcome:
    provider_message_id = identifier(entry.get("id")) if isinstance(entry, dict) else None
    if provider_message_id is None:
        return Uncertain("HTTP 200: without an id, so not Resend's answer")
    return Accepted(provider_message_id)
