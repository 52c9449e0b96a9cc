"""Opening the ledger's database: URL, engine, connection settings, migrations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.gateway.ledger.sessions import Sessions

BUSY_TIMEOUT_SECONDS = 5
"""How long SQLite waits for another process that is writing."""

_GOODBYE_SECONDS = 0.1
MIGRATIONS = Path(__file__).parent / "migrations"

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # FULL fsyncs at every commit: a 202 must survive a power cut, not only a crash of the process.
    "PRAGMA synchronous = FULL",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}",
)


class MigrationError(Exception):
    """The ledger could not be brought up to date."""


@dataclass(frozen=True, slots=True)
class LedgerAddress:
    """Where the ledger is, for the driver (``dsn``) and for SQLAlchemy (``url``)."""

    dsn: str = field(repr=False)
    url: str = field(repr=False)
    is_sqlite: bool

    @classmethod
    def parse(cls, url: str) -> LedgerAddress:
        """Read ``postgresql://…`` or ``sqlite:///file``.

        Raises:
            ValueError: It is neither.
        """
        if url.startswith("postgresql://"):
            return cls(url, url.replace("postgresql://", "postgresql+asyncpg://", 1), is_sqlite=False)
        if url.startswith("sqlite:///"):
            path = Path(url.removeprefix("sqlite:///")).absolute()
            return cls(str(path), f"sqlite+aiosqlite:///{path}", is_sqlite=True)
        msg = "ledger_url: must start with postgresql:// or sqlite:///"
        raise ValueError(msg)

    def exists(self) -> bool:
        """Whether there is a file; only of SQLite's."""
        return Path(self.dsn).exists()


class _Impatient(asyncpg.Connection):
    """Hangs up on a server that does not answer: whoever gave up on a query waits no longer.

    SQLAlchemy closes the connection of a query that was given up, and allows two seconds for that.
    """

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's own
        await super().close(timeout=_GOODBYE_SECONDS if timeout else None)


def open_engine(address: LedgerAddress, timeout: float) -> AsyncEngine:
    """Make the engine behind all queries but the hot insert; connects at first use.

    ``timeout`` bounds, in seconds, each of: a free connection, a new connection, a statement.
    """
    if address.is_sqlite:
        Path(address.dsn).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(address.url)
        sa.event.listen(engine.sync_engine, "connect", _set_pragmas)
        return engine

    async def connect() -> asyncpg.Connection:
        # asyncpg reads the URL itself: SQLAlchemy would not understand sslmode and its like.
        return await asyncpg.connect(
            address.dsn, timeout=timeout, command_timeout=timeout * 5, connection_class=_Impatient
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=5,
        max_overflow=0,
        pool_timeout=timeout,
        pool_pre_ping=True,
    )


def _set_pragmas(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema to the newest revision, in one transaction; harmless when it is there already.

    Raises:
        MigrationError: The database refuses.
        OSError: There is no database.
    """
    # Imported here, because a gateway that finds the schema as it should be does without.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    def upgrade(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        # Two gateways may migrate at once: the second waits, and finds nothing to do.
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7233169141)"))
        else:
            # Python's driver would commit every CREATE TABLE by itself, also half of a migration.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(config, "head")

    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    except (sa.exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error


async def is_current(sessions: Sessions) -> bool:
    """Whether the schema is what this version needs, or newer.

    Raises:
        LedgerUnavailableError: There is no database.
    """
    async with sessions.reading() as connection:
        return await connection.run_sync(_revision) >= _newest()


def _newest() -> str:
    # They are numbered.
    return max(script.name[:4] for script in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(connection: sa.Connection) -> str:
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or ""
