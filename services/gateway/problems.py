"""What the gateway answers when it cannot do what it was asked.

A problem is raised where it is noticed and turned into a response in one place.  Its shape is
Resend's flat error with a list of failing fields added, and its names are Resend's where that
API has one: https://resend.com/docs/api-reference/errors

Messages name the field and the rule, never the value: they end up in the callers' logs and in
ours, where no address and no part of a body belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, Field

_REPORTED = 20
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was refused, and why."""

    pointer: str
    """Where it stands in the body, as a JSON pointer (RFC 6901): ``/to/0``; empty for all of it."""
    message: str


class FieldErrorBody(BaseModel):
    """One field that was refused, and why."""

    pointer: str = Field(description="JSON pointer (RFC 6901) to the field; empty for the body itself.")
    message: str = Field(description="What is wrong and what is allowed; never repeats the value.")


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    statusCode: int = Field(description="The HTTP status code.")  # noqa: N815 - Resend's spelling
    name: str = Field(description="A stable word to tell errors apart by program.")
    message: str = Field(description="A sentence for a human.")
    errors: list[FieldErrorBody] = Field(description="The failing fields, at most 20.")
    message_id: UUID | None = Field(
        default=None,
        description="Only where the message may have been accepted although this answer says 503: "
        "look it up by this id before repeating the request.",
    )


class Problem(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """An answer other than success, raised where it is noticed."""

    def __init__(
        self,
        status: int,
        name: str,
        message: str,
        *,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        message_id: UUID | None = None,
    ) -> None:
        super().__init__(f"{status} {name}: {message}")
        self.status = status
        self.name = name
        self.message = message
        self.errors = tuple(errors)
        self.headers: Mapping[str, str] = dict(headers or {})
        self.message_id = message_id

    def within(self, place: str) -> Problem:
        """The same problem of a part that stands at *place*, a JSON pointer, in the whole body."""
        errors = [FieldError(place + error.pointer, error.message) for error in self.errors]
        return invalid_fields(errors, missing=self.name == "missing_required_field")

    def body(self) -> dict[str, Any]:
        """The answer's JSON object; optional members are left out, not null."""
        body: dict[str, Any] = {
            "statusCode": self.status,
            "name": self.name,
            "message": self.message,
            "errors": [{"pointer": error.pointer, "message": error.message} for error in self.errors],
        }
        if self.message_id is not None:
            body["message_id"] = str(self.message_id)
        return body

    def response(self) -> web.Response:
        """The answer itself; closes the connection where the request was not read to its end."""
        response = web.json_response(self.body(), status=self.status, headers=self.headers)
        # aiohttp does not look at the header, and would read on after an unfinished body.
        if self.headers.get("Connection") == "close":
            response.force_close()
        # A JSON text has no charset parameter (RFC 8259, section 11).
        response.headers["Content-Type"] = "application/json"
        return response


def bad_request() -> Problem:
    """400: this is not HTTP as it should be, or more of it than is read."""
    message = "The request line or a header cannot be read, is too long, or asks for what is not offered."
    return Problem(400, "bad_request", message, headers=_CLOSE)


def invalid_json(reason: str) -> Problem:
    """400: the body is no JSON text (RFC 8259).  *reason* tells where parsing stopped."""
    return Problem(400, "invalid_json", f"The body is not valid JSON: {reason}.")


def invalid_fields(errors: Sequence[FieldError], *, missing: bool = False) -> Problem:
    """422: the body is JSON, but not what this call takes.  The first error makes the message."""
    first, more = errors[0], len(errors) - 1
    message = f"{first.pointer or 'The body'}: {first.message}" + (f" (and {more} more)" if more else "")
    name = "missing_required_field" if missing else "validation_error"
    return Problem(422, name, message, errors=errors[:_REPORTED])


def invalid_idempotency_key(length: int) -> Problem:
    """400: the header Idempotency-Key cannot be used; it may be *length* characters long."""
    message = f"The header Idempotency-Key must be 1 to {length} printable ASCII characters."
    return Problem(400, "invalid_idempotency_key", message)


def missing_api_key() -> Problem:
    """401: the request came without an API key."""
    message = "There is no API key. Send it in the header Authorization: Bearer <key>."
    return Problem(401, "missing_api_key", message, headers={"WWW-Authenticate": "Bearer"})


def invalid_signature() -> Problem:
    """401: a provider's call that no provider made, or too long ago; does not tell which."""
    message = "The signature or the password of this call is missing, wrong or too old."
    # Of the providers' ways to sign only Basic is one of HTTP's (RFC 7617), and a 401 has to name one.
    headers = {"WWW-Authenticate": 'Basic realm="provider-events", charset="UTF-8"'}
    return Problem(401, "invalid_signature", message, headers=headers)


def invalid_api_key() -> Problem:
    """403: the API key is worth nothing; does not tell whether it ever was."""
    return Problem(403, "invalid_api_key", "The API key is not valid.")


def restricted_api_key(permission: str) -> Problem:
    """401: the API key is good, but its *permission* does not allow this call."""
    message = f"The permission of this API key, {permission}, does not allow this call."
    headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}  # RFC 6750, section 3.1
    return Problem(401, "restricted_api_key", message, headers=headers)


def rate_limit_exceeded(retry_after: int) -> Problem:
    """429: the API key calls too often; there is room for another request in *retry_after* seconds."""
    message = f"This API key makes too many requests. Wait {retry_after} s before the next one."
    return Problem(429, "rate_limit_exceeded", message, headers={"retry-after": str(retry_after)})


def too_many_streams(limit: int, retry_after: int) -> Problem:
    """429: the API key has *limit* streams of events open, which is all that it may have."""
    message = f"This API key has {limit} streams of events open, which is all that it may have."
    return Problem(429, "too_many_streams", message, headers={"retry-after": str(retry_after)})


def foreign_sender(pointer: str) -> Problem:
    """403: the API key is limited to some sender domains, and this is none of them."""
    error = FieldError(pointer, "has a domain that this API key may not send from")
    return Problem(403, "validation_error", f"{pointer}: {error.message}", errors=[error])


def invalid_idempotent_request(pointers: Iterable[str]) -> Problem:
    """409: an idempotency key was used before, for something else.

    *pointers* name the keys of a batch's items; none stand for the request's own key.
    """
    message = "was used before for a different request"
    errors = [FieldError(pointer, message) for pointer in pointers][:_REPORTED]
    sentence = f"{errors[0].pointer}: {message}" if errors else f"The idempotency key {message}."
    return Problem(409, "invalid_idempotent_request", sentence, errors=errors)


def concurrent_idempotent_requests(retry_after: int) -> Problem:
    """409: a request with the same idempotency key is under way; repeat it after *retry_after* seconds."""
    message = "A request with the same idempotency key is being worked on. Try again later."
    headers = {"Retry-After": str(retry_after)}
    return Problem(409, "concurrent_idempotent_requests", message, headers=headers)


def not_scheduled(status: str) -> Problem:
    """409: only a message that is still scheduled can be rescheduled or canceled."""
    return Problem(409, "not_scheduled", f"The message is not scheduled any more: it is {status}.")


def not_replayable(status: str) -> Problem:
    """409: only a message that failed, was suppressed or is held can be sent once more."""
    return Problem(409, "not_replayable", f"The message cannot be sent once more: it is {status}.")


def not_held(status: str) -> Problem:
    """409: only a message that is held can be released or dropped."""
    return Problem(409, "not_held", f"The message is not held: it is {status}.")


def webhook_disabled() -> Problem:
    """409: a disabled webhook is told nothing, not even once more."""
    return Problem(409, "webhook_disabled", "The webhook is disabled. Enable it first.")


def too_many_webhooks(limit: int) -> Problem:
    """409: the tenant has *limit* webhooks already."""
    return Problem(409, "too_many_webhooks", f"There are {limit} webhooks already, and no room for another.")


def message_expired() -> Problem:
    """409: the message is worthless by now, so it is not sent once more."""
    return Problem(409, "message_expired", "The message cannot be sent once more: its expires_at has passed.")


def recipients_suppressed() -> Problem:
    """409: sent once more, the message would go to nobody."""
    message = "The message cannot be sent once more: nobody in to is left, since they are suppressed."
    return Problem(409, "recipients_suppressed", message)


def body_purged() -> Problem:
    """410: there is nothing left of the message that could be sent."""
    return Problem(410, "body_purged", "The message cannot be sent once more: its body was removed by now.")


def read_only() -> Problem:
    """403: the template belongs to the operator, and no tenant may change it."""
    message = (
        "This template comes from the operator's folder and is changed there only; it can be duplicated."
    )
    return Problem(403, "read_only", message)


def not_found() -> Problem:
    """404: nothing here, or nothing that this caller may see; the two look the same."""
    return Problem(404, "not_found", "There is nothing at this address.")


def method_not_allowed(allowed: Iterable[str]) -> Problem:
    """405: the resource does not know this method (RFC 9110, 15.5.6)."""
    methods = ", ".join(sorted(allowed))
    return Problem(405, "method_not_allowed", f"Allowed here: {methods}.", headers={"Allow": methods})


def request_timeout(seconds: float) -> Problem:
    """408: the body did not arrive within *seconds*."""
    message = f"The request did not arrive completely within {seconds:g} seconds."
    return Problem(408, "request_timeout", message, headers=_CLOSE)


def payload_too_large(limit: int) -> Problem:
    """413: the body is larger than *limit* bytes."""
    return Problem(413, "payload_too_large", f"The body must be at most {limit} bytes.", headers=_CLOSE)


def too_much_together(limit: int) -> Problem:
    """413: what the templates make of the body is larger than *limit* bytes."""
    return Problem(413, "payload_too_large", f"Together the messages must be at most {limit} bytes.")


def unsupported_media_type(reason: str = "send JSON as application/json, uncompressed") -> Problem:
    """415: the body is not JSON by its Content-Type, or has a Content-Encoding."""
    return Problem(415, "unsupported_media_type", f"The body cannot be read: {reason}.", headers=_CLOSE)


def internal_server_error() -> Problem:
    """500: a bug of ours; tells nothing about it, since what it says goes to strangers."""
    return Problem(500, "internal_server_error", "Something went wrong on our side. Try again later.")


def unavailable(retry_after: int, *, message_id: UUID | None = None) -> Problem:
    """503: the ledger cannot be written; try again after *retry_after* seconds.

    With a *message_id* nobody knows whether the commit was done: the message may be on its way.
    """
    if message_id is None:
        message = "Nothing was accepted. Try again later."
    else:
        message = "It is unknown whether this was accepted: look it up by its message_id before repeating it."
    headers = {"Retry-After": str(retry_after)}
    return Problem(503, "unavailable", message, headers=headers, message_id=message_id)


def overloaded(retry_after: int, *, unread: bool = True) -> Problem:
    """503: too many requests under way; try again after *retry_after* seconds.

    The connection of a request whose body is *unread* is closed; another one costs more than the refusal.
    """
    headers = {"Retry-After": str(retry_after), **(_CLOSE if unread else {})}
    return Problem(503, "overloaded", "Too many requests are under way. Try again later.", headers=headers)
