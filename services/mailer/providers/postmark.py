"""Postmark: https://postmarkapp.com/developer/api/email-api."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Trouble,
    Unauthorised,
    Uncertain,
    reason,
)
from services.mailer.providers import fields
from services.mailer.providers.base import (
    Absent,
    Finding,
    Found,
    Request,
    Response,
    Traits,
    Unclear,
)
from services.mailer.providers.hints import retry_after
from services.mailer.providers.postmark_message import write
from services.mailer.providers.replies import by_status, identifier, of_the_whole, parse, words

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from datetime import datetime

    from shared.signatures import SendEmail

_BATCH = 500
_BATCH_BYTES = 50 * 1024 * 1024
_SMALL = _BATCH_BYTES // (_BATCH + 1)
"""Bytes; as many messages of this size as fit into a batch, with what stands between them, are no more
than a batch may have."""

# Error codes, which look like HTTP statuses and are none:
# https://postmarkapp.com/developer/api/overview#error-codes
_MAINTENANCE = 100
_INACTIVE = 406
_TOO_FAST = 429
_OF_THE_ACCOUNT = frozenset({10, 400, 401, 405, 412, 413, 1235, 1236})
"""Token; sender signature not found, not confirmed; no credits; account pending, may not send; no such
message stream, or none that sends."""
_OF_THE_MESSAGE = frozenset({300, 402, 403, 409, 410, 411})
_HTTP_ITSELF = frozenset({413, 429})
"""Under these statuses it is the request that was too big or too early, whichever code stands below."""
_SOME_INACTIVE = re.compile(r"will not deliver to these inactive addresses:(.*?)(?:\. Inactive|$)", re.DOTALL)
_ADDRESSES_LENGTH = 20_000


@dataclass(frozen=True, slots=True)
class Postmark:
    """One message stream of a Postmark server.

    It honours no idempotency key.  A message can be searched for by its metadata; how soon is not
    documented.  500 messages share a request, as long as none of them is big.  A message has one tag
    at most, ten entries of metadata (one is our message id) with names of 20 and values of 80
    characters, 50 recipients, and ASCII addresses.  ``Message-ID`` stays ours because of the header
    ``X-PM-KeepID``; other ``X-PM-`` headers are orders to Postmark, and refused.
    """

    server_token: str = field(repr=False)
    base_url: str = "https://api.postmarkapp.com"
    message_stream: str = "outbound"
    """Its transactional stream, unless the server has others."""

    kind: ClassVar[str] = "postmark"
    traits: ClassVar[Traits] = Traits(settle_delay=60.0, batch_size=_BATCH)

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`."""
        return self._request("/email", write(message, self.message_stream))

    def read(self, response: Response) -> Outcome:
        """See :meth:`.Provider.read`."""
        return self._judge(response, parse(response.body))

    def shared(self, message: SendEmail) -> Hashable | None:
        """See :meth:`.Batchable.shared`; a big message goes alone."""
        big = len(write(message, self.message_stream)) > _SMALL
        return None if big else self.message_stream

    def build_batch(self, messages: Sequence[SendEmail]) -> Request:
        """See :meth:`.Batchable.build_batch`.

        https://postmarkapp.com/developer/api/email-api#send-batch-emails
        """
        members = (write(message, self.message_stream) for message in messages)
        return self._request("/email/batch", b"[%b]" % b",".join(members))

    def read_batch(self, response: Response, messages: Sequence[SendEmail]) -> list[Outcome]:
        """See :meth:`.Batchable.read_batch`; the answer is a list in the order of the messages."""
        document = parse(response.body)
        if response.status == 200 and isinstance(document, list) and len(document) == len(messages):
            return [self._judge(response, item) for item in document]
        whole = self._judge(response, document)
        if isinstance(whole, Accepted):
            whole = Uncertain(reason("HTTP 200", "the answer to one message, and the batch has more"))
        return of_the_whole(whole, len(messages))

    def build_search(self, message: SendEmail, since: datetime) -> Request:  # noqa: ARG002 - our id is enough
        """See :meth:`.Searchable.build_search`.

        https://postmarkapp.com/developer/api/messages-api#outbound-message-search
        """
        wanted = {
            "count": 10,
            "offset": 0,
            # Without it only the transactional stream is searched.
            "messagestream": self.message_stream,
            f"metadata_{fields.MESSAGE_ID}": message.message_id,
        }
        return self._request(f"/messages/outbound?{urlencode(wanted)}", b"", method="GET")

    def read_search(self, response: Response, message: SendEmail) -> Finding:
        """See :meth:`.Searchable.read_search`."""
        document = parse(response.body)
        if response.status != 200 or not isinstance(document, dict):
            return Unclear(reason("the search", f"HTTP {response.status}", self._said(document)))
        found = document.get("Messages")
        for entry in found if isinstance(found, list) else ():
            metadata = entry.get("Metadata") if isinstance(entry, dict) else None
            if isinstance(metadata, dict) and metadata.get(fields.MESSAGE_ID) == str(message.message_id):
                return Found(identifier(entry.get("MessageID")))
        if found == [] and document.get("TotalCount") == 0:
            return Absent()
        return Unclear("the search: an answer that is none to what was asked")

    def _judge(self, response: Response, answer: object) -> Outcome:
        """Say what the answer to one message means, be it alone or a member of a batch."""
        if not isinstance(answer, dict):
            return by_status(response)
        # Without a code: "Message accepted, but delivery may be delayed."
        # https://github.com/anymail/django-anymail/issues/392
        code = answer.get("ErrorCode", 0)
        if response.status == 200 and code == 0:
            provider_message_id = identifier(answer.get("MessageID"))
            if provider_message_id is None:
                return Uncertain(reason("HTTP 200", "without a message id, so not Postmark's answer"))
            return Accepted(provider_message_id, _reservation(str(answer.get("Message"))))
        return self._refusal(response, code if isinstance(code, int) else 0, self._said(answer))

    def _refusal(self, response: Response, code: int, said: str) -> Outcome:
        why = reason(f"HTTP {response.status}", said)
        if response.status in _HTTP_ITSELF:
            return by_status(response, said)
        if code in _OF_THE_ACCOUNT:
            return Unauthorised(why)
        if code in _OF_THE_MESSAGE:
            return Rejected(why)
        if code == _INACTIVE:
            return Suppressed(why)
        if code == _MAINTENANCE:
            return Deferred(why, retry_after(response.headers))
        if code == _TOO_FAST:
            return Deferred(why, retry_after(response.headers), Trouble.PACE)
        # A member of a batch can be refused under status 200 for a reason that we do not know.
        return Rejected(why) if code and response.status == 200 else by_status(response, said)

    def _said(self, answer: object) -> str:
        """Give the words of ``{"ErrorCode", "Message"}``; empty for any other answer."""
        if not isinstance(answer, dict) or not isinstance(answer.get("ErrorCode"), int):
            return ""
        return words(f"{answer['ErrorCode']}: {answer.get('Message')}", secret=self.server_token)

    def _request(self, path: str, body: bytes, method: str = "POST") -> Request:
        return Request(
            url=f"{self.base_url.rstrip('/')}{path}",
            body=body,
            headers={
                "X-Postmark-Server-Token": self.server_token,
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            method=method,
        )


def _reservation(said: str) -> str | None:
    """Say how many recipients Postmark will not send to, or that it is late; never who."""
    if inactive := _SOME_INACTIVE.search(said[:_ADDRESSES_LENGTH]):
        count = inactive[1].count(",") + 1
        return f"not sent to {count} of the recipients: inactive after a hard bounce or a spam complaint"
    return "delivery may be delayed" if "may be delayed" in said else None
