"""Replies of mail servers: RFC 5321 (4.2, 4.3.2), RFC 3463, RFC 4954 (6), and what is said in the wild."""

from __future__ import annotations

from services.mailer.outcome import Accepted, Deferred, Rejected, Trouble, Unauthorised, Uncertain
from services.mailer.providers.base import Response


def says(stage: str, reply: str, **headers: str) -> Response:
    """Give a reply, code and text, to a command."""
    code, _, text = reply.partition(" ")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(int(code), text.encode(), {"stage": stage, **named})


def refusal(words: str) -> Response:
    return says("body", f"554 5.6.0 {words}")


PROVIDER, PACE, MESSAGE = Trouble.PROVIDER, Trouble.PACE, Trouble.MESSAGE

TROUBLES: dict[str, tuple[Response, Trouble]] = {
    "greeting 421": (says("greeting", "421 4.3.2 Service shutting down"), PROVIDER),
    "greeting 450": (says("greeting", "450 4.7.1 Try again later"), PROVIDER),
    "greeting 421 of many": (says("greeting", "421 4.7.0 Too many connections from 192.0.2.1"), PACE),
    "greeting 421 of a rate": (says("greeting", "421 4.7.28 Our system has rate limited you"), PACE),
    "ehlo 421": (says("ehlo", "421 Too busy"), PROVIDER),
    "starttls 454": (says("starttls", "454 4.7.0 TLS not available due to local problem"), PROVIDER),
    "auth 454": (says("auth", "454 4.7.0 Temporary authentication failure"), PROVIDER),
    "mail 421": (says("mail", "421 4.4.2 Timeout"), PROVIDER),
    "mail 451": (says("mail", "451 Local error"), PROVIDER),
    "mail 452": (says("mail", "452 4.3.1 Insufficient system storage"), PROVIDER),
    "mail 450 of the sender": (says("mail", "450 4.1.8 Sender address rejected: Domain not found"), MESSAGE),
    "mail 450 of a rate": (says("mail", "450 4.7.1 Error: too much mail, rate limit exceeded"), PACE),
    "mail 454 of Amazon": (says("mail", "454 Throttling failure: Maximum sending rate exceeded."), PACE),
    "mail 452 of a rate": (says("mail", "452 4.7.0 You have exceeded your hourly limit"), PACE),
    "rcpt 450 greylisted": (says("rcpt", "450 4.2.0 Greylisted, come back in 5 minutes"), MESSAGE),
    "rcpt 451 greylisted": (says("rcpt", "451 4.7.1 Greylisting in action"), MESSAGE),
    "rcpt 450": (says("rcpt", "450 Mailbox busy"), MESSAGE),
    "rcpt 452": (says("rcpt", "452 4.2.2 Mailbox full"), MESSAGE),
    "rcpt 451 of its domain": (says("rcpt", "451 4.4.3 Temporary lookup failure"), MESSAGE),
    "rcpt 452 of the disk": (says("rcpt", "452 4.3.1 Insufficient system storage"), PROVIDER),
    "rcpt 450 of its own rate": (says("rcpt", "450 4.2.1 Receiving mail too quickly"), MESSAGE),
    "rcpt 450 of our rate": (says("rcpt", "450 4.7.1 Error: too many mails from 192.0.2.1"), PACE),
    "rcpt 421": (says("rcpt", "421 4.3.2 Service shutting down"), PROVIDER),
    "rcpt 452 at the first": (says("rcpt", "452 4.5.3 Too many recipients", recipients_taken="0"), PACE),
    "rcpt 452 of our rate": (
        says("rcpt", "452 4.7.1 Too many recipients this hour", recipients_taken="3"),
        PACE,
    ),
    "data 451": (says("data", "451 4.3.0 Queue file write error"), PROVIDER),
    "body 421": (says("body", "421 Service shutting down"), PROVIDER),
    "body 451": (says("body", "451 4.3.0 Local error in processing"), PROVIDER),
    "body 451 of the content": (says("body", "451 4.7.1 Greylisted by its content"), MESSAGE),
    "body 452": (says("body", "452 4.3.1 Insufficient system storage"), PROVIDER),
}
"""Temporary refusals, and whose trouble each is."""

_PERMANENT: dict[str, tuple[Response, type]] = {
    "greeting 554": (says("greeting", "554 5.7.1 Blocked, see https://rbl.example"), Unauthorised),
    "ehlo 502": (says("ehlo", "502 Command not implemented"), Unauthorised),
    "starttls 501": (says("starttls", "501 Syntax error"), Unauthorised),
    "auth 535": (says("auth", "535 5.7.8 Authentication credentials invalid"), Unauthorised),
    "auth 534": (says("auth", "534 5.7.9 Application-specific password required"), Unauthorised),
    "auth 538": (says("auth", "538 5.7.11 Encryption required"), Unauthorised),
    "auth 504": (says("auth", "504 5.5.4 Unrecognized authentication type"), Unauthorised),
    "mail 530": (says("mail", "530 5.7.0 Authentication required"), Unauthorised),
    "mail 550 of the sender": (says("mail", "550 5.7.1 You are not permitted to send as this"), Unauthorised),
    "mail 554 of policy": (says("mail", "554 5.7.1 No"), Unauthorised),
    "mail 553 of the sender": (
        says("mail", "553 5.7.1 Sender address rejected: not owned by you"),
        Unauthorised,
    ),
    "mail 550 without a code": (says("mail", "550 Not authenticated"), Unauthorised),
    "mail 552": (says("mail", "552 5.3.4 Message size exceeds fixed limit"), Rejected),
    "mail 501": (says("mail", "501 5.1.7 Bad sender address syntax"), Rejected),
    "mail 550 of its domain": (says("mail", "550 5.1.8 Sender domain does not exist"), Rejected),
    "rcpt 550": (says("rcpt", "550 5.1.1 User unknown"), Rejected),
    "rcpt 550 of policy": (says("rcpt", "550 5.7.1 The recipient takes no mail from you"), Rejected),
    "rcpt 554 of relaying": (says("rcpt", "554 5.7.1 <x@y.z>: Relay access denied"), Unauthorised),
    "rcpt 550 of relaying": (says("rcpt", "550 5.7.1 Unable to relay"), Unauthorised),
    "rcpt 530": (says("rcpt", "530 5.7.0 Must issue a STARTTLS command first"), Unauthorised),
    "rcpt 553 of the sender": (
        says("rcpt", "553 5.7.1 Sender address rejected: not owned by user"),
        Unauthorised,
    ),
    "rcpt 554 of our address": (says("rcpt", "554 5.7.1 Client host [192.0.2.1] blocked"), Unauthorised),
    "rcpt 552": (says("rcpt", "552 5.2.2 Mailbox quota exceeded"), Rejected),
    "rcpt 452 of their number": (
        says("rcpt", "452 4.5.3 Too many recipients", recipients_taken="100"),
        Rejected,
    ),
    "rcpt 452 in words": (says("rcpt", "452 too many recipients", recipients_taken="1"), Rejected),
    "data 554": (says("data", "554 5.5.1 No valid recipients"), Rejected),
    "body 552": (says("body", "552 5.3.4 Message too big"), Rejected),
    "body 554": (says("body", "554 5.6.0 Spam"), Rejected),
    "body 550 of policy": (says("body", "550 5.7.1 Message contains spam"), Rejected),
    "body 550 of a quota": (says("body", "550 5.4.5 Daily user sending limit exceeded"), Unauthorised),
    "body 554 of Amazon": (
        says("body", "554 Message rejected: Email address is not verified."),
        Unauthorised,
    ),
    "body 554 of Exchange": (says("body", "554 5.2.252 SendAsDenied; not allowed to send as"), Unauthorised),
}

_SENSELESS: dict[str, tuple[Response, type]] = {
    "body 354": (says("body", "354 Go on"), Uncertain),
    "body 999": (says("body", "999 What?"), Uncertain),
    "mail 250": (says("mail", "250 OK"), Uncertain),
    "no stage": (Response(250, b"OK"), Uncertain),
}

ROWS: dict[str, tuple[Response, type]] = {
    **{case: (response, Deferred) for case, (response, _) in TROUBLES.items()},
    **_PERMANENT,
    **_SENSELESS,
}

AMAZON = "0100018c8e2f4a6b-1f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f-000000"
PARTLY = {
    "recipients": "5",
    "recipients_refused": "2",
    "refusal": "550 5.1.1 <ada@example.net>: User unknown",
}

ACCEPTANCES: list[tuple[Response, Accepted]] = [
    (says("body", "250 2.0.0 Ok: queued as 4VtQ3j1cZbz9rxD"), Accepted("4VtQ3j1cZbz9rxD")),
    (says("body", "250 OK id=1rXyZ2-0001Ab-3c"), Accepted("1rXyZ2-0001Ab-3c")),
    (says("body", f"250 Ok {AMAZON}"), Accepted(AMAZON)),
    (says("body", "250 2.0.0 Message accepted for delivery"), Accepted(None)),
    (says("body", "250 "), Accepted(None)),
    (says("body", "251 Will forward"), Accepted(None)),
    (
        says("body", "250 2.0.0 Ok: queued as 4VtQ", **PARTLY),
        Accepted("4VtQ", "2 of 5 recipients were refused: 550 5.1.1 <<address>>: User unknown"),
    ),
]
