"""A fake of Mailchimp Transactional's ``POST /api/1.0/messages/send.json``, and of its search.

https://mailchimp.com/developer/transactional/api/messages/send-new-message/
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Any, ClassVar

from tests.fakes import mandrill_search
from tests.fakes.dialect import Call, Verdict, at, spoken
from tests.fakes.entry import Entry
from tests.fakes.esp import FakeESP

_JSON = {"Content-Type": "application/json; charset=utf-8"}
_PATH = re.compile(r"/api/1\.\d/messages/send\.json")
_NAMES = {
    400: (-2, "ValidationError", "Validation error: {}"),
    401: (-1, "Invalid_Key", "Invalid API key"),
    402: (-1, "PaymentRequired", "The requested feature requires payment."),
    403: (-1, "PoorReputation", "Your reputation is too low to continue"),
    404: (-1, "Unknown_Subaccount", "No subaccount exists with that id"),
    503: (-1, "ServiceUnavailable", "Service temporarily unavailable"),
}
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_ASYNC_ABOVE = 10


class FakeMandrill(FakeESP):
    """Answers 200 with a row for each recipient; refuses by name, with status 500."""

    kind: ClassVar[str] = "mandrill"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.denylist: dict[str, str] = {"reject@test.mandrillapp.com": "hard-bounce"}
        """Addresses that are not sent to, and the ``reject_reason``."""
        self.registered = True
        """Whether ``message_id`` is among the account's Custom Metadata, so that it is indexed and shown."""

    def judge(self, call: Call) -> Verdict:
        message = at(call.payload, "message")
        if not _PATH.fullmatch(call.path):
            return Verdict(404, b"<h1>Not Found</h1>", {"Content-Type": "text/html"})
        if refusal := self._stranger(call):
            return refusal
        if problem := _problem(message):
            return _invalid({"message": problem})
        rows = [self._row(person, message, is_async=call.payload.get("async")) for person in message["to"]]
        taken = [row["_id"] for row in rows if row["status"] in ("sent", "queued")]
        return Verdict(200, spoken(rows), _JSON, bool(taken), taken[0] if taken else None)

    def _stranger(self, call: Call) -> Verdict | None:
        key = at(call.payload, "key")
        if not isinstance(call.payload, dict) or not isinstance(key, str) or not key:
            return _error(-2, "ValidationError", "You must specify a key value")
        if self.api_key is not None and key != self.api_key:
            return _error(-1, "Invalid_Key", "Invalid API key")
        return None

    def searched_for(self, call: Call) -> str | None:
        return mandrill_search.wanted(call.payload) if mandrill_search.PATH.fullmatch(call.path) else None

    def found(self, call: Call, messages: tuple[Entry, ...]) -> Verdict:  # noqa: ARG002 - others are found too
        if refusal := self._stranger(call):
            return refusal
        if problem := mandrill_search.problem(call.payload):
            return _invalid(problem)
        indexed = time.monotonic() - self.searching.lag
        known = [each for each in self._record.accepted if (each.accepted_monotonic or 0) <= indexed]
        rows = mandrill_search.rows(call.payload, known, registered=self.registered)
        return Verdict(200, spoken(rows), _JSON)

    def _row(self, person: dict[str, Any], message: dict[str, Any], *, is_async: Any) -> dict[str, Any]:
        email = person["email"]
        row: dict[str, Any] = {"email": email, "status": "sent", "reject_reason": None, "queued_reason": None}
        if not _ADDRESS.fullmatch(email):
            return {**row, "status": "invalid"}
        row["_id"] = secrets.token_hex(16)
        if email.lower() in self.denylist:
            return {**row, "status": "rejected", "reject_reason": self.denylist[email.lower()]}
        if is_async or len(message["to"]) > _ASYNC_ABOVE:
            return {**row, "status": "queued", "queued_reason": "multiple-recipients"}
        if message.get("attachments") or message.get("images"):
            return {**row, "status": "queued", "queued_reason": "attachments"}
        return row

    def refusal(self, status: int) -> Verdict:
        if status not in _NAMES:
            return _error(-99, "GeneralError", "An error occurred while processing your request", status)
        code, name, message = _NAMES[status]
        return _error(code, name, message, status)

    def message_id(self, payload: Any) -> str | None:
        ours = at(payload, "message", "metadata", "message_id")
        return ours if isinstance(ours, str) else None

    def summary(self, payload: Any) -> str:
        message = payload["message"]
        return f"to {', '.join(person['email'] for person in message['to'])}: {message.get('subject')}"


def _error(code: int, name: str, message: str, status: int = 500) -> Verdict:
    return Verdict(status, spoken({"status": "error", "code": code, "name": name, "message": message}), _JSON)


def _invalid(problem: object) -> Verdict:
    return _error(-2, "ValidationError", f"Validation error: {spoken(problem).decode()}")


def _problem(message: Any) -> dict[str, str] | None:
    """Find what makes the whole call invalid, as opposed to one recipient's row."""
    people = at(message, "to")
    if not isinstance(message, dict):
        return {"message": "Please enter an array"}
    if not isinstance(people, list) or not people or not all(isinstance(at(p, "email"), str) for p in people):
        return {"to": "Please enter a list of recipients"}
    if not isinstance(message.get("from_email"), str) or not _ADDRESS.fullmatch(message["from_email"]):
        return {"from_email": "An email address must contain a single @"}
    tags = message.get("tags", [])
    if any(tag.startswith("_") or len(tag) > 50 for tag in tags):
        return {"tags": "A tag has at most 50 characters and begins with no underscore"}
    if any(not image.get("type", "").startswith("image/") for image in message.get("images", [])):
        return {"images": "The type must begin with image/"}
    if len(spoken(message.get("metadata", {}))) > 250:
        return {"metadata": "At most 250 bytes"}
    return None
