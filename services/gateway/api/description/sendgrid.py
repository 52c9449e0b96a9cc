"""The call in SendGrid's dialect."""

from __future__ import annotations

from typing import Any

from services.gateway.api.description.catalogue import ACCEPTING
from services.gateway.api.description.operation import Answer, Body, Link, Operation
from services.gateway.submission.sendgrid import MailSubmission
from services.gateway.tenants.callers import Permission

_USES = ("getEmail", "listEmailEvents", "updateEmail", "cancelEmail")
_MAIL: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "ann@example.org", "name": "Ann"}]}],
    "from": {"email": "letters@example.com", "name": "Pillarbox"},
    "subject": "Your receipt",
    "content": [{"type": "text/plain", "value": "Thank you."}],
}
_MANY: dict[str, Any] = {
    **_MAIL,
    "personalizations": [
        {"to": [{"email": "ann@example.org"}], "substitutions": {"-name-": "Ann"}},
        {"to": [{"email": "bob@example.org"}], "substitutions": {"-name-": "Bob"}},
    ],
    "content": [{"type": "text/plain", "value": "Hello -name-, thank you."}],
    "categories": ["receipt"],
}

OPERATIONS = (
    Operation(
        id="sendMail",
        method="post",
        path="/v3/mail/send",
        tag="SendGrid",
        summary="Send e-mails as with SendGrid",
        description="Each personalization becomes a message of its own; all of them are accepted or none. "
        "Answers and problems have SendGrid's shapes. What cannot be honoured is refused, not ignored.",
        permission=Permission.SENDING,
        body=Body(model=MailSubmission, examples={"A receipt": _MAIL, "To two people": _MANY}),
        answers=(
            Answer(
                status=200, description="Sandbox mode: it was checked, and nothing sent.", media_type=None
            ),
            Answer(
                status=202,
                description="The messages are committed to disk.",
                media_type=None,
                headers=("X-Message-Id",),
                links=tuple(Link(operation=each, source="$response.header.X-Message-Id") for each in _USES),
            ),
        ),
        problems=ACCEPTING,
    ),
)
