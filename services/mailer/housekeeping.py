"""Removes claims that are too old to matter, a few at a time."""

from __future__ import annotations

import asyncio
import random

import structlog

from services.mailer.claims.claims import Claims, ClaimsUnavailableError

log = structlog.get_logger()

_BATCH = 1000
_PAUSE_SECONDS = 0.1
_INTERVAL_SECONDS = 3600.0


async def purge_for_ever(claims: Claims, *, older_than: float) -> None:
    """Remove claims that nothing touched for ``older_than`` seconds, once an hour.

    Mailers that start together do not do so at the same moment.
    """
    while True:
        await asyncio.sleep(random.uniform(0, min(_INTERVAL_SECONDS, older_than)))  # noqa: S311 - jitter, not a secret
        await purge(claims, older_than=older_than)


async def purge(claims: Claims, *, older_than: float) -> int:
    """Remove them now, and return how many there were; what a database that is away keeps stays."""
    purged = 0
    try:
        while removed := await claims.purge(older_than=older_than, limit=_BATCH):
            purged += removed
            await asyncio.sleep(_PAUSE_SECONDS)  # attempts come first
    except ClaimsUnavailableError as error:
        log.warning("claims.unavailable", during="purge", cause=type(error.__cause__).__name__)
    if purged:
        log.info("claims.purged", claims=purged)
    return purged
