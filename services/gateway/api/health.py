"""Liveness and readiness, as Kubernetes asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from services.gateway.api.access import public
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.queries import Ledger
from services.gateway.relay.relay import Relay


@dataclass(slots=True)
class Health:
    """The probes."""

    ledger: Ledger
    relay: Relay
    stopping: bool = False
    """Set on shutdown, for probes on connections that are still open."""

    def routes(self) -> Iterable[web.RouteDef]:
        """The probes' routes."""
        return (
            web.get("/healthz", self.healthz, allow_head=False),
            web.get("/readyz", self.readyz, allow_head=False),
        )

    @public
    async def healthz(self, _: web.Request) -> web.Response:
        """The process answers; deliberately asks nothing of anything else."""
        return web.json_response({"status": "ok"})

    @public
    async def readyz(self, _: web.Request) -> web.Response:
        """May this gateway take traffic?  The broker may be away: accepting does not need it."""
        ledger = "ok"
        try:
            await self.ledger.ping()
        except LedgerUnavailableError:
            ledger = "unavailable"
        ready = ledger == "ok" and not self.stopping
        report = {
            "status": "ok" if ready else "unavailable",
            "ledger": ledger,
            "broker": "ok" if self.relay.connected else "unavailable",
        }
        return web.json_response(report, status=200 if ready else 503)
