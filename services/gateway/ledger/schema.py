"""The tables of the ledger; one schema for PostgreSQL and SQLite."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement


class Moment(sa.TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both databases (SQLite itself knows no time zones)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _: sa.Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class moment_in(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """The database's own time plus a number of seconds; NULL for NULL seconds.

    All gateways share one database and hence one clock; their own clocks are never compared.
    """

    type = Moment()
    name = "moment_in"
    inherit_cache = True


@compiles(moment_in, "postgresql")
def _postgresql_moment(element: moment_in, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + CAST({seconds} AS double precision) * interval '1 second')"


@compiles(moment_in, "sqlite")
def _sqlite_moment(element: moment_in, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', CAST({seconds} AS REAL) || ' seconds')"


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    },
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    # The signature, exactly as it is published: task name and JSON arguments.
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("arguments", sa.LargeBinary, nullable=False),
    sa.Column("accepted_at", Moment, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="accepted"),
    # How far the message has come: see services.gateway.states.
    sa.Column("progress", sa.BigInteger, nullable=False, server_default="0"),
    # First confirmed publish; NULL while the broker may not know of the message.
    sa.Column("queued_at", Moment),
    sa.Column("publications", sa.Integer, nullable=False, server_default="0"),
    # When the sweeper has to look at the message; NULL once nothing more is awaited.
    sa.Column("due_at", Moment),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("provider", sa.Text),
    sa.Column("provider_message_id", sa.Text),
    sa.Column("reason", sa.Text),
)

sa.Index(
    "ix_messages_due_at",
    messages.c.due_at,
    postgresql_where=messages.c.due_at.is_not(None),
    sqlite_where=messages.c.due_at.is_not(None),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column(
        "sequence",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    # No foreign key: an event may come for a message that was published past the gateway.
    sa.Column("message_id", sa.Uuid, nullable=False),
    # What makes the event the same event when it is reported twice.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("provider", sa.Text),
    sa.Column("provider_message_id", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("retry_at", Moment),
    sa.UniqueConstraint("message_id", "key"),
)
