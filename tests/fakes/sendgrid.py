"""A fake of SendGrid's ``POST /v3/mail/send``.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from typing import TYPE_CHECKING, Any, ClassVar

from tests.fakes.dialect import Call, Verdict, at, spoken
from tests.fakes.esp import FakeESP

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESERVED = {
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
    "to", "from", "subject", "reply-to", "cc", "bcc",
}  # fmt: skip
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
    """Accepts with 202, an empty body and ``X-Message-Id``; refuses with ``{"errors": […]}``."""

    kind: ClassVar[str] = "sendgrid"
    senders: frozenset[str] | None = None
    """The verified sender identities, in lower case; None takes any."""

    def judge(self, call: Call) -> Verdict:
        if status := self._refusal_unread(call):
            return self.refusal(status)
        if problems := list(_problems(call.payload)):
            return _refused(400, problems)
        if self.senders is not None and call.payload["from"]["email"].lower() not in self.senders:
            return self.refusal(403)
        if at(call.payload, "mail_settings", "sandbox_mode", "enable") is True:
            return Verdict(200)
        message_id = secrets.token_urlsafe(16)
        return Verdict(
            202, headers={"X-Message-Id": message_id}, accepted=True, provider_message_id=message_id
        )

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
        ours = at(payload, "custom_args", "message_id")
        return ours if isinstance(ours, str) else None

    def summary(self, payload: Any) -> str:
        to = ", ".join(person["email"] for person in payload["personalizations"][0]["to"])
        return f"to {to}: {payload.get('subject')}"


def _refused(status: int, problems: list[tuple[str, str | None]]) -> Verdict:
    errors = [{"message": message, "field": field, "help": None} for message, field in problems]
    if status >= 500:
        errors = [{"message": error["message"]} for error in errors]
    return Verdict(status, spoken({"errors": errors}), {"Content-Type": "application/json"})


def _problems(payload: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    yield from _recipients(payload)
    if not _address(at(payload, "from")):
        yield "The from object must be provided for every email send.", "from"
    if not payload.get("subject") and not payload.get("template_id"):
        yield "The subject is required.", "subject"
    yield from _content(payload)
    yield from _extras(payload)
    for number, attachment in enumerate(payload.get("attachments", [])):
        yield from _attachment(attachment, f"attachments.{number}")
    if "reply_to" in payload and "reply_to_list" in payload:
        yield "Only one of reply_to and reply_to_list may be given.", "reply_to_list"


def _address(person: Any) -> bool:
    email = at(person, "email")
    return isinstance(email, str) and email.count("@") == 1 and not email.startswith("@") and " " not in email


def _recipients(payload: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    personalizations = payload.get("personalizations")
    if not isinstance(personalizations, list) or not personalizations:
        yield "The personalizations field is required.", "personalizations"
        return
    for number, personalization in enumerate(personalizations):
        here = f"personalizations.{number}"
        seen: set[str] = set()
        for kind in ("to", "cc", "bcc"):
            people = at(personalization, kind)
            if not people and (kind == "to" or people is not None):
                yield f"The {kind} array, when used, must have at least one address.", f"{here}.{kind}"
            for index, person in enumerate(people or []):
                if not _address(person):
                    yield "Does not contain a valid address.", f"{here}.{kind}.{index}.email"
                elif person["email"].lower() in seen:
                    yield f"Addresses must be unique; first duplicate: [{person['email']}].", here
                else:
                    seen.add(person["email"].lower())
        if len(seen) > 1000:
            yield "There is a limit of 1000 recipients (to + cc + bcc).", "personalizations"


def _content(payload: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    content = payload.get("content") or []
    if not content and not payload.get("template_id"):
        yield "Unless a valid template_id is provided, the content parameter is required.", "content"
    kinds = [at(part, "type") for part in content]
    if "text/plain" in kinds[1:] or "text/html" in kinds[2:]:
        yield "text/plain must come first, then text/html, then anything else.", "content"
    for index, part in enumerate(content):
        if not at(part, "value"):
            yield "The content value must have at least one character.", f"content.{index}.value"


def _extras(payload: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, value in (payload.get("headers") or {}).items():
        if name.lower() in _RESERVED:
            yield f"The header {name} is reserved.", "headers"
        if not isinstance(value, str):
            yield f"The header {name} must be a string.", f"headers.{name}"
    categories = payload.get("categories", [])
    if len(categories) > 10 or len(set(categories)) < len(categories):
        yield "At most 10 categories, and each once.", "categories"
    if any(len(category) > 255 for category in categories):
        yield "A category has at most 255 characters.", "categories"
    custom_args = payload.get("custom_args", {})
    if len(spoken(custom_args)) > 10_000:
        yield "The custom_args have at most 10000 bytes.", "custom_args"
    if not all(isinstance(value, str) for value in custom_args.values()):
        yield "Bad Request", None


def _attachment(attachment: Any, here: str) -> Iterator[tuple[str, str | None]]:
    try:
        base64.b64decode(at(attachment, "content") or "?", validate=True)
    except binascii.Error:
        yield "The attachment content must be base64 encoded.", f"{here}.content"
    if not at(attachment, "filename"):
        yield "The attachment filename is required.", f"{here}.filename"
    if at(attachment, "disposition") not in (None, "attachment", "inline"):
        yield "The disposition must be attachment or inline.", f"{here}.disposition"
