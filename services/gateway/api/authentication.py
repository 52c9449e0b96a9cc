"""Who is calling, and may they?  In front of every handler that is not public.

An answer never tells why a key is refused: unknown, revoked and misspelt look the same.  Neither
a key nor a part of it is logged.
"""

from __future__ import annotations

from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from services.gateway import problems
from services.gateway.api.access import CALLER, is_public, needed
from services.gateway.api.middlewares import Handler
from services.gateway.api.rate_limit import HEADERS, RateLimit
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.tenants.callers import Caller
from services.gateway.tenants.keyring import Keyring

log = structlog.get_logger()

_SCHEME: Final = "bearer"
_RETRY_AFTER_SECONDS: Final = 2


def authenticate(keyring: Keyring, rate_limit: RateLimit) -> Middleware:
    """Let through whoever has a key with the permission that the handler needs, and calls not too often.

    Nobody gets through to a handler that says neither that it is public nor what it needs.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        match = request.match_info
        if match.http_exception is not None or is_public(match.handler):
            return await handler(request)
        permission = needed(match.handler)
        if permission is None:
            log.error("route.unmarked", route=match.route.resource and match.route.resource.canonical)
            raise problems.internal_server_error()
        identity = await identify(request, keyring)
        request[CALLER] = identity
        _count(request, identity, rate_limit)
        if not identity.may(permission):
            raise problems.restricted_api_key(identity.permission)
        return await handler(request)

    return middleware


async def identify(request: web.Request, keyring: Keyring) -> Caller:
    """Return who is behind the request's API key.

    Raises:
        Problem: 401, there is no key; 403, it is worth nothing; 503, the ledger is away.
    """
    text = key_of(request)
    if text is None:
        raise problems.missing_api_key()
    try:
        identity = await keyring.identify(text)
    except LedgerUnavailableError as error:
        raise problems.unavailable(_RETRY_AFTER_SECONDS) from error
    if identity is None:
        raise problems.invalid_api_key()
    return identity


def key_of(request: web.BaseRequest) -> str | None:
    """Return the API key that a request came with, whatever it is worth."""
    scheme, _, text = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return (text.strip() or None) if scheme.lower() == _SCHEME else None


def _count(request: web.Request, identity: Caller, rate_limit: RateLimit) -> None:
    allowance = rate_limit.take(identity.key_id, identity.rate)
    if allowance is None:
        return
    request[HEADERS] = allowance.headers()
    if allowance.retry_after:
        raise problems.rate_limit_exceeded(allowance.retry_after)
