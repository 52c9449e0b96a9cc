"""A fake of Mailgun's ``POST /v3/{domain}/messages`` and ``GET /v3/{domain}/events``.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any, ClassVar

from tests.fakes import mailgun_forms
from tests.fakes.dialect import Call, Fate, Verdict, at, spoken
from tests.fakes.entry import Entry
from tests.fakes.esp import FakeESP
from tests.fakes.mailgun_forms import first

_JSON = {"Content-Type": "application/json"}
_TEXT = {"Content-Type": "text/html; charset=utf-8"}
_PATH = re.compile(r"/v3/([^/]+)/(messages|events)")
_WORDS = {
    402: "Payment required",
    403: "Rejected: IP 192.0.2.1 can't be used to send the message",
    404: "Domain not found: {}",
    405: "Method not allowed",
    413: "request size exceeds 52.4MiB limit",
    429: "Domain {} is not allowed to send: request limit exceeded, try again after {}",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_LIMIT = int(52.4 * 1024 * 1024)


class FakeMailgun(FakeESP):
    """Answers 200 with an id, which is the ``Message-Id`` it was given; 401 and unknown paths with text."""

    kind: ClassVar[str] = "mailgun"

    def __init__(self, *, domain: str = "mail.example.org", **settings: Any) -> None:
        super().__init__(**settings)
        self.domain = domain
        self.unverified = False
        """Whether the domain waits for its DNS, so that nothing is sent from it."""
        self.small_batches_only = False

    def judge(self, call: Call) -> Verdict:
        if (refused := self._refused_unread(call)) is not None:
            return refused
        if problem := next(mailgun_forms.problems(call.payload), None):
            return _said(400, problem)
        if self.unverified:
            words = f"Domain {self.domain} is not allowed to send: The domain is unverified and requires DNS"
            return _said(400, words)
        given = first(call.payload, "h:message-id") or f"<{secrets.token_hex(16)}@{self.domain}>"
        members = self.members(call)
        if len(members) > 1 and self.small_batches_only:
            return _said(403, f"Domain {self.domain} is not allowed to send large batches yet")
        # It gives back what it was given, the variables in it included.
        answer = spoken({"id": given, "message": "Queued. Thank you."})
        if members:
            fates = tuple(
                Fate(accepted=True, provider_message_id=_bare(first(payload, "h:message-id") or given))
                for _, payload in members
            )
            return Verdict(200, answer, _JSON, fates=fates)
        return Verdict(200, answer, _JSON, accepted=True, provider_message_id=_bare(given))

    def _refused_unread(self, call: Call) -> Verdict | None:
        """Give the refusal for which the message need not be looked at."""
        path = _PATH.fullmatch(call.path)
        if path is None:
            return Verdict(200, b"Mailgun Magnificent API\n", _TEXT)
        if not self._authorised(call):
            return self.refusal(401)
        if path[1] != self.domain:
            return _said(404, f"Domain not found: {path[1]}")
        if call.method != ("POST" if path[2] == "messages" else "GET"):
            return self.refusal(405)
        if call.size > _LIMIT:
            return self.refusal(413)
        return None

    def _authorised(self, call: Call) -> bool:
        given = call.headers.get("authorization", "")
        if self.api_key is None:
            return given.startswith("Basic ")
        return given == f"Basic {base64.b64encode(f'api:{self.api_key}'.encode()).decode()}"

    def members(self, call: Call) -> Sequence[tuple[str | None, Any]]:
        return [(self.message_id(copy), copy) for copy in mailgun_forms.copies(call.payload)]

    def message_id(self, payload: Any) -> str | None:
        return first(payload, "v:message_id")

    def summary(self, payload: Any) -> str:
        return f"to {', '.join(payload['to'])}: {first(payload, 'subject')}"

    def refusal(self, status: int) -> Verdict:
        if status == 401:
            return Verdict(401, b"Forbidden", _TEXT)
        again = formatdate(int(time.time()) + 3).replace("-0000", "UTC")
        headers = {**_JSON, "Date": formatdate(usegmt=True)}
        return Verdict(
            status, _said(status, _WORDS.get(status, "Bad Request").format(self.domain, again)).body, headers
        )

    def searched_for(self, call: Call) -> str | None:
        path = _PATH.fullmatch(call.path)
        if path is None or path[2] != "events":
            return None
        return call.query.get("message-id", [""])[0].partition("@")[0]

    def found(self, call: Call, messages: tuple[Entry, ...]) -> Verdict:
        if (refused := self._refused_unread(call)) is not None:
            return refused
        if "ascending" not in call.query and "end" not in call.query:
            return _said(400, "the direction of a search without an end must be said")
        sought = call.query.get("message-id", [""])[0]
        events = [
            _event(each.provider_message_id, each)
            for each in messages
            if each.provider_message_id == sought
            and (each.accepted_at or 0) >= float(call.query.get("begin", ["0"])[0])
        ]
        if sought.startswith("<"):
            # The filter knows no angle brackets, and lets everything pass.
            events = [_event(f"{secrets.token_hex(16)}@{self.domain}", None)]
        pages = {name: f"{self.base_url}{call.path}/{secrets.token_hex(8)}" for name in ("next", "previous")}
        return Verdict(200, spoken({"items": events, "paging": pages}), _JSON)


def _said(status: int, words: str) -> Verdict:
    return Verdict(status, spoken({"message": words}), _JSON)


def _bare(message_id: str) -> str:
    return message_id.strip("<>")


def _event(message_id: str | None, entry: Entry | None) -> dict[str, Any]:
    return {
        "event": "accepted",
        "id": secrets.token_urlsafe(16),
        "timestamp": entry.accepted_at if entry else time.time(),
        "recipient": at(entry.payload, "to", 0) if entry else "somebody@example.net",
        "message": {"headers": {"message-id": message_id}},
    }
