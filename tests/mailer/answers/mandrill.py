"""Mandrill's answers: https://mailchimp.com/developer/transactional/docs/error-glossary/."""

from __future__ import annotations

from services.mailer.outcome import Accepted, Deferred, Rejected, Suppressed, Unauthorised, Uncertain
from services.mailer.providers.base import Response
from tests.mailer.answers.answer import json_response


def says(name: str, status: int = 500, words: str = "No.") -> Response:
    return json_response(status, f'{{"status":"error","code":-1,"name":"{name}","message":"{words}"}}')


def refusal(words: str) -> Response:
    return says("ValidationError", words=words)


def recipients(*rows: str) -> Response:
    return json_response(200, f"[{','.join(rows)}]")


def row(status: str, reason: str = "null", _id: str = '"a92c74e4c5d74998ba690cd535483bb7"') -> str:
    return (
        f'{{"email":"a@x.org","status":"{status}","_id":{_id},"reject_reason":{reason},"queued_reason":null}}'
    )


def queued(reason: str) -> str:
    return row("queued").replace("null}", f'"{reason}"}}')


MESSAGE_ID = "a92c74e4c5d74998ba690cd535483bb7"

ROWS: dict[str, tuple[Response, type]] = {
    "rejected hard-bounce": (recipients(row("rejected", '"hard-bounce"')), Suppressed),
    "rejected spam": (recipients(row("rejected", '"spam"', "null")), Suppressed),
    "rejected unsub": (recipients(row("rejected", '"unsub"')), Suppressed),
    "rejected rule": (recipients(row("rejected", '"rule"')), Rejected),
    "rejected soft-bounce": (recipients(row("rejected", '"soft-bounce"')), Rejected),
    "rejected unsigned": (recipients(row("rejected", '"unsigned"')), Rejected),
    "rejected, no reason": (recipients(row("rejected")), Rejected),
    "invalid": (recipients(row("invalid", "null", "null")), Rejected),
    "rejected, mixed reasons": (recipients(row("rejected", '"spam"'), row("invalid")), Rejected),
    "unknown status": (recipients(row("pondered")), Uncertain),
    "one unknown status": (recipients(row("rejected", '"spam"'), row("pondered")), Uncertain),
    "a row that is none": (recipients(row("rejected", '"spam"'), "7"), Uncertain),
    "no rows": (recipients(), Uncertain),
    "rows under another status": (Response(500, recipients(row("sent")).body), Uncertain),
    "200 html": (Response(200, b"<html>login</html>"), Uncertain),
    "200 empty": (Response(200), Uncertain),
    "200 truncated": (Response(200, b'[{"email": "a@x.org", "status": "se'), Uncertain),
    "200 with an error": (says("Invalid_Key", 200), Unauthorised),
    "Invalid_Key": (says("Invalid_Key"), Unauthorised),
    "Invalid_Key 401": (says("Invalid_Key", 401), Unauthorised),
    "PaymentRequired": (says("PaymentRequired"), Unauthorised),
    "Unknown_Subaccount": (says("Unknown_Subaccount"), Unauthorised),
    "PoorReputation": (says("PoorReputation", 400), Unauthorised),
    "ValidationError": (says("ValidationError"), Rejected),
    "ValidationError 400": (says("ValidationError", 400), Rejected),
    "Unknown_Template": (says("Unknown_Template"), Rejected),
    "ServiceUnavailable": (says("ServiceUnavailable"), Deferred),
    "GeneralError": (says("GeneralError"), Uncertain),
    "GeneralError 400": (says("GeneralError", 400), Uncertain),
    "unknown name": (says("Unknown_Weather"), Uncertain),
    "unknown name 429": (says("Too_Many", 429), Deferred),
    "500 text": (Response(500, b"Invalid API key"), Uncertain),
    "502 empty": (Response(502), Uncertain),
    "503": (Response(503, b"<html></html>"), Deferred),
    "504": (Response(504), Uncertain),
    "413 html": (Response(413, b"<html></html>"), Rejected),
    "404 html": (Response(404, b"<html></html>"), Unauthorised),
    "302": (Response(302, b"", {"location": "/login"}), Unauthorised),
}

ACCEPTANCES: list[tuple[Response, Accepted]] = [
    (recipients(row("sent")), Accepted(MESSAGE_ID)),
    (recipients(queued("hourly-quota-exhausted")), Accepted(MESSAGE_ID)),
    (recipients(queued("sending-paused")), Accepted(MESSAGE_ID)),
    (recipients(row("scheduled")), Accepted(MESSAGE_ID)),
    (recipients(row("sent", _id="null")), Accepted(None)),
    (
        recipients(row("rejected", '"spam"', '"no"'), row("sent")),
        Accepted(MESSAGE_ID, "not sent to 1 of 2 recipients: spam"),
    ),
    (
        recipients(row("invalid", _id="null"), row("rejected", '"unsub"'), row("queued")),
        Accepted(MESSAGE_ID, "not sent to 2 of 3 recipients: invalid, unsub"),
    ),
]
