"""All of the dashboard, put together."""

from __future__ import annotations

from aiohttp import web

from services.gateway.dashboard.files import Files
from services.gateway.dashboard.frame import Frame
from services.gateway.dashboard.login import Login
from services.gateway.dashboard.overview import Overview, Sources
from services.gateway.dashboard.sessions import Door
from services.gateway.dashboard.things import Things
from services.gateway.ledger.activity import RecentActivity
from services.gateway.ledger.attention import Attending
from services.gateway.ledger.dashboard_sessions import DashboardSessions
from services.gateway.ledger.report import Report
from services.gateway.parts import Parts
from services.gateway.settings import Settings


def add_dashboard(app: web.Application, parts: Parts, settings: Settings, things: Things) -> None:
    """Give the gateway its pages, if it is to have any."""
    if not settings.dashboard:
        return
    door = Door(DashboardSessions(parts.sessions), parts.keyring, settings.dashboard_session_seconds)
    files = Files()
    frame = Frame(app, door, files)
    key = settings.development_key
    app.add_routes(files.routes())
    app.add_routes(Login(frame, door, None if key is None else key.get_secret_value()).routes())
    for pages in (Overview(frame, _sources(parts)), *things.pages(frame)):
        app.add_routes(pages.routes())
        if pages.entry is not None:
            frame.entries.append(pages.entry)


def _sources(parts: Parts) -> Sources:
    return Sources(
        RecentActivity(parts.sessions),
        Attending(parts.sessions),
        parts.mailers,
        Report(parts.sessions),
        depths=lambda: parts.sweeper.depths,
        broker_is_there=lambda: parts.relay.connected,
    )
