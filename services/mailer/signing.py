"""Signature Version 4, which Amazon wants on every request, and which holds the time.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

from services.mailer.providers.base import Request

_TIMESTAMP = "%Y%m%dT%H%M%SZ"


def signed(request: Request, at: datetime) -> Request:
    """Give the request with its signature, or as it is if it names nobody to sign it.

    Headers that are added later are not signed, and may be.  Amazon takes a signature for five minutes.
    """
    if request.signed_by is None:
        return request
    # Not at the top: a third of a second and 200 modules, which only those pay who use Amazon SES.
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - see above
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - see above

    by = request.signed_by
    timestamp = at.astimezone(UTC).strftime(_TIMESTAMP)
    headers = {**request.headers, "X-Amz-Date": timestamp}
    if by.session_token:
        headers["X-Amz-Security-Token"] = by.session_token
    credentials = SimpleNamespace(
        access_key=by.access_key_id, secret_key=by.secret_access_key, token=by.session_token
    )
    signer = SigV4Auth(credentials, by.service, by.region)
    # By hand, since the signer's own way through these steps looks at the clock itself.
    unsigned = AWSRequest(request.method, request.url, headers, request.body)
    unsigned.context["timestamp"] = timestamp
    to_sign = signer.string_to_sign(unsigned, signer.canonical_request(unsigned))
    names = signer.signed_headers(signer.headers_to_sign(unsigned))
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(unsigned)}, SignedHeaders={names}, "
        f"Signature={signer.signature(to_sign, unsigned)}"
    )
    return replace(request, headers=headers, signed_by=None)
