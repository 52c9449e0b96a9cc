"""What the dashboard shows: its sessions, the mailers that were heard of, and the last hour in detail."""

import sqlalchemy as sa
from alembic import op

from services.gateway.ledger.schema import Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_dashboard_sessions_expires_at", "dashboard_sessions", ["expires_at"]),
    ("ix_mailers_told_at", "mailers", ["told_at"]),
    ("ix_activity_slot", "activity", ["slot"]),
)


def upgrade() -> None:
    """Add the tables and indexes."""
    op.create_table(
        "dashboard_sessions",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("key_id", sa.Uuid, nullable=False),
        sa.Column("key_digest", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_dashboard_sessions"),
    )
    op.create_table(
        "mailers",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("told_at", Moment, nullable=False),
        sa.Column("arguments", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mailers"),
    )
    op.create_table(
        "activity",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("slot", Moment, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("bucket", sa.SmallInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "slot", "event", "bucket", name="pk_activity"),
        sqlite_with_rowid=False,
    )
    for name, table, keys in _INDEXES:
        op.create_index(name, table, keys)


def downgrade() -> None:
    """Remove them."""
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table)
    for table in ("activity", "mailers", "dashboard_sessions"):
        op.drop_table(table)
