"""SendGrid's answers: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors."""

from __future__ import annotations

from services.mailer.outcome import Accepted, Deferred, Rejected, Unauthorised, Uncertain
from services.mailer.providers.base import Response
from tests.mailer.answers.answer import json_response


def says(status: int, text: str, field: str = "null", **headers: str) -> Response:
    return json_response(
        status, f'{{"errors":[{{"message":"{text}","field":{field},"help":null}}]}}', **headers
    )


def refusal(words: str) -> Response:
    return says(400, words)


MESSAGE_ID = "14c5d75ce93.dfd.64b469"

ROWS: dict[str, tuple[Response, type]] = {
    "200 is the sandbox's": (Response(200), Uncertain),
    "200 html": (Response(200, b"<html>login</html>"), Uncertain),
    "202 html": (Response(202, b"<html>login</html>"), Uncertain),
    "400 validation": (says(400, "There is a limit of 1000 total recipients"), Rejected),
    "400 not theirs": (Response(400, b"<html>Bad Request</html>"), Rejected),
    "401 key": (says(401, "The provided authorization grant is invalid"), Unauthorised),
    "403 sender": (says(403, "not a verified Sender Identity", '"from"'), Unauthorised),
    "404 path": (says(404, "not found"), Rejected),
    "404 not theirs": (Response(404, b"<html>404</html>"), Unauthorised),
    "405 method": (says(405, "method not allowed"), Rejected),
    "406 accept": (says(406, "not acceptable"), Rejected),
    "413 size": (Response(413, b""), Rejected),
    "429 rate": (says(429, "too many requests"), Deferred),
    "500 theirs": (json_response(500, '{"errors":[{"message":"Internal"}]}'), Uncertain),
    "502 empty": (Response(502), Uncertain),
    "503": (Response(503), Deferred),
    "504 html": (Response(504, b"<html>Gateway Timeout</html>"), Uncertain),
    "307": (Response(307, b"", {"location": "https://evil.test/"}), Unauthorised),
    "301": (Response(301), Unauthorised),
}

ACCEPTANCES: list[tuple[Response, Accepted]] = [
    (Response(202, b"", {"x-message-id": MESSAGE_ID}), Accepted(MESSAGE_ID)),
    (Response(202, b" \r\n"), Accepted(None)),
    (Response(202, b"", {"x-message-id": "\x00" * 9}), Accepted(None)),
]
