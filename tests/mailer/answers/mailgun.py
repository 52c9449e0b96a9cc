"""Mailgun's answers: https://github.com/mailgun/documentation/blob/master/source/api-sending.rst."""

from __future__ import annotations

import json

from services.mailer.outcome import Accepted, Deferred, Rejected, Unauthorised, Uncertain
from services.mailer.providers.base import Response
from tests.mailer.answers.answer import json_response


def says(status: int, words: str, **headers: str) -> Response:
    return json_response(status, json.dumps({"message": words}), **headers)


def refusal(words: str) -> Response:
    return says(400, words)


MESSAGE_ID = "20260101120000.1.ABC@x.org"
LIMITED = "Domain x.org is not allowed to send: {} limit exceeded, try again after {}"
AGAIN = "Sun, 22 Nov 2026 10:00:07 UTC"
"""Seven seconds after :data:`.answer.DATE`."""

_REFUSED = (
    "from parameter is missing",
    "to parameter is missing",
    "Need at least one of 'text' or 'html' parameters specified",
    "Only one parameters 'html' or 'template' is allowed",
    "to parameter is not a valid address. please check documentation",
    "cc parameter is not a valid address. please check documentation",
    "Too many recipients, max is 1000",
    "'recipient-variables' parameter is not a valid JSON",
    "Header name must be pure ASCII: größe",
    "tomorrow is not an RFC-2822 compliant date",
    "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total",
)
_ACCOUNT = (
    "Domain x.org is not allowed to send: Sandbox subdomains are for test purposes only.",
    "Domain x.org is not allowed to send: Free accounts are for test purposes only.",
    "Domain x.org is not allowed to send: The domain is unverified and requires DNS configuration.",
    "Please activate your Mailgun account. Check your inbox or log in to your control panel.",
)

ROWS: dict[str, tuple[Response, type]] = {
    **{f"400 {words}": (says(400, words), Rejected) for words in _REFUSED},
    **{f"400 {words}": (says(400, words), Unauthorised) for words in _ACCOUNT},
    **{
        f"429 {what}": (says(429, LIMITED.format(what, AGAIN)), Deferred)
        for what in ("request", "recipient", "bytes")
    },
    "200 another path": (Response(200, b"Mailgun Magnificent API\n"), Unauthorised),
    "200 html": (Response(200, b"<html>login</html>"), Uncertain),
    "200 empty": (Response(200), Uncertain),
    "200 without an id": (says(200, "Queued. Thank you."), Uncertain),
    "200 truncated": (Response(200, b'{"id": "<20260101120000.1.ABC@x'), Uncertain),
    "202 is not theirs": (json_response(202, '{"id":"<1@x.org>"}'), Uncertain),
    "400 not theirs": (Response(400, b"<html>Bad Request</html>"), Rejected),
    "401": (Response(401, b"Forbidden"), Unauthorised),
    "402": (says(402, "Payment required"), Unauthorised),
    "403 large batches": (says(403, "Domain x.org is not allowed to send large batches yet"), Unauthorised),
    "403 address": (says(403, "Rejected: IP 192.0.2.1 can't be used to send the message"), Unauthorised),
    "404 domain": (says(404, "Domain not found: x.org"), Unauthorised),
    "404 not theirs": (Response(404, b"<html>404</html>"), Unauthorised),
    "413 size": (says(413, "request size exceeds 52.4MiB limit"), Rejected),
    "500 theirs": (says(500, "Internal Server Error"), Uncertain),
    "502 empty": (Response(502), Uncertain),
    "503": (Response(503), Deferred),
    "504 html": (Response(504, b"<html>Gateway Timeout</html>"), Uncertain),
    "302": (Response(302, b"", {"location": "/login"}), Unauthorised),
}

ACCEPTANCES: list[tuple[Response, Accepted]] = [
    (
        json_response(200, f'{{"id":"<{MESSAGE_ID}>","message":"Queued. Thank you."}}'),
        Accepted(MESSAGE_ID),
    ),
    (json_response(200, '{"id":"\\u0000","message":"Queued. Thank you."}'), Accepted(None)),
    (json_response(200, '{"id":"<>"}'), Accepted(None)),
]
