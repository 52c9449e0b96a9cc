"""Postmark's answers: https://postmarkapp.com/developer/api/overview#error-codes."""

from __future__ import annotations

import json

from services.mailer.outcome import Accepted, Deferred, Rejected, Suppressed, Unauthorised, Uncertain
from services.mailer.providers.base import Response
from tests.mailer.answers.answer import json_response

MESSAGE_ID = "0a129aee-e1cd-480d-b08d-4f48548ff48d"

INACTIVE_WORDS = "Inactive recipients are ones that have generated a hard bounce or a spam complaint."
ALL_INACTIVE = (
    "You tried to send to a recipient that has been marked as inactive.\n"
    f"Found inactive addresses: a@x.org.\n{INACTIVE_WORDS} "
)
SOME_INACTIVE = (
    f"Message OK, but will not deliver to these inactive addresses: a@x.org, b.c@x.org. {INACTIVE_WORDS}"
)
DELAYED = "Message accepted, but delivery may be delayed."


def error(code: int, words: str = "No.") -> dict[str, object]:
    return {"ErrorCode": code, "Message": words}


def success(words: str = "OK", **changes: object) -> dict[str, object]:
    return {
        "To": "a@x.org",
        "SubmittedAt": "2026-01-01T12:00:00.0000000-05:00",
        "MessageID": MESSAGE_ID,
        "ErrorCode": 0,
        "Message": words,
        **changes,
    }


def answer(status: int, document: object) -> Response:
    return json_response(status, json.dumps(document))


def says(code: int, status: int = 422, words: str = "No.") -> Response:
    return answer(status, error(code, words))


def refusal(words: str) -> Response:
    return says(300, words=words)


def without(document: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in document.items() if key != name}


ROWS: dict[str, tuple[Response, type]] = {
    "200 without an id": (answer(200, without(success(), "MessageID")), Uncertain),
    "200 with an id that is none": (answer(200, success(MessageID=7)), Uncertain),
    "200 with a code that is none": (answer(200, success(ErrorCode="0")), Uncertain),
    "200 html": (Response(200, b"<html>login</html>"), Uncertain),
    "200 empty": (Response(200), Uncertain),
    "200 truncated": (Response(200, b'{"To":"a@x.org","MessageID":"0a12'), Uncertain),
    "200 a list": (answer(200, [success()]), Uncertain),
    "200 refused": (says(406, 200), Suppressed),
    "200 refused, unknown code": (says(9999, 200), Rejected),
    "10 token": (says(10, 401), Unauthorised),
    "100 maintenance": (says(100, 503), Deferred),
    "300 invalid": (says(300), Rejected),
    "400 sender not found": (says(400), Unauthorised),
    "401 sender not confirmed": (says(401), Unauthorised),
    "402 bad JSON": (says(402), Rejected),
    "403 field": (says(403), Rejected),
    "405 no credits": (says(405), Unauthorised),
    "406 inactive": (says(406, words=ALL_INACTIVE), Suppressed),
    "409 JSON required": (says(409), Rejected),
    "410 too many": (says(410), Rejected),
    "411 forbidden file": (says(411), Rejected),
    "412 account pending": (says(412), Unauthorised),
    "413 account may not send": (says(413), Unauthorised),
    "429 as a code": (says(429), Deferred),
    "1235 no such stream": (says(1235), Unauthorised),
    "1236 not a stream that sends": (says(1236), Unauthorised),
    "unknown code": (says(9999), Rejected),
    "401 without a body": (Response(401), Unauthorised),
    "404 theirs": (says(9999, 404), Rejected),
    "404 not theirs": (Response(404, b"<html>404</html>"), Unauthorised),
    "404 somebody's JSON": (json_response(404, '{"Message":"no route"}'), Unauthorised),
    "413 size": (Response(413), Rejected),
    "413 size, with that code": (says(413, 413), Rejected),
    "415 not JSON": (says(402, 415), Rejected),
    "429 rate": (says(429, 429), Deferred),
    "429 html": (Response(429, b"<html></html>"), Deferred),
    "500 theirs": (says(9999, 500), Uncertain),
    "500 html": (Response(500, b"<html></html>"), Uncertain),
    "502 empty": (Response(502), Uncertain),
    "503 html": (Response(503, b"<html></html>"), Deferred),
    "504": (Response(504), Uncertain),
    "302": (Response(302, b"", {"location": "/login"}), Unauthorised),
}

ACCEPTANCES: list[tuple[Response, Accepted]] = [
    (answer(200, success()), Accepted(MESSAGE_ID)),
    (answer(200, without(success(), "To")), Accepted(MESSAGE_ID)),
    (answer(200, without(success(DELAYED), "ErrorCode")), Accepted(MESSAGE_ID, "delivery may be delayed")),
    (
        answer(200, success(SOME_INACTIVE)),
        Accepted(
            MESSAGE_ID, "not sent to 2 of the recipients: inactive after a hard bounce or a spam complaint"
        ),
    ),
]
