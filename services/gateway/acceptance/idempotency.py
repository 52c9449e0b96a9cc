"""Idempotency keys: reading them, hashing what was asked, and knowing what is under way here.

Whether a key was used before is decided by the ledger, in the transaction that stores the message;
see :mod:`services.gateway.ledger.deposit`.
Source: https://resend.com/docs/dashboard/emails/idempotency-keys
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aiohttp import web

from services.gateway import problems
from services.gateway.ledger.deposit import Key
from services.gateway.submission import limits
from services.gateway.submission.labels import IDEMPOTENCY_KEY
from services.gateway.submission.validation import parse

HEADER = "Idempotency-Key"

_RETRY_AFTER_SECONDS = 1


def read_key(request: web.Request, operation: str, body: bytes) -> Key | None:
    """Read the request's key, if it has one; *operation* is the call it was sent to.

    Raises:
        Problem: 400, the key is empty, too long or not made of printable ASCII characters, or the
            body is no JSON.
    """
    given = request.headers.getall(HEADER, [])
    if not given:
        return None
    if len(given) > 1 or not IDEMPOTENCY_KEY.fullmatch(given[0]):
        raise problems.invalid_idempotency_key(limits.IDEMPOTENCY_KEY_LENGTH)
    return Key(given[0], fingerprint(operation, parse(body)))


def fingerprint(operation: str, value: object) -> bytes:
    """Hash a call and its body; neither the order of keys nor blanks make a difference."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{operation}\n{canonical}".encode()).digest()


class InProgress:
    """The keys of requests that this gateway is working on.

    Between gateways the ledger decides: the second one waits there for the commit of the first.
    """

    def __init__(self) -> None:
        self._places: set[tuple[str, str]] = set()

    @contextmanager
    def reserve(self, tenant: str, keys: Iterable[Key]) -> Iterator[None]:
        """Hold the keys for as long as the request takes.

        Raises:
            Problem: 409, one of them is held by another request.
        """
        places = {(tenant, key.text) for key in keys}
        if places & self._places:
            raise problems.concurrent_idempotent_requests(_RETRY_AFTER_SECONDS)
        self._places |= places
        try:
            yield
        finally:
            self._places -= places
