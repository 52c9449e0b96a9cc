"""${message}."""

import sqlalchemy as sa
from alembic import op

from services.gateway.ledger.schema import Moment

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Contract again."""
    ${downgrades if downgrades else "pass"}
