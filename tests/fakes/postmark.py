"""A fake of Postmark's ``POST /email``, ``POST /email/batch`` and ``GET /messages/outbound``.

https://postmarkapp.com/developer/api/email-api
https://postmarkapp.com/developer/api/messages-api#outbound-message-search
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from tests.fakes.dialect import Call, Fate, Verdict, at, spoken
from tests.fakes.entry import Entry
from tests.fakes.esp import FakeESP
from tests.fakes.postmark_rules import MEGABYTE, addresses, problems

_JSON = {"Content-Type": "application/json; charset=utf-8"}
_SENDING = {"/email": 10 * MEGABYTE, "/email/batch": 50 * MEGABYTE}
"""By path: the most bytes of a request."""
_SEARCH = "/messages/outbound"
_INACTIVE_WORDS = "Inactive recipients are ones that have generated a hard bounce or a spam complaint."
_WORDS = {
    400: (300, "Invalid email request."),
    401: (10, "Request does not contain a valid Server token."),
    413: (300, "Request too large."),
    429: (429, "Rate limit exceeded."),
    503: (100, "The Postmark API is offline for maintenance."),
}


class FakePostmark(FakeESP):
    """Answers 200, to a batch with a list in its order; refuses by a code of its own, mostly with 422."""

    kind: ClassVar[str] = "postmark"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.inactive: set[str] = {"inactive@example.net"}
        """Addresses that are not sent to, in lower case."""
        self.senders: frozenset[str] | None = None
        """The confirmed sender signatures, in lower case; None takes any."""
        self.streams: set[str] = {"outbound", "broadcast"}
        self.delayed = False
        """Whether its own queues are ill: then an answer has no ``ErrorCode``."""

    def judge(self, call: Call) -> Verdict:
        if refusal := self._refusal_unread(call):
            return refusal
        if call.path == "/email":
            answer, fate = self._one(call.payload)
            status = 422 if answer.get("ErrorCode") else 200
            return Verdict(status, spoken(answer), _JSON, fate.accepted, fate.provider_message_id)
        answers, fates = [], []
        for place, message in enumerate(call.payload):
            refused = (_error(300, "Invalid 'To' address."), Fate(accepted=False))
            answer, fate = refused if place in call.refused else self._one(message)
            answers.append(answer)
            fates.append(fate)
        return Verdict(200, spoken(answers), _JSON, fates=tuple(fates))

    def _refusal_unread(self, call: Call) -> Verdict | None:
        """Refuse a request for which no message need be looked at."""
        if call.path not in _SENDING:
            return Verdict(404, b"<h1>404</h1>", {"Content-Type": "text/html"})
        if not self._known(call):
            return self.refusal(401)
        if call.size > _SENDING[call.path]:
            return self.refusal(413)
        if not call.headers.get("content-type", "").startswith("application/json"):
            return _refused(409, "The 'Content-Type' header must be 'application/json'.")
        if not isinstance(call.payload, list if call.path == "/email/batch" else dict):
            return _refused(402, "Received invalid JSON input.")
        if call.path == "/email/batch" and len(call.payload) > 500:
            return _refused(410, "A batch has at most 500 messages.")
        return None

    def _known(self, call: Call) -> bool:
        token = call.headers.get("x-postmark-server-token", "")
        return token == self.api_key if self.api_key is not None else bool(token)

    def _one(self, message: Any) -> tuple[dict[str, Any], Fate]:
        """Judge one message, which came alone or in a batch."""
        for code, words in problems(message, self.streams, self.senders):
            return _error(code, words), Fate(accepted=False)
        recipients = [email.lower() for name in ("To", "Cc", "Bcc") for email in addresses(message, name)]
        inactive = [email for email in recipients if email in self.inactive]
        if len(inactive) == len(recipients):
            return _error(406, _all_inactive(inactive)), Fate(accepted=False)
        message_id = str(uuid.uuid4())
        answer: dict[str, Any] = {
            "SubmittedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.0000000Z",
            "MessageID": message_id,
            "ErrorCode": 0,
            "Message": _some_inactive(inactive) if inactive else "OK",
        }
        if message.get("To"):
            answer["To"] = message["To"]
        if self.delayed:
            answer["Message"] = "Message accepted, but delivery may be delayed."
            del answer["ErrorCode"]
        return answer, Fate(accepted=True, provider_message_id=message_id)

    def members(self, call: Call) -> Sequence[tuple[str | None, Any]]:
        if call.path != "/email/batch" or not isinstance(call.payload, list):
            return ()
        return [(self.message_id(message), message) for message in call.payload]

    def searched_for(self, call: Call) -> str | None:
        if call.path != _SEARCH or call.method != "GET":
            return None
        return call.query.get("metadata_message_id", [""])[0]

    def found(self, call: Call, messages: tuple[Entry, ...]) -> Verdict:
        if not self._known(call):
            return self.refusal(401)
        if not {"count", "offset"} <= call.query.keys():
            return _refused(600, "The 'count' and 'offset' parameters are required.")
        stream = call.query.get("messagestream", ["outbound"])[0]
        rows = [_row(entry) for entry in messages if entry.payload.get("MessageStream", "outbound") == stream]
        return Verdict(200, spoken({"TotalCount": len(rows), "Messages": rows}), _JSON)

    def refusal(self, status: int) -> Verdict:
        code, words = _WORDS.get(status, (status, "Something went wrong."))
        return _refused(code, words, status)

    def message_id(self, payload: Any) -> str | None:
        ours = at(payload, "Metadata", "message_id")
        return ours if isinstance(ours, str) else None

    def summary(self, payload: Any) -> str:
        return f"to {payload.get('To')}: {payload.get('Subject')}"


def _error(code: int, words: str) -> dict[str, Any]:
    return {"ErrorCode": code, "Message": words}


def _refused(code: int, words: str, status: int = 422) -> Verdict:
    return Verdict(status, spoken(_error(code, words)), _JSON)


def _all_inactive(addresses: list[str]) -> str:
    return (
        "You tried to send to a recipient that has been marked as inactive.\n"
        f"Found inactive addresses: {', '.join(addresses)}.\n{_INACTIVE_WORDS} "
    )


def _some_inactive(addresses: list[str]) -> str:
    return (
        f"Message OK, but will not deliver to these inactive addresses: {', '.join(addresses)}."
        f" {_INACTIVE_WORDS}"
    )


def _row(entry: Entry) -> dict[str, Any]:
    """Give what a search tells of a message."""
    message = entry.payload
    return {
        "MessageID": entry.provider_message_id,
        "MessageStream": message.get("MessageStream", "outbound"),
        "Tag": message.get("Tag", ""),
        "Subject": message.get("Subject"),
        "Status": "Sent",
        "Metadata": message.get("Metadata", {}),
    }
