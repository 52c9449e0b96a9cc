"""A fake of SendGrid's ``POST /v3/mail/send``.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.fakes import sendgrid_rules
from tests.fakes.dialect import Call, Fate, Verdict, at, spoken
from tests.fakes.esp import FakeESP

_WORDS = {
    401: "The provided authorization grant is invalid, expired, or revoked",
    403: "The from address does not match a verified Sender Identity.",
    404: "Not Found",
    405: "method not allowed",
    413: "Payload too large",
    429: "too many requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_LIMIT = 30 * 1024 * 1024


class FakeSendGrid(FakeESP):
    """Accepts with 202, an empty body and ``X-Message-Id``; refuses with ``{"errors": […]}``.

    Several personalizations are a batch, which is taken or refused as a whole and has one id.  A good
    answer says nothing about the rate limit (https://github.com/sendgrid/sendgrid-go/issues/105).
    """

    kind: ClassVar[str] = "sendgrid"
    senders: frozenset[str] | None = None
    """The verified sender identities, in lower case; None takes any."""

    def judge(self, call: Call) -> Verdict:
        if status := self._refusal_unread(call):
            return self.refusal(status)
        if problems := list(sendgrid_rules.problems(call.payload)):
            return _refused(400, problems)
        if self.senders is not None and call.payload["from"]["email"].lower() not in self.senders:
            return self.refusal(403)
        if at(call.payload, "mail_settings", "sandbox_mode", "enable") is True:
            return Verdict(200)
        message_id = secrets.token_urlsafe(16)
        headers = {"X-Message-Id": message_id}
        if members := self.members(call):
            return Verdict(
                202,
                headers=headers,
                fates=(Fate(accepted=True, provider_message_id=message_id),) * len(members),
            )
        return Verdict(202, headers=headers, accepted=True, provider_message_id=message_id)

    def members(self, call: Call) -> Sequence[tuple[str | None, Any]]:
        people = at(call.payload, "personalizations")
        if not isinstance(people, list) or len(people) == 1:
            return ()
        copies = [_copy(call.payload, each) for each in people if isinstance(each, dict)]
        return [(self.message_id(copy), copy) for copy in copies]

    def _refusal_unread(self, call: Call) -> int | None:
        """Give the status of a refusal for which the message need not be looked at."""
        key = call.headers.get("authorization", "").removeprefix("Bearer ")
        known = key == self.api_key if self.api_key is not None else bool(key)
        checks = {
            404: call.path == "/v3/mail/send",
            405: call.method == "POST",
            401: known,
            413: call.size <= _LIMIT,
            400: isinstance(call.payload, dict),
        }
        return next((status for status, passed in checks.items() if not passed), None)

    def refusal(self, status: int) -> Verdict:
        verdict = _refused(status, [(_WORDS.get(status, "Bad Request"), None)])
        if status == 429:
            hints = {
                "X-RateLimit-Limit": "600",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(int(time.time()) + 2),
            }
            return Verdict(status, verdict.body, {**verdict.headers, **hints})
        return verdict

    def message_id(self, payload: Any) -> str | None:
        own = at(payload, "personalizations", 0, "custom_args", "message_id")
        ours = own or at(payload, "custom_args", "message_id")
        return ours if isinstance(ours, str) else None

    def summary(self, payload: Any) -> str:
        to = ", ".join(person["email"] for person in payload["personalizations"][0]["to"])
        return f"to {to}: {payload.get('subject')}"


def _copy(payload: dict[str, Any], personalization: dict[str, Any]) -> dict[str, Any]:
    """Give a message of a batch as a request of its own: what it says itself goes before what all share."""
    recipients = {kind: group for kind, group in personalization.items() if kind in {"to", "cc", "bcc"}}
    merged = {
        name: {**payload.get(name, {}), **personalization.get(name, {})}
        for name in ("headers", "custom_args")
    }
    subject = personalization.get("subject") or payload.get("subject")
    return {**payload, **merged, "subject": subject, "personalizations": [recipients]}


def _refused(status: int, problems: list[tuple[str, str | None]]) -> Verdict:
    errors = [{"message": message, "field": field, "help": None} for message, field in problems]
    if status >= 500:
        errors = [{"message": error["message"]} for error in errors]
    return Verdict(status, spoken({"errors": errors}), {"Content-Type": "application/json"})
