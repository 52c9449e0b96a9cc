"""The tables of the ledger; one schema for PostgreSQL and SQLite."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from services.gateway.states import beginning


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


NOW = sa.select(moment_in(0)).scalar_subquery()
"""The database's own time, once per statement: no index is searched for what a volatile function says."""

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
    # The signature, exactly as it is published: task name and, in the last column, JSON arguments.
    sa.Column("task", sa.Text, nullable=False),
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
    # What a list shows of the message, so that it need not read bodies; NULL in rows of version 0.1.
    sa.Column("summary", sa.LargeBinary),
    sa.Column("scheduled_at", Moment),
    sa.Column("expires_at", Moment),
    sa.Column("purged_at", Moment),
    # How often a new series of attempts was begun: by a replay, or by releasing a held message.
    sa.Column("series", sa.Integer, nullable=False, server_default="0"),
    # The trace of the request that it came by: see services.gateway.relay.wire; NULL without tracing.
    sa.Column("trace", sa.Text),
    # Empty once the message's bodies are purged.  Last, because SQLite reads a row from its beginning:
    # megabytes of attachments must not stand in front of anything else.
    sa.Column("arguments", sa.LargeBinary, nullable=False),
)

BEGINNING = sa.cast(messages.c.series, sa.BigInteger) * sa.literal(beginning(1), sa.BigInteger)
"""The progress of a message before the first event of its series of attempts."""


def _partial_index(name: str, *columns: sa.Column[Any], where: sa.ColumnElement[bool]) -> None:
    sa.Index(name, *columns, postgresql_where=where, sqlite_where=where)


# What the sweeper looks for.  Apart, so that a million messages that wait in the broker's queues do not
# stand in front of one that never got there; what nothing more is awaited of is in none of them.
_UNPUBLISHED = messages.c.due_at.is_not(None) & messages.c.queued_at.is_(None)
_partial_index("ix_messages_unpublished", messages.c.due_at, where=_UNPUBLISHED)
_partial_index(
    "ix_messages_published",
    # The status is there for counting alone: a million rows need not be read for that.
    *(messages.c.lane, messages.c.due_at, messages.c.status),
    where=messages.c.due_at.is_not(None) & messages.c.queued_at.is_not(None),
)
_partial_index(
    "ix_messages_expiring", messages.c.expires_at, where=messages.c.expires_at.is_not(None) & _UNPUBLISHED
)

# Pages of a tenant's messages: ids are UUIDv7, so their order is that of arrival.
sa.Index("ix_messages_tenant_id", messages.c.tenant, messages.c.id)
sa.Index("ix_messages_tenant_status_id", messages.c.tenant, messages.c.status, messages.c.id)
# Whose bodies can be purged: a message gets into it only when it has come to its end.
_partial_index(
    "ix_messages_ended",
    messages.c.accepted_at,
    where=messages.c.due_at.is_(None) & messages.c.purged_at.is_(None),
)

# By what its provider calls a message, for what the provider tells of it later.
_partial_index(
    "ix_messages_provider_message_id",
    messages.c.provider_message_id,
    where=messages.c.provider_message_id.is_not(None),
)

lookups = sa.Table(
    "lookups",
    metadata,
    # What a message is found by beside its id, in the order that pages are read in.
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # "recipient" or "tag"
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("message_id", sa.Uuid, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "kind", "value", "message_id"),
    sqlite_with_rowid=False,
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
    # The one among the recipients whom it is about, where a provider says so.
    sa.Column("recipient", sa.Text),
    # The message's; NULL in rows of version 0.3, and where nobody knows the message.
    sa.Column("tenant", sa.Text),
    # Which transaction wrote it, in the order of PostgreSQL's ids, by a default that SQLite does not
    # need: see services.gateway.ledger.feed.
    sa.Column("transaction_id", sa.BigInteger),
    sa.UniqueConstraint("message_id", "key"),
)
# What happened to a tenant's messages, in the order that it is told in.
_partial_index(
    "ix_events_tenant_transaction_id_sequence",
    *(events.c.tenant, events.c.transaction_id, events.c.sequence),
    where=events.c.tenant.is_not(None),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    # SHA-256 of the call and its canonical body.
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    # The body of the 202, handed out again to whoever repeats the request.
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "key"),
)
sa.Index("ix_idempotency_keys_created_at", idempotency_keys.c.created_at)

suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("tenant", sa.Text, nullable=False),
    # In the form that addresses are compared in: see services.gateway.submission.addresses.
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("id", sa.Uuid, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),  # "manual", "bounce", "complaint" or "unsubscribe"
    sa.Column("message_id", sa.Uuid),  # the message whose bounce or complaint it was
    sa.Column("created_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "address"),
)
sa.Index("ix_suppressions_tenant_id", suppressions.c.tenant, suppressions.c.id, unique=True)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.Uuid, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("permission", sa.Text, nullable=False),
    # A JSON array of the domains it may send from; NULL for any.
    sa.Column("domains", sa.Text),
    # SHA-256 of the key; the key itself has 256 random bits and needs no salt.
    sa.Column("digest", sa.LargeBinary, nullable=False),
    # Requests a second; NULL for the gateway's default.
    sa.Column("rate", sa.Float),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("last_used_at", Moment),
    sa.Column("revoked_at", Moment),
    sa.PrimaryKeyConstraint("id"),
)
sa.Index("ix_api_keys_tenant_id", api_keys.c.tenant, api_keys.c.id)

templates = sa.Table(
    "templates",
    metadata,
    sa.Column("id", sa.Uuid, nullable=False),
    # Or "*": a template out of the operator's folder, which every tenant may use.
    sa.Column("tenant", sa.Text, nullable=False),
    # Another name to use in place of the id.
    sa.Column("alias", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("latest_version", sa.Integer, nullable=False),
    # The version that messages are made from; NULL for a draft.
    sa.Column("published_version", sa.Integer),
    sa.Column("published_at", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("tenant", "alias"),
)
sa.Index("ix_templates_tenant_id", templates.c.tenant, templates.c.id)

template_versions = sa.Table(
    "template_versions",
    metadata,
    sa.Column("template_id", sa.Uuid, nullable=False),
    # Counted from 1.
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("id", sa.Uuid, nullable=False),
    # The template's content as JSON: from, reply_to, subject, html, text, variables.
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("template_id", "version"),
)
