"""How a command is read, opens the ledger, and says that it cannot be done."""

from __future__ import annotations

import argparse
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from services.gateway.ledger.database import LedgerAddress, is_current, migrate, open_engine
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.sessions import Sessions
from services.gateway.settings import Settings

BY: Final = "command line"
"""Who did it, in a log line."""

_TIMEOUT_SECONDS: Final = 10
_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

Read = TypeVar("Read")
Command = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, None]]


class CommandError(Exception):
    """A command could not be carried out; says why."""


def command(
    parser: argparse.ArgumentParser, settings: Settings, arguments: Sequence[str]
) -> Coroutine[Any, Any, None]:
    """Read *arguments*, and return what they ask for, ready to run.

    Running it raises :class:`CommandError` if it cannot be done.

    Raises:
        SystemExit: They make no command, or ask for help.
    """
    options = parser.parse_args(arguments)
    chosen: Command = options.command
    return chosen(settings, options)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Sessions]:
    """Open the ledger.

    Raises:
        CommandError: It does not answer, or is not migrated.
    """
    address = LedgerAddress.parse(settings.ledger_url.get_secret_value())
    engine = open_engine(address, _TIMEOUT_SECONDS)
    sessions = Sessions(engine, writing=None, timeout=_TIMEOUT_SECONDS)
    try:
        if address.is_sqlite:
            await migrate(engine)
        elif not await is_current(sessions):
            raise CommandError("The ledger is not up to date: run python -m services.gateway migrate")
        yield sessions
    except LedgerUnavailableError as error:
        cause = type(error.__cause__).__name__
        raise CommandError(f"The ledger cannot be used (PILLARBOX_LEDGER_URL): {cause}.") from error
    finally:
        await engine.dispose()


def tenant(text: str) -> str:
    """Read the name of a tenant, for argparse."""
    if not _TENANT.fullmatch(text):
        raise argparse.ArgumentTypeError("must be 1 to 63 of a-z, 0-9 and -, not beginning with -")
    return text


def told(check: Callable[[str], Read]) -> Callable[[str], Read]:
    """Have argparse say what *check* says."""

    def read(text: str) -> Read:
        try:
            return check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
