"""``/unsubscribe/{token}``: the page behind the link of a message, and its one click (RFC 8058).

Looking at the page changes nothing, because programs that look for viruses follow every link.
The ledger is not asked either: what is to be recorded goes through the broker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from services.gateway import problems
from services.gateway.api.access import public
from services.gateway.api.emails import MESSAGE_ID
from services.gateway.api.unsubscribe_page import DONE, HEADERS, LATER, UNKNOWN, ask_page, page
from services.gateway.identifiers import new_message_id
from services.gateway.problems import Problem
from services.gateway.relay.dispatch import BrokerUnavailableError, Dispatch
from services.gateway.relay.publisher import Outgoing
from services.gateway.unsubscribing import PATH, Subscriber, Tokens

_RETRY_AFTER_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class UnsubscribeHandlers:
    """The handlers, with what they need; no ``tokens``, where the operator has set no key."""

    tokens: Tokens | None
    dispatch: Dispatch

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        path = PATH + "/{token}"
        return (
            web.get(path, self.get_unsubscribe, allow_head=False),
            web.post(path, self.post_unsubscribe),
        )

    @public
    async def get_unsubscribe(self, request: web.Request) -> web.Response:
        """Ask whether it is meant."""
        subscriber = self._subscriber(request)
        if subscriber is None:
            return _refused(request, problems.not_found(), UNKNOWN)
        return _answer(ask_page(subscriber.address))

    @public
    async def post_unsubscribe(self, request: web.Request) -> web.Response:
        """Have it recorded, whether a mail program asks for it or the page's button.

        The body is not looked at: who has the link may unsubscribe, however clumsily it is asked for.
        """
        subscriber = self._subscriber(request)
        if subscriber is None:
            return _refused(request, problems.not_found(), UNKNOWN)
        event = subscriber.event(datetime.now(UTC))
        outgoing = Outgoing(new_message_id(), event.task, event.queue, event.arguments())
        try:
            await self.dispatch.publish([outgoing])
        except BrokerUnavailableError:
            return _refused(request, problems.unavailable(_RETRY_AFTER_SECONDS), LATER)
        return _answer(DONE)

    def _subscriber(self, request: web.Request) -> Subscriber | None:
        subscriber = None if self.tokens is None else self.tokens.read(request.match_info["token"])
        if subscriber is not None:
            request[MESSAGE_ID] = subscriber.message_id
        return subscriber


def _answer(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=HEADERS)


def _refused(request: web.Request, problem: Problem, text: str) -> web.Response:
    """Answer as everywhere, but a person who sits before a browser."""
    if "text/html" not in request.headers.get("Accept", ""):
        raise problem
    headers = {**problem.headers, **HEADERS}
    return web.Response(text=page(text), status=problem.status, content_type="text/html", headers=headers)
