"""A fake of Resend's ``POST /emails`` and ``POST /emails/batch``.

https://resend.com/docs/api-reference/emails/send-email
https://resend.com/docs/dashboard/emails/idempotency-keys
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.fakes.bucket import Bucket
from tests.fakes.dialect import Call, Fate, Verdict, at, spoken
from tests.fakes.esp import FakeESP
from tests.fakes.keys import Keys
from tests.fakes.resend_rules import Problem, listed, problems

_JSON = {"Content-Type": "application/json; charset=utf-8"}
_PATHS = {"/emails", "/emails/batch"}
_WORDS = {
    400: ("validation_error", "We found an error with one or more fields in the request."),
    401: ("missing_api_key", "Missing API key in the authorization header."),
    403: ("invalid_api_key", "API key is invalid."),
    404: ("not_found", "The requested endpoint does not exist."),
    405: ("method_not_allowed", "Method is not allowed for the requested path."),
    422: ("validation_error", "We found an error with one or more fields in the request."),
    429: ("rate_limit_exceeded", "Too many requests. Please limit the number of requests per second."),
    451: ("security_error", "We may have found a security issue with the request."),
}


class FakeResend(FakeESP):
    """Answers 200 with an id, the same one to the same key; refuses by ``name``."""

    kind: ClassVar[str] = "resend"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.keys: Keys | None = Keys(
            conflict=_refused(
                409,
                "invalid_idempotent_request",
                "Same idempotency key used with a different request payload.",
            ),
            busy=_refused(
                409,
                "concurrent_idempotent_requests",
                "Same idempotency key used while original request is still in progress.",
            ),
        )
        self.domains: frozenset[str] | None = None
        """The verified domains of senders, in lower case; None takes any."""
        self.quota: int | None = None
        """Most messages of the day; None is no quota."""

    def judge(self, call: Call) -> Verdict:
        if refusal := self._refusal_unread(call):
            return refusal
        if call.path == "/emails/batch":
            return self._batch(call)
        if problem := next(problems(call.payload, self.domains), None):
            return _refused(*problem)
        email_id = str(uuid.uuid4())
        return Verdict(200, spoken({"id": email_id}), _JSON, accepted=True, provider_message_id=email_id)

    def _refusal_unread(self, call: Call) -> Verdict | None:
        """Refuse a request for which no message need be looked at."""
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        name = call.headers.get("idempotency-key")
        checks = {
            404: call.path in _PATHS,
            405: call.method == "POST",
            401: scheme == "Bearer" and bool(key),
            403: self.api_key in (None, key),
            422: isinstance(call.payload, list if call.path == "/emails/batch" else dict),
        }
        if failed := next((status for status, passed in checks.items() if not passed), None):
            return self.refusal(failed)
        if name is not None and not 1 <= len(name) <= 256:
            return _refused(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        count = len(call.payload) if isinstance(call.payload, list) else 1
        if self.quota is not None and len(self._record.accepted) + count > self.quota:
            return _refused(429, "daily_quota_exceeded", "You have reached your daily email quota.")
        return None

    def _batch(self, call: Call) -> Verdict:
        if not 0 < len(call.payload) <= 100:
            return _refused(422, "validation_error", "A batch has 1 to 100 emails.")
        found = {place: self._problem_in_batch(call, place) for place in range(len(call.payload))}
        errors = [(place, problem) for place, problem in found.items() if problem]
        permissive = call.headers.get("x-batch-validation") == "permissive"
        if errors and not permissive:
            return _refused(*errors[0][1])
        ids = {place: str(uuid.uuid4()) for place, problem in found.items() if not problem}
        answer: dict[str, Any] = {"data": [{"id": email_id} for email_id in ids.values()]}
        if permissive:
            answer["errors"] = [{"index": place, "message": problem[2]} for place, problem in errors]
        fates = tuple(Fate(place in ids, ids.get(place)) for place in found)
        return Verdict(200, spoken(answer), _JSON, fates=fates)

    def _problem_in_batch(self, call: Call, place: int) -> Problem | None:
        email = call.payload[place]
        if place in call.refused:
            return 422, "validation_error", "Invalid `to` field."
        for name in ("attachments", "scheduled_at"):
            if at(email, name):
                return 422, "validation_error", f"The `{name}` field is not supported in a batch."
        return next(problems(email, self.domains), None)

    def members(self, call: Call) -> Sequence[tuple[str | None, Any]]:
        if call.path != "/emails/batch" or not isinstance(call.payload, list):
            return ()
        return [(self.message_id(email), email) for email in call.payload]

    def key(self, call: Call) -> str | None:
        return call.headers.get("idempotency-key")

    def rate_headers(self, limit: Bucket) -> Mapping[str, str]:
        return {
            "ratelimit-limit": str(round(limit.rate)),
            "ratelimit-remaining": str(limit.remaining),
            "ratelimit-reset": str(math.ceil(limit.wait)),
        }

    def refusal(self, status: int) -> Verdict:
        name, words = _WORDS.get(status, ("application_error", "An unexpected error occurred."))
        verdict = _refused(status, name, words)
        hints = {"Retry-After": "1"} if status == 429 else {}
        return Verdict(status, verdict.body, {**verdict.headers, **hints})

    def message_id(self, payload: Any) -> str | None:
        for tag in at(payload, "tags") or []:
            if at(tag, "name") == "message_id" and isinstance(at(tag, "value"), str):
                return str(tag["value"])
        return None

    def summary(self, payload: Any) -> str:
        return f"to {', '.join(listed(payload['to']))}: {payload.get('subject')}"


def _refused(status: int, name: str, words: str) -> Verdict:
    return Verdict(status, spoken({"statusCode": status, "name": name, "message": words}), _JSON)
