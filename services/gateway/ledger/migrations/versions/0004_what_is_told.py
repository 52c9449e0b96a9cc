"""What providers tell of messages, and what tenants are told: recipients, strays, statistics, webhooks.

A gateway of version 0.3 goes on working beside it: it names none of the new columns.
"""

import sqlalchemy as sa
from alembic import op

from services.gateway.ledger.schema import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INDEXES = (
    (
        "ix_messages_provider_message_id",
        "messages",
        ["provider_message_id"],
        "provider_message_id IS NOT NULL",
    ),
    (
        "ix_events_tenant_transaction_id_sequence",
        "events",
        ["tenant", "transaction_id", "sequence"],
        "tenant IS NOT NULL",
    ),
    (
        "ix_stray_events_provider_message_id",
        "stray_events",
        ["provider_message_id"],
        "provider_message_id IS NOT NULL",
    ),
    ("ix_stray_events_received_at", "stray_events", ["received_at"], None),
    ("ix_statistics_tenant_hour", "statistics", ["tenant", "hour"], None),
    ("ix_webhooks_tenant_id", "webhooks", ["tenant", "id"], None),
    ("ix_webhook_events_webhook_id_id", "webhook_events", ["webhook_id", "id"], None),
    ("ix_webhook_events_status_due_at", "webhook_events", ["status", "due_at"], "due_at IS NOT NULL"),
    ("ix_webhook_events_created_at", "webhook_events", ["created_at"], None),
)


def upgrade() -> None:
    """Add the columns, tables and indexes."""
    op.add_column("events", sa.Column("recipient", sa.Text))
    op.add_column("events", sa.Column("tenant", sa.Text))
    op.add_column("events", sa.Column("transaction_id", sa.BigInteger))
    if op.get_bind().dialect.name == "postgresql":
        # Given afterwards, so that no row is rewritten for it.
        default = "pg_current_xact_id()::text::bigint"
        op.execute(f"ALTER TABLE events ALTER COLUMN transaction_id SET DEFAULT {default}")
    _create_tables()
    for name, table, keys, condition in _INDEXES:
        where = None if condition is None else sa.text(condition)
        op.create_index(name, table, keys, postgresql_where=where, sqlite_where=where)


def _create_tables() -> None:
    op.create_table(
        "stray_events",
        sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("message_id", sa.Uuid),
        sa.Column("provider_message_id", sa.Text),
        sa.Column("arguments", sa.LargeBinary, nullable=False),
        sa.Column("received_at", Moment, nullable=False),
    )
    op.create_table(
        "statistics",
        *(sa.Column("tenant", sa.Text, nullable=False), sa.Column("hour", Moment, nullable=False)),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tag", "provider", "event")),
        sa.Column("bucket", sa.SmallInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            *("tenant", "tag", "hour", "provider", "event", "bucket"), name="pk_statistics"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "roll_ups",
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("below", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_roll_ups"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="enabled"),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("previous_secret", sa.Text),
        sa.Column("previous_secret_until", Moment),
        sa.Column("failing_since", Moment),
        sa.Column("created_at", Moment, nullable=False),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("webhook_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("message_id", sa.Uuid),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", Moment),
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("webhook_event_id", sa.Uuid, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("sent_at", Moment, nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("response", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("webhook_event_id", "attempt", name="pk_webhook_attempts"),
    )


def downgrade() -> None:
    """Remove them."""
    for name, table, *_ in reversed(_INDEXES):
        op.drop_index(name, table)
    for table in ("webhook_attempts", "webhook_events", "webhooks", "roll_ups", "statistics", "stray_events"):
        op.drop_table(table)
    with op.batch_alter_table("events") as events:
        for column in ("transaction_id", "tenant", "recipient"):
            events.drop_column(column)
