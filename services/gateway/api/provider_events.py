"""``/provider-events/{account}``: what a provider tells of messages that it took.

Who calls is known by its signature, so there is no API key.  The ledger is not asked: whatever is
published is recorded later, and only once, however often the provider repeats it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from services.gateway import problems
from services.gateway.api.access import public
from services.gateway.api.requests import BodyReader
from services.gateway.provider_events.intake import Intake, Taken
from services.gateway.provider_events.reader import (
    Aside,
    Call,
    NotGenuineError,
    UnreachableError,
    UnreadableError,
)
from services.gateway.relay.dispatch import BrokerUnavailableError

log = structlog.get_logger()

_RETRY_AFTER_SECONDS: Final = 5
_PATH: Final = "/provider-events/{account}"


@dataclass(frozen=True, slots=True)
class ProviderEvents:
    """The handlers, with what they need."""

    intake: Intake
    body: BodyReader

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes; providers try a URL with HEAD or GET before they use it."""
        return web.get(_PATH, self.get_account), web.post(_PATH, self.post_events)

    @public
    async def get_account(self, request: web.Request) -> web.Response:
        """Say that this is the right place."""
        self._account(request)
        return web.json_response({"status": "ok"})

    @public
    async def post_events(self, request: web.Request) -> web.Response:
        """Take a provider's call in; a success says that the broker has all of it, safely."""
        account = self._account(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(headers, await self.body.read_any(request), request.remote)
        try:
            taken = await self.intake.take(account, call)
        except NotGenuineError as error:
            log.warning("provider_events.refused", provider=account, reason=str(error))
            raise problems.invalid_signature() from None
        except UnreadableError as error:
            log.warning("provider_events.refused", provider=account, reason=str(error))
            raise problems.invalid_json(str(error)) from None
        except (BrokerUnavailableError, UnreachableError) as error:
            log.warning("provider_events.postponed", provider=account, error=type(error).__name__)
            raise problems.unavailable(_RETRY_AFTER_SECONDS) from error
        _log_line(account, taken)
        return web.json_response({"status": "ok"})

    def _account(self, request: web.Request) -> str:
        account = request.match_info["account"]
        if account not in self.intake:
            raise problems.not_found()
        return account


def _log_line(account: str, taken: Taken) -> None:
    log.info(
        "provider_events.published",
        provider=account,
        events=len(taken.events),
        ignored=taken.asides[Aside.UNKNOWN] or None,
        unreadable=taken.asides[Aside.UNREADABLE] or None,
    )
    if any(not fetched.keep for fetched in taken.fetched):
        log.info("subscription.confirmed", provider=account)
