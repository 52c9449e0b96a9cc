"""What the dashboard's pages are, and who may see each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from services.gateway.tenants.callers import Permission


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the menu."""

    path: str
    """The page's; those below it belong to the same line."""
    label: str
    needs: Permission = Permission.READING


class Pages(Protocol):
    """Pages that belong together: one line of the menu, or none."""

    @property
    def entry(self) -> Entry | None:
        """The line."""

    def routes(self) -> Iterable[web.RouteDef]:
        """The pages' routes."""
