"""The outbox's answers: those of HTTP's PUT (RFC 9110, 9.3.4)."""

from __future__ import annotations

from services.mailer.outcome import Accepted, Deferred, Unauthorised
from services.mailer.providers.base import Response

ROWS: dict[str, tuple[Response, type]] = {
    "created": (Response(201, headers={"location": "a.eml"}), Accepted),
    "replaced": (Response(204), Accepted),
    "disk full": (Response(507), Deferred),
    "write failed": (Response(500), Deferred),
    "not ours to write to": (Response(403), Unauthorised),
}

ACCEPTANCES: list[tuple[Response, Accepted]] = [
    (Response(201, headers={"location": "/var/outbox/a.eml"}), Accepted("a.eml")),
    (Response(201), Accepted(None)),
]
