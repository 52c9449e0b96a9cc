"""How an answer is written down, and the moments that several tables name."""

from __future__ import annotations

from services.mailer.providers.base import Response

DATE = "Sun, 22 Nov 2026 10:00:00 GMT"
RESET = "1795341607"
"""Seven seconds later."""


def json_response(status: int, body: str, **headers: str) -> Response:
    return Response(status, body.encode(), {name.replace("_", "-"): value for name, value in headers.items()})
