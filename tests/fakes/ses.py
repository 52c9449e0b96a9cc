"""A fake of Amazon SES' ``POST /v2/email/outbound-emails`` and ``outbound-bulk-emails``.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from email import message_from_bytes, policy
from typing import Any, ClassVar

from tests.fakes import ses_rules, sigv4
from tests.fakes.dialect import Call, Fate, Verdict, at, spoken
from tests.fakes.esp import FakeESP

_ONE = "/v2/email/outbound-emails"
_MANY = "/v2/email/outbound-bulk-emails"
_NAMESPACE = "http://internal.amazon.com/coral/com.amazonaws.services.simpleemailv2/"
_ERRORS = {
    400: ("BadRequestException", "Bad Request"),
    401: ("AccessDeniedException", "User is not authorized to perform ses:SendEmail"),
    403: ("AccessDeniedException", "User is not authorized to perform ses:SendEmail"),
    404: ("NotFoundException", "Configuration set does not exist."),
    413: ("RequestEntityTooLargeException", "Request entity too large"),
    429: ("TooManyRequestsException", "Too many requests"),
    500: ("InternalFailure", "Internal failure"),
    503: ("ServiceUnavailable", "Service is unavailable"),
}


class FakeSes(FakeESP):
    """Answers 200 with a ``MessageId``, and to a batch a status for each; checks every signature."""

    kind: ClassVar[str] = "ses"

    def judge(self, call: Call) -> Verdict:
        if (refused := self._refused_unread(call)) is not None:
            return refused
        problems = ses_rules.one(call.payload) if call.path == _ONE else ses_rules.many(call.payload)
        if problem := next(problems, None):
            return _error(400, "BadRequestException", problem)
        if call.path == _ONE:
            message_id = _message_id()
            return Verdict(
                200, spoken({"MessageId": message_id}), accepted=True, provider_message_id=message_id
            )
        return self._entries(call)

    def _refused_unread(self, call: Call) -> Verdict | None:
        """Give the refusal for which the message need not be looked at.

        The key of the settings is the secret one.
        """
        if call.path not in {_ONE, _MANY} or call.method != "POST":
            return _error(404, "UnknownOperationException", "")
        wrong = sigv4.problem(call, self.api_key, service="ses") if self.api_key is not None else None
        return _error(403, *wrong) if wrong else None

    def _entries(self, call: Call) -> Verdict:
        results: list[dict[str, str]] = []
        fates: list[Fate] = []
        content = at(call.payload, "DefaultContent", "Template", "TemplateContent")
        renders = not any("{{" in text for text in content.values())
        for place, _ in enumerate(call.payload["BulkEmailEntries"]):
            if place in call.refused:
                results.append({"Status": "MESSAGE_REJECTED", "Error": "The message contains a virus."})
                fates.append(Fate(accepted=False))
                continue
            message_id = _message_id()
            results.append({"Status": "SUCCESS", "MessageId": message_id})
            # A variable without a value shows when the template is rendered, and then nothing is sent.
            fates.append(Fate(renders, message_id))
        return Verdict(200, spoken({"BulkEmailEntryResults": results}), fates=tuple(fates))

    def members(self, call: Call) -> Sequence[tuple[str | None, Any]]:
        """Give each entry as the request of one message, which may have a template as well."""
        if call.path != _MANY or next(ses_rules.many(call.payload), None):
            return ()
        shared = {name: call.payload.get(name) for name in ("FromEmailAddress", "ReplyToAddresses")}
        template = call.payload["DefaultContent"]["Template"]
        copies = []
        for entry in call.payload["BulkEmailEntries"]:
            content = {"Template": {**template, "Headers": entry.get("ReplacementHeaders", [])}}
            tags = entry.get("ReplacementTags", [])
            copy = {**shared, "Destination": entry["Destination"], "Content": content, "EmailTags": tags}
            copies.append((self.message_id(copy), copy))
        return copies

    def message_id(self, payload: Any) -> str | None:
        tags = at(payload, "EmailTags")
        pairs = {at(tag, "Name"): at(tag, "Value") for tag in tags} if isinstance(tags, list) else {}
        return pairs.get("message_id")

    def summary(self, payload: Any) -> str:
        to = ", ".join(at(payload, "Destination", "ToAddresses") or [])
        template = at(payload, "Content", "Template", "TemplateContent", "Subject")
        return f"to {to}: {template or letter(payload)['Subject']}"

    def refusal(self, status: int) -> Verdict:
        return _error(status, *_ERRORS.get(status, ("InternalFailure", "Internal failure")))


def letter(payload: Any) -> Any:
    """Parse the raw message of a request."""
    return message_from_bytes(base64.b64decode(at(payload, "Content", "Raw", "Data")), policy=policy.default)


def _error(status: int, name: str, words: str) -> Verdict:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": f"{name}:{_NAMESPACE}"}
    return Verdict(status, spoken({"message": words}), headers)


def _message_id() -> str:
    return f"0100{secrets.token_hex(6)}-{secrets.token_hex(4)}-000000"
