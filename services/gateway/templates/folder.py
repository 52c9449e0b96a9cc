"""The operator's folder of templates: read when the gateway starts, and published in the ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.template_folder import FolderTemplate, load
from services.gateway.templates.files import read_folder

log = structlog.get_logger()


class TemplateFolder:
    """Brings what stands in a folder into the ledger, once, when the gateway starts."""

    def __init__(self, folder: Path, sessions: Sessions, *, retry: float = 1.0) -> None:
        self._folder = folder
        self._sessions = sessions
        self._retry = retry
        self._loading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the folder and publish it; later, if the ledger is away: a gateway starts without one.

        Raises:
            OSError: There is no such folder, or a file in it cannot be read.
            TemplateFilesError: A file in it is no template's, or a template is broken.
        """
        templates = await asyncio.to_thread(read_folder, self._folder)
        if not await self._load(templates):
            self._loading = asyncio.create_task(self._keep_loading(templates))

    async def close(self) -> None:
        """Stop waiting for the ledger."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])

    async def _keep_loading(self, templates: list[FolderTemplate]) -> None:
        done = False
        while not done:
            await asyncio.sleep(self._retry)
            done = await self._load(templates)

    async def _load(self, templates: list[FolderTemplate]) -> bool:
        try:
            loaded = await load(self._sessions, templates)
        except LedgerUnavailableError:
            log.warning("ledger.unavailable", during="templates")
            return False
        log.info(
            "templates.loaded", templates=len(templates), published=loaded.published, absent=loaded.absent
        )
        return True
