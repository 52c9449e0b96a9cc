"""Sessions: an API key is exchanged for a random cookie, and is itself kept nowhere.

The ledger has a hash of the cookie beside the hash of the key.  So a session is good at every
gateway, ends with the logout, with its time, and with its key, and a copy of the ledger opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from services.gateway.ledger.dashboard_sessions import DashboardSessions, StoredSession
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission
from services.gateway.tenants.keyring import Keyring

COOKIE: Final = "pillarbox_session"
PATH: Final = "/dashboard"
"""Where the dashboard is, and the only place that browsers send the cookie to."""

_LONGEST_COOKIE: Final = 100


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in."""

    caller: Caller
    token: str = field(repr=False)

    @property
    def csrf(self) -> str:
        """What every form of the session holds, and no other site can know."""
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()

    def made(self, form_token: str) -> bool:
        """Whether a form with this token is one of the session's own."""
        return hmac.compare_digest(self.csrf.encode(), form_token.encode())


SESSION = web.RequestKey("session", Session)
"""Key under which a request of the dashboard carries who is logged in."""


@dataclass(frozen=True, slots=True)
class Door:
    """Lets people in and out; ``seconds`` is how long a session lasts.

    Everything raises :class:`~services.gateway.ledger.errors.LedgerUnavailableError` while nobody can tell.
    """

    stored: DashboardSessions
    keyring: Keyring
    seconds: float

    async def enter(self, key: str) -> Session | None:
        """Exchange an API key for a session; None if the key is worth nothing or may only send."""
        caller = await self.keyring.identify(key)
        if caller is None or not caller.may(Permission.READING):
            return None
        token = secrets.token_urlsafe(32)
        session = StoredSession(caller.key_id, keys.digest(key))
        await self.stored.open(_digest(token), session, seconds=self.seconds)
        return Session(caller, token)

    async def find(self, request: web.Request) -> Session | None:
        """Whose session the request is of, by its cookie."""
        token = request.cookies.get(COOKIE, "")
        if not token or len(token) > _LONGEST_COOKIE:
            return None
        stored = await self.stored.find(_digest(token))
        caller = None if stored is None else await self.keyring.find(stored.key_digest, stored.key_id)
        if caller is None or not caller.may(Permission.READING):
            return None
        return Session(caller, token)

    async def leave(self, session: Session) -> None:
        """End a session everywhere."""
        await self.stored.close(_digest(session.token))

    def hand_over(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        """Give the browser its cookie."""
        response.set_cookie(
            COOKIE,
            session.token,
            path=PATH,
            max_age=int(self.seconds),
            httponly=True,
            samesite="Strict",
            # What a proxy says of itself can only make the cookie stricter.
            secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        )


def _digest(token: str) -> bytes:
    """SHA-256; the token has 256 random bits and needs no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
