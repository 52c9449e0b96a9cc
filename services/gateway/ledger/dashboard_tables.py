"""Tables of what the dashboard shows and nobody else needs: none of it is the truth about a message."""

from __future__ import annotations

import sqlalchemy as sa

from services.gateway.ledger.schema import Moment, metadata

dashboard_sessions = sa.Table(
    "dashboard_sessions",
    metadata,
    # SHA-256 of what the browser's cookie holds.
    sa.Column("digest", sa.LargeBinary, nullable=False),
    # The API key that it was exchanged for, and the hash of that: the session ends when the key does.
    sa.Column("key_id", sa.Uuid, nullable=False),
    sa.Column("key_digest", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("digest"),
)
sa.Index("ix_dashboard_sessions_expires_at", dashboard_sessions.c.expires_at)

mailers = sa.Table(
    "mailers",
    metadata,
    # Of one process, from its start to its end.
    sa.Column("id", sa.Uuid, nullable=False),
    sa.Column("told_at", Moment, nullable=False),
    # The RecordMailer signature, as JSON.
    sa.Column("arguments", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("id"),
)
sa.Index("ix_mailers_told_at", mailers.c.told_at)

activity = sa.Table(
    "activity",
    metadata,
    # How many events of a kind were seen in a few seconds: the last hour of the statistics, in detail.
    sa.Column("tenant", sa.Text, nullable=False),
    # The beginning of those seconds.
    sa.Column("slot", Moment, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    # Of the time since the message was accepted: see services.gateway.latencies.
    sa.Column("bucket", sa.SmallInteger, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "slot", "event", "bucket"),
    sqlite_with_rowid=False,
)
sa.Index("ix_activity_slot", activity.c.slot)
