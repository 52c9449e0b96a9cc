"""What providers answer, by the rows of their tables, and what each row means."""

from __future__ import annotations

import json
import random
from typing import Any

from services.mailer.outcome import Accepted, Deferred, Rejected, Suppressed, Unauthorised, Uncertain
from services.mailer.providers.base import Response


def json_response(status: int, body: str, **headers: str) -> Response:
    return Response(status, body.encode(), {name.replace("_", "-"): value for name, value in headers.items()})


def sendgrid_says(status: int, text: str, field: str = "null", **headers: str) -> Response:
    return json_response(
        status, f'{{"errors":[{{"message":"{text}","field":{field},"help":null}}]}}', **headers
    )


def mandrill_says(name: str, status: int = 500) -> Response:
    return json_response(status, f'{{"status":"error","code":-1,"name":"{name}","message":"No."}}')


def mandrill_rows(*rows: str) -> Response:
    return json_response(200, f"[{','.join(rows)}]")


def row(status: str, reason: str = "null", _id: str = '"a92c74e4c5d74998ba690cd535483bb7"') -> str:
    return (
        f'{{"email":"a@x.org","status":"{status}","_id":{_id},"reject_reason":{reason},"queued_reason":null}}'
    )


SENDGRID_ID = "14c5d75ce93.dfd.64b469"
MANDRILL_ID = "a92c74e4c5d74998ba690cd535483bb7"
DATE = "Sun, 22 Nov 2026 10:00:00 GMT"
RESET = "1795341607"  # seven seconds later

SENDGRID_ROWS: dict[str, tuple[Response, type]] = {
    "200 is the sandbox's": (Response(200), Uncertain),
    "200 html": (Response(200, b"<html>login</html>"), Uncertain),
    "202 html": (Response(202, b"<html>login</html>"), Uncertain),
    "400 validation": (sendgrid_says(400, "There is a limit of 1000 total recipients"), Rejected),
    "400 not theirs": (Response(400, b"<html>Bad Request</html>"), Rejected),
    "401 key": (sendgrid_says(401, "The provided authorization grant is invalid"), Unauthorised),
    "403 sender": (sendgrid_says(403, "not a verified Sender Identity", '"from"'), Unauthorised),
    "404 path": (sendgrid_says(404, "not found"), Rejected),
    "404 not theirs": (Response(404, b"<html>404</html>"), Unauthorised),
    "405 method": (sendgrid_says(405, "method not allowed"), Rejected),
    "406 accept": (sendgrid_says(406, "not acceptable"), Rejected),
    "413 size": (Response(413, b""), Rejected),
    "429 rate": (sendgrid_says(429, "too many requests"), Deferred),
    "500 theirs": (json_response(500, '{"errors":[{"message":"Internal"}]}'), Uncertain),
    "502 empty": (Response(502), Uncertain),
    "503": (Response(503), Deferred),
    "504 html": (Response(504, b"<html>Gateway Timeout</html>"), Uncertain),
    "307": (Response(307, b"", {"location": "https://evil.test/"}), Unauthorised),
    "301": (Response(301), Unauthorised),
}
MANDRILL_ROWS: dict[str, tuple[Response, type]] = {
    "rejected hard-bounce": (mandrill_rows(row("rejected", '"hard-bounce"')), Suppressed),
    "rejected spam": (mandrill_rows(row("rejected", '"spam"', "null")), Suppressed),
    "rejected unsub": (mandrill_rows(row("rejected", '"unsub"')), Suppressed),
    "rejected rule": (mandrill_rows(row("rejected", '"rule"')), Rejected),
    "rejected soft-bounce": (mandrill_rows(row("rejected", '"soft-bounce"')), Rejected),
    "rejected unsigned": (mandrill_rows(row("rejected", '"unsigned"')), Rejected),
    "rejected, no reason": (mandrill_rows(row("rejected")), Rejected),
    "invalid": (mandrill_rows(row("invalid", "null", "null")), Rejected),
    "rejected, mixed reasons": (mandrill_rows(row("rejected", '"spam"'), row("invalid")), Rejected),
    "unknown status": (mandrill_rows(row("pondered")), Uncertain),
    "one unknown status": (mandrill_rows(row("rejected", '"spam"'), row("pondered")), Uncertain),
    "a row that is none": (mandrill_rows(row("rejected", '"spam"'), "7"), Uncertain),
    "no rows": (mandrill_rows(), Uncertain),
    "rows under another status": (Response(500, mandrill_rows(row("sent")).body), Uncertain),
    "200 html": (Response(200, b"<html>login</html>"), Uncertain),
    "200 empty": (Response(200), Uncertain),
    "200 truncated": (Response(200, b'[{"email": "a@x.org", "status": "se'), Uncertain),
    "200 with an error": (mandrill_says("Invalid_Key", 200), Unauthorised),
    "Invalid_Key": (mandrill_says("Invalid_Key"), Unauthorised),
    "Invalid_Key 401": (mandrill_says("Invalid_Key", 401), Unauthorised),
    "PaymentRequired": (mandrill_says("PaymentRequired"), Unauthorised),
    "Unknown_Subaccount": (mandrill_says("Unknown_Subaccount"), Unauthorised),
    "PoorReputation": (mandrill_says("PoorReputation", 400), Unauthorised),
    "ValidationError": (mandrill_says("ValidationError"), Rejected),
    "ValidationError 400": (mandrill_says("ValidationError", 400), Rejected),
    "Unknown_Template": (mandrill_says("Unknown_Template"), Rejected),
    "ServiceUnavailable": (mandrill_says("ServiceUnavailable"), Deferred),
    "GeneralError": (mandrill_says("GeneralError"), Uncertain),
    "GeneralError 400": (mandrill_says("GeneralError", 400), Uncertain),
    "unknown name": (mandrill_says("Unknown_Weather"), Uncertain),
    "unknown name 429": (mandrill_says("Too_Many", 429), Deferred),
    "500 text": (Response(500, b"Invalid API key"), Uncertain),
    "502 empty": (Response(502), Uncertain),
    "503": (Response(503, b"<html></html>"), Deferred),
    "504": (Response(504), Uncertain),
    "413 html": (Response(413, b"<html></html>"), Rejected),
    "404 html": (Response(404, b"<html></html>"), Unauthorised),
    "302": (Response(302, b"", {"location": "/login"}), Unauthorised),
}
OUTBOX_ROWS: dict[str, tuple[Response, type]] = {
    "created": (Response(201, headers={"location": "a.eml"}), Accepted),
    "replaced": (Response(204), Accepted),
    "disk full": (Response(507), Deferred),
    "write failed": (Response(500), Deferred),
    "not ours to write to": (Response(403), Unauthorised),
}


def anything(dice: random.Random, depth: int = 0) -> Any:
    """Make a document that resembles an answer, with everything in the wrong place."""
    words = [
        "status",
        "sent",
        "error",
        "errors",
        "name",
        "message",
        "rejected",
        "_id",
        "Invalid_Key",
        "field",
        "",
        "é@x.y",
    ]
    kind = dice.randrange(8 if depth < 4 else 5)
    match kind:
        case 0 | 1:
            return dice.choice(words)
        case 2:
            return dice.choice([None, True, -1, 1e308, 10**30])
        case 3 | 4:
            return dice.choice(["status", "error", "sent", "rejected"])
        case 5:
            return [anything(dice, depth + 1) for _ in range(dice.randrange(4))]
        case _:
            return {dice.choice(words): anything(dice, depth + 1) for _ in range(dice.randrange(6))}


def any_body(dice: random.Random) -> bytes:
    text = json.dumps(anything(dice)).encode()
    return dice.choice(
        [
            dice.randbytes(dice.randrange(60)),
            text,
            text,
            text[: dice.randrange(len(text) + 1)],
            b"[" * 100_000,
        ]
    )
