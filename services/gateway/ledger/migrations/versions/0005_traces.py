"""The trace that a message belongs to.

A gateway of version 0.4 goes on working beside it: it inserts rows without naming the column.
"""

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; PostgreSQL rewrites no row for it."""
    # As in 0002: in SQLite the largest column has to stay at the end of its row.
    recreate: Literal["always", "never"] = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    order: list[tuple[str, ...]] = [("series", "trace", "arguments")]
    with op.batch_alter_table("messages", recreate=recreate, partial_reordering=order) as messages:
        messages.add_column(sa.Column("trace", sa.Text))


def downgrade() -> None:
    """Remove it."""
    with op.batch_alter_table("messages") as messages:
        messages.drop_column("trace")
