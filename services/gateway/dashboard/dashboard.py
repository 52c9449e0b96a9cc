"""All of the dashboard, put together."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from services.gateway.dashboard.files import Files
from services.gateway.dashboard.frame import Frame
from services.gateway.dashboard.login import Login
from services.gateway.dashboard.navigation import Pages
from services.gateway.dashboard.overview import Overview
from services.gateway.dashboard.sessions import Door
from services.gateway.dashboard.things import Things
from services.gateway.ledger.dashboard_sessions import DashboardSessions
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
    for pages in _pages(frame, things):
        app.add_routes(pages.routes())
        if pages.entry is not None:
            frame.entries.append(pages.entry)


def _pages(frame: Frame, things: Things) -> Iterable[Pages]:
    """Every group of pages, in the order of the menu."""
    return (Overview(frame), *things.pages(frame))
