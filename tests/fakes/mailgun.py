"""A fake of Mailgun's ``POST /v3/{domain}/messages`` and ``GET /v3/{domain}/events``.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate, parseaddr
from typing import Any, ClassVar

from tests.fakes.dialect import Call, Fate, Verdict, at, parsed, spoken
from tests.fakes.entry import Entry
from tests.fakes.esp import FakeESP

_JSON = {"Content-Type": "application/json"}
_TEXT = {"Content-Type": "text/html; charset=utf-8"}
_PATH = re.compile(r"/v3/([^/]+)/(messages|events)")
_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_VARIABLE = re.compile(r"%recipient\.([^%]+)%")
_OPTIONS = ("o:", "h:", "v:", "t:")
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
        if problem := next(_problems(call.payload), None):
            return _said(400, problem)
        if self.unverified:
            words = f"Domain {self.domain} is not allowed to send: The domain is unverified and requires DNS"
            return _said(400, words)
        given = _first(call.payload, "h:message-id") or f"<{secrets.token_hex(16)}@{self.domain}>"
        members = self.members(call)
        if len(members) > 1 and self.small_batches_only:
            return _said(403, f"Domain {self.domain} is not allowed to send large batches yet")
        # It gives back what it was given, the variables in it included.
        answer = spoken({"id": given, "message": "Queued. Thank you."})
        if members:
            fates = tuple(
                Fate(True, _bare(_first(payload, "h:message-id") or given)) for _, payload in members
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
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        user, _, key = base64.b64decode(token).decode().partition(":")
        return (scheme, user) == ("Basic", "api") and key == (self.api_key or key or None)

    def members(self, call: Call) -> Sequence[tuple[str | None, Any]]:
        """Give each recipient's own copy, with its variables filled in.

        A recipient that is named twice gets one, since the variables are told by the address.
        """
        variables = parsed((_first(call.payload, "recipient-variables") or "").encode())
        if not isinstance(variables, dict):
            return ()
        recipients = {parseaddr(to)[1]: to for to in call.payload.get("to", [])}
        copies = []
        for address, to in recipients.items():
            values = variables.get(address, {})
            copy = {
                name: [_filled(text, values) for text in texts]
                for name, texts in call.payload.items()
                if name != "recipient-variables"
            }
            copy["to"] = [to]
            copies.append((self.message_id(copy), copy))
        return copies

    def message_id(self, payload: Any) -> str | None:
        return _first(payload, "v:message_id")

    def summary(self, payload: Any) -> str:
        return f"to {', '.join(payload['to'])}: {_first(payload, 'subject')}"

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


def _first(payload: Any, name: str) -> str | None:
    """Give a field's first value; of a header the name counts in any case."""
    for key, values in payload.items() if isinstance(payload, dict) else ():
        if key == name or (name.startswith("h:") and key.lower() == name):
            return str(values[0])
    return None


def _bare(message_id: str) -> str:
    return message_id.strip("<>")


def _filled(text: Any, values: dict[str, Any]) -> Any:
    """Fill variables in, a form's text or a file's; an unknown one stays as it is."""
    if not isinstance(text, str):
        return text
    return _VARIABLE.sub(lambda found: str(values.get(found[1], found[0])), text)


def _event(message_id: str | None, entry: Entry | None) -> dict[str, Any]:
    return {
        "event": "accepted",
        "id": secrets.token_urlsafe(16),
        "timestamp": entry.accepted_at if entry else time.time(),
        "recipient": at(entry.payload, "to", 0) if entry else "somebody@example.net",
        "message": {"headers": {"message-id": message_id}},
    }


def _problems(payload: Any) -> Iterator[str]:
    form = payload if isinstance(payload, dict) else {}
    for name in ("from", "to"):
        if not form.get(name):
            yield f"{name} parameter is missing"
    for name in ("from", "to", "cc", "bcc"):
        if any(not _ADDRESS.fullmatch(parseaddr(text)[1]) for text in form.get(name, [])):
            yield f"{name} parameter is not a valid address. please check documentation"
    if not _first(form, "text") and not _first(form, "html"):
        yield "Need at least one of 'text' or 'html' parameters specified"
    if sum(len(form.get(name, [])) for name in ("to", "cc", "bcc")) > 1000:
        yield "Too many recipients, max is 1000"
    variables = _first(form, "recipient-variables")
    if variables is not None and not isinstance(parsed(variables.encode()), dict):
        yield "'recipient-variables' parameter is not a valid JSON"
    options = [(name, text) for name, texts in form.items() if name.startswith(_OPTIONS) for text in texts]
    for name, _ in options:
        if name.startswith("h:") and not name.isascii():
            yield f"Header name must be pure ASCII: {name}"
    if sum(len((name + str(text)).encode()) for name, text in options) > 16 * 1024:
        yield "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total"
