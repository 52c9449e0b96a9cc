"""Signature Version 4 from the other side, and by other means than the mailer's.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tests.fakes.dialect import Call

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request, SignedHeaders=(?P<headers>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_WINDOW = timedelta(minutes=5)


def problem(call: Call, secret: str, *, service: str) -> tuple[str, str] | None:
    """Give the name of the error, and words; None for a good signature."""
    claim = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
    if claim is None:
        return "MissingAuthenticationTokenException", "Missing Authentication Token"
    moment = datetime.strptime(call.headers.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - moment) > _WINDOW:
        return "InvalidSignatureException", f"Signature expired: {moment:%Y%m%dT%H%M%SZ} is now earlier"
    names = claim["headers"].split(";")
    if claim["service"] != service or not {"host", "x-amz-date"} <= set(names):
        return "InvalidSignatureException", "Credential should be scoped to correct service"
    if "x-amz-security-token" in call.headers and "x-amz-security-token" not in names:
        return "InvalidSignatureException", "The security token must be signed"
    if not hmac.compare_digest(_signature(call, secret, claim, names), claim["signature"]):
        return "InvalidSignatureException", "The request signature we calculated does not match"
    return None


def _signature(call: Call, secret: str, claim: re.Match[str], names: list[str]) -> str:
    query = sorted((name, value) for name, values in call.query.items() for value in values)
    canonical = "\n".join(
        [
            call.method,
            quote(call.path, safe="/~"),
            "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in query),
            *(f"{name}:{' '.join(call.headers.get(name, '').split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(call.body).hexdigest(),
        ]
    )
    scope = f"{claim['day']}/{claim['region']}/{claim['service']}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{call.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
