"""Resend's answers: https://resend.com/docs/api-reference/errors."""

from __future__ import annotations

import json

from services.mailer.outcome import Accepted, Deferred, Rejected, Unauthorised, Uncertain
from services.mailer.providers.base import Response
from tests.mailer.answers.answer import json_response

EMAIL_ID = "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"


def says(status: int, name: str, words: str = "No.", **headers: str) -> Response:
    body = json.dumps({"statusCode": status, "name": name, "message": words})
    return json_response(status, body, **headers)


def refusal(words: str) -> Response:
    return says(422, "validation_error", words)


ROWS: dict[str, tuple[Response, type]] = {
    "200 without an id": (json_response(200, "{}"), Uncertain),
    "200 with an id that is none": (json_response(200, '{"id":7}'), Uncertain),
    "200 html": (Response(200, b"<html>login</html>"), Uncertain),
    "200 empty": (Response(200), Uncertain),
    "200 truncated": (Response(200, b'{"id":"49a3999c-0c'), Uncertain),
    "200 of a batch": (json_response(200, f'{{"data":[{{"id":"{EMAIL_ID}"}}]}}'), Uncertain),
    "400 validation": (says(400, "validation_error"), Rejected),
    "400 bad key": (says(400, "invalid_idempotency_key"), Rejected),
    "401 no API key": (says(401, "missing_api_key"), Unauthorised),
    "401 restricted API key": (says(401, "restricted_api_key"), Unauthorised),
    "403 wrong API key": (says(403, "invalid_api_key"), Unauthorised),
    "403 domain": (says(403, "validation_error", "The x.org domain is not verified."), Unauthorised),
    "404 theirs": (says(404, "not_found"), Rejected),
    "404 not theirs": (Response(404, b"<html>404</html>"), Unauthorised),
    "405 theirs": (says(405, "method_not_allowed"), Rejected),
    "409 other bytes": (says(409, "invalid_idempotent_request"), Uncertain),
    "409 under way": (says(409, "concurrent_idempotent_requests"), Deferred),
    "409 unknown": (says(409, "another_conflict"), Uncertain),
    "409 html": (Response(409, b"<html></html>"), Uncertain),
    "413 html": (Response(413, b"<html></html>"), Rejected),
    "422 field missing": (says(422, "missing_required_field"), Rejected),
    "422 validation": (says(422, "validation_error"), Rejected),
    "422 attachment": (says(422, "invalid_attachment"), Rejected),
    "422 sender": (says(422, "invalid_from_address"), Rejected),
    "422 access": (says(422, "invalid_access"), Rejected),
    "422 parameter": (says(422, "invalid_parameter"), Rejected),
    "422 region": (says(422, "invalid_region"), Rejected),
    "429 rate": (says(429, "rate_limit_exceeded", retry_after="1"), Deferred),
    "429 html": (Response(429, b"<html></html>"), Deferred),
    "429 day": (says(429, "daily_quota_exceeded"), Unauthorised),
    "429 month": (says(429, "monthly_quota_exceeded"), Unauthorised),
    "451 security": (says(451, "security_error"), Rejected),
    "500 application": (says(500, "application_error"), Uncertain),
    "500 server": (says(500, "internal_server_error"), Uncertain),
    "502 empty": (Response(502), Uncertain),
    "503": (Response(503, b"<html></html>"), Deferred),
    "504": (Response(504), Uncertain),
    "307": (Response(307, b"", {"location": "https://evil.test/"}), Unauthorised),
}

ACCEPTANCES: list[tuple[Response, Accepted]] = [
    (json_response(200, f'{{"id":"{EMAIL_ID}"}}'), Accepted(EMAIL_ID)),
    (json_response(201, f'{{"object":"email","id":"{EMAIL_ID}"}}'), Accepted(EMAIL_ID)),
]
