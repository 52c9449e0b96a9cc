"""A good request to Amazon SES, signed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from services.mailer.providers.base import AwsCredentials, Request
from services.mailer.signing import signed
from tests.fakes.calls.sending import KEY, Sending

_HOST = "email.eu-central-1.amazonaws.com"
_LETTER = b"From: no-reply@example.org\r\nTo: ada@example.net\r\nSubject: Hi\r\n\r\nHello"
_CREDENTIALS = AwsCredentials(
    access_key_id="AKIDEXAMPLE", secret_access_key=KEY, region="eu-central-1", service="ses"
)


def call(message_id: str = "m-1", **changes: Any) -> Sending:
    document = {
        "Destination": {"ToAddresses": ["ada@example.net"]},
        "Content": {"Raw": {"Data": base64.b64encode(_LETTER).decode()}},
        "EmailTags": [{"Name": "message_id", "Value": message_id}],
        **changes,
    }
    return of("/v2/email/outbound-emails", document)


def of(path: str, document: Any, *, by: AwsCredentials = _CREDENTIALS, at: datetime | None = None) -> Sending:
    """Make any request, signed by these credentials at this moment, which is now unless it is said."""
    body = json.dumps(document).encode()
    # The signature holds the host, and these tests do not know the fake's port yet.
    request = Request(f"https://{_HOST}{path}", body, {"content-type": "application/json"}, signed_by=by)
    headers = {"host": _HOST, **signed(request, at or datetime.now(UTC)).headers}
    return Sending(path, body, headers, document)
