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


def invalid_json(reason: str) -> Problem:
    """400: the body is no JSON text (RFC 8259).  *reason* tells where parsing stopped."""
    return Problem(400, "invalid_json", f"The body is not valid JSON: {reason}.")


def invalid_fields(errors: Sequence[FieldError], *, missing: bool = False) -> Problem:
    """422: the body is JSON, but not what this call takes.  The first error makes the message."""
    first, more = errors[0], len(errors) - 1
    message = f"{first.pointer or 'The body'}: {first.message}" + (f" (and {more} more)" if more else "")
    return Problem(422, "missing_required_field" if missing else "validation_error", message, errors=errors)


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


def overloaded(retry_after: int) -> Problem:
    """503: too many requests under way; try again after *retry_after* seconds."""
    headers = {"Retry-After": str(retry_after), **_CLOSE}
    return Problem(503, "overloaded", "Too many requests are under way. Try again later.", headers=headers)
