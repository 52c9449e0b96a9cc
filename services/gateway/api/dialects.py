"""Problems in the words of whose API the caller speaks: Resend's, or below ``/v3/`` SendGrid's.

SendGrid's errors are ``{"errors": [{"message", "field", "help"}]}``, with a path such as
``personalizations.0.to`` for the field, or null; and what it does not take is always a 400.
https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from services.gateway.api.rate_limit import HEADERS
from services.gateway.problems import FieldError, Problem

_SENDGRID = "/v3/"

_STATUS = {"invalid_api_key": 401, "restricted_api_key": 403, "missing_required_field": 400}
# The words that SendGrid has for it, which programs look for.
_UNAUTHORIZED = "The provided authorization grant is invalid, expired, or revoked"
_WORDS = {
    "missing_api_key": _UNAUTHORIZED,
    "invalid_api_key": _UNAUTHORIZED,
    "restricted_api_key": "access forbidden",
    "rate_limit_exceeded": "too many requests",
}


class SendGridError(BaseModel):
    """One thing that is wrong."""

    message: str = Field(description="A sentence for a human; never repeats the value.")
    field: str | None = Field(description="A path such as `personalizations.0.to`; null if it is all of it.")
    help: None = Field(description="Always null.")


class SendGridErrors(BaseModel):
    """The body of every answer below ``/v3/`` that is not a success."""

    errors: list[SendGridError]


class _SendGridProblem(Problem):
    """A problem that is told as SendGrid would."""

    def body(self) -> dict[str, Any]:
        if self.errors:
            return {"errors": [_error(error) for error in self.errors]}
        return {"errors": [{"message": self.message, "field": None, "help": None}]}


def respond(request: web.Request, problem: Problem) -> web.Response:
    """Answer the request with the problem, in the dialect of its path."""
    return in_dialect(request.path, problem, _rate_limit(request, problem)).response()


def in_dialect(path: str, problem: Problem, more_headers: Mapping[str, str] | None = None) -> Problem:
    """The same problem in the dialect of a path, which has some headers of its own."""
    return in_sendgrids_words(problem, more_headers) if is_sendgrids(path) else problem


def is_sendgrids(path: str) -> bool:
    """Whether who calls there speaks SendGrid's dialect."""
    return path.startswith(_SENDGRID)


def in_sendgrids_words(problem: Problem, more_headers: Mapping[str, str] | None = None) -> Problem:
    """The same problem as SendGrid would tell it."""
    headers = {**problem.headers, **(more_headers or {})}
    if problem.message_id is not None:
        headers["X-Message-Id"] = str(problem.message_id)
    return _SendGridProblem(
        _STATUS.get(problem.name, 400 if problem.status == 422 else problem.status),
        problem.name,
        _WORDS.get(problem.name, problem.message),
        errors=problem.errors,
        headers=headers,
    )


def limit_in_sendgrids_words(limit: Mapping[str, str], reset: str) -> dict[str, str]:
    """The limit under SendGrid's names, where the *reset* is a moment in unix seconds."""
    return {
        "X-RateLimit-Limit": limit["ratelimit-limit"],
        "X-RateLimit-Remaining": limit["ratelimit-remaining"],
        "X-RateLimit-Reset": reset,
    }


def _error(error: FieldError) -> dict[str, str | None]:
    # As JSON pointers are written and unescaped (RFC 6901, section 4).
    parts = [part.replace("~1", "/").replace("~0", "~") for part in error.pointer.split("/")[1:]]
    field = ".".join(parts)
    return {"message": f"{field or 'The body'} {error.message}", "field": field or None, "help": None}


def _rate_limit(request: web.Request, problem: Problem) -> dict[str, str]:
    limit = request.get(HEADERS)
    if problem.status != 429 or limit is None:
        return {}
    return limit_in_sendgrids_words(limit, str(int(time.time()) + int(limit["ratelimit-reset"])))
