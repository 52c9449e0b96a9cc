"""Alembic's entry: migrate over the connection that :mod:`..database` hands in."""

from alembic import context

from services.gateway.ledger import dashboard_tables, reporting_tables  # noqa: F401 - of the metadata
from services.gateway.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
