"""Amazon SES' answers: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors."""

from __future__ import annotations

import json

from services.mailer.outcome import Accepted, Deferred, Rejected, Unauthorised, Uncertain
from services.mailer.providers.base import Response
from tests.mailer.answers.answer import json_response

_NAMESPACE = "http://internal.amazon.com/coral/com.amazonaws.services.simpleemailv2/"


def says(status: int, kind: str, words: str = "No.", **headers: str) -> Response:
    """Name the error where Amazon does, in a header."""
    named = {"x-amzn-ErrorType".lower(): f"{kind}:{_NAMESPACE}"}
    return Response(status, json.dumps({"message": words}).encode(), {**named, **headers})


def refusal(words: str) -> Response:
    return says(400, "BadRequestException", words)


MESSAGE_ID = "0100018c5d2f3a4b-49a3999c-0ce1-4ea6-ab68-afcd6dc2e794-000000"

ROWS: dict[str, tuple[Response, type]] = {
    "200 html": (Response(200, b"<html>login</html>"), Uncertain),
    "200 empty": (Response(200), Uncertain),
    "200 without an id": (Response(200, b"{}"), Uncertain),
    "202 is not theirs": (json_response(202, f'{{"MessageId":"{MESSAGE_ID}"}}'), Uncertain),
    "TooManyRequestsException": (says(429, "TooManyRequestsException"), Deferred),
    "rate": (says(400, "ThrottlingException", "Maximum sending rate exceeded."), Deferred),
    "daily quota": (says(400, "ThrottlingException", "Daily message quota exceeded."), Unauthorised),
    "LimitExceededException": (says(400, "LimitExceededException"), Unauthorised),
    "BadRequestException": (says(400, "BadRequestException"), Rejected),
    "MessageRejected": (says(400, "MessageRejected", "Message contains a virus."), Rejected),
    "MessageRejected, sender": (
        says(400, "MessageRejected", "Email address is not verified. The following identities failed …"),
        Unauthorised,
    ),
    "MailFromDomainNotVerifiedException": (says(400, "MailFromDomainNotVerifiedException"), Unauthorised),
    "SendingPausedException": (says(400, "SendingPausedException"), Unauthorised),
    "AccountSuspendedException": (says(400, "AccountSuspendedException"), Unauthorised),
    "signature": (says(403, "InvalidSignatureException"), Unauthorised),
    "access": (says(403, "AccessDeniedException"), Unauthorised),
    "token": (says(403, "ExpiredTokenException"), Unauthorised),
    "token, by a 400": (says(400, "UnrecognizedClientException"), Unauthorised),
    "another 403": (says(403, "Anything"), Unauthorised),
    "configuration set": (
        says(404, "NotFoundException", "Configuration set <x> does not exist."),
        Unauthorised,
    ),
    "404 not theirs": (Response(404, b"<html>404</html>"), Unauthorised),
    "413": (says(413, "RequestEntityTooLargeException"), Rejected),
    "400 not theirs": (Response(400, b"<html>Bad Request</html>"), Rejected),
    "InternalFailure": (says(500, "InternalFailure"), Uncertain),
    "500 without a name": (Response(500, b"{}"), Uncertain),
    "ServiceUnavailable": (says(503, "ServiceUnavailable"), Deferred),
    "502 empty": (Response(502), Uncertain),
    "504 html": (Response(504, b"<html>Gateway Timeout</html>"), Uncertain),
    "307": (Response(307, b"", {"location": "https://evil.test/"}), Unauthorised),
    "named in the body": (
        json_response(400, '{"__type":"com.amazonaws.ses#SendingPausedException","Message":"Paused."}'),
        Unauthorised,
    ),
    "named by its code": (json_response(400, '{"code":"SendingPausedException"}'), Unauthorised),
    "named by a number": (json_response(400, '{"code":7}'), Rejected),
}

ACCEPTANCES: list[tuple[Response, Accepted]] = [
    (json_response(200, f'{{"MessageId":"{MESSAGE_ID}"}}'), Accepted(MESSAGE_ID)),
    (json_response(200, '{"MessageId":""}'), Accepted(None)),
]
