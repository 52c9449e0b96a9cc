"""What the public API needs: lists, schedules, idempotency, API keys, suppressions, templates.

Takes nothing away that a gateway of version 0.1 needs, so it goes on working beside it.
"""

from typing import Literal

import sqlalchemy as sa
from alembic import op

from services.gateway.ledger.schema import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UNPUBLISHED = "due_at IS NOT NULL AND queued_at IS NULL"
_PUBLISHED = "due_at IS NOT NULL AND queued_at IS NOT NULL"
_INDEXES = (
    # The first two take the place of ix_messages_due_at, also for the statements of version 0.1.
    ("ix_messages_unpublished", ["due_at"], sa.text(_UNPUBLISHED)),
    ("ix_messages_published", ["lane", "due_at", "status"], sa.text(_PUBLISHED)),
    ("ix_messages_expiring", ["expires_at"], sa.text(f"expires_at IS NOT NULL AND {_UNPUBLISHED}")),
    ("ix_messages_tenant_id", ["tenant", "id"], None),
    ("ix_messages_tenant_status_id", ["tenant", "status", "id"], None),
    ("ix_messages_ended", ["accepted_at"], sa.text("due_at IS NULL AND purged_at IS NULL")),
)


def upgrade() -> None:
    """Add the columns, tables and indexes."""
    op.drop_index("ix_messages_due_at", "messages")
    # SQLite reads a row from its beginning, so its table is made anew with the largest column at the end.
    recreate: Literal["always", "never"] = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    columns = {"summary": sa.LargeBinary, "scheduled_at": Moment, "expires_at": Moment, "purged_at": Moment}
    order = [("reason", *columns, "arguments")]
    with op.batch_alter_table("messages", recreate=recreate, partial_reordering=order) as messages:
        for name, kind in columns.items():
            messages.add_column(sa.Column(name, kind))
    for name, keys, where in _INDEXES:
        op.create_index(name, "messages", keys, postgresql_where=where, sqlite_where=where)
    op.create_table(
        "lookups",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("message_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "value", "message_id", name="pk_lookups"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "suppressions",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("message_id", sa.Uuid),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "address", name="pk_suppressions"),
    )
    op.create_index("ix_suppressions_tenant_id", "suppressions", ["tenant", "id"], unique=True)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("permission", sa.Text, nullable=False),
        sa.Column("domains", sa.Text),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("rate", sa.Float),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("last_used_at", Moment),
        sa.Column("revoked_at", Moment),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_tenant_id", "api_keys", ["tenant", "id"])
    op.create_table(
        "templates",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("alias", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("latest_version", sa.Integer, nullable=False),
        sa.Column("published_version", sa.Integer),
        sa.Column("published_at", Moment),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_templates"),
        sa.UniqueConstraint("tenant", "alias", name="uq_templates_tenant"),
    )
    op.create_index("ix_templates_tenant_id", "templates", ["tenant", "id"])
    op.create_table(
        "template_versions",
        sa.Column("template_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("template_id", "version", name="pk_template_versions"),
    )


def downgrade() -> None:
    """Remove them."""
    for table in (
        "template_versions",
        "templates",
        "api_keys",
        "suppressions",
        "idempotency_keys",
        "lookups",
    ):
        op.drop_table(table)
    for name, *_ in _INDEXES:
        op.drop_index(name, "messages")
    with op.batch_alter_table("messages") as messages:
        for column in ("purged_at", "expires_at", "scheduled_at", "summary"):
            messages.drop_column(column)
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_messages_due_at", "messages", ["due_at"], postgresql_where=due, sqlite_where=due)
