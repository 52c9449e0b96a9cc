"""Further tables of the ledger: what is told of messages by providers, to tenants, and in sum."""

from __future__ import annotations

import sqlalchemy as sa

from services.gateway.ledger.schema import Moment, metadata

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")

stray_events = sa.Table(
    "stray_events",
    metadata,
    # What providers told of messages that nobody knows (yet): the word of a delivery may be here before
    # the mailer's own word of what the provider calls the message.
    sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    # What to look the message up by: our id, or the provider's.
    sa.Column("message_id", sa.Uuid),
    sa.Column("provider_message_id", sa.Text),
    # The RecordEvent signature, as JSON.
    sa.Column("arguments", sa.LargeBinary, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
)
sa.Index(
    "ix_stray_events_provider_message_id",
    stray_events.c.provider_message_id,
    postgresql_where=stray_events.c.provider_message_id.is_not(None),
    sqlite_where=stray_events.c.provider_message_id.is_not(None),
)
sa.Index("ix_stray_events_received_at", stray_events.c.received_at)

statistics = sa.Table(
    "statistics",
    metadata,
    # How many events of a kind happened in an hour, and how long after the message was accepted.
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("hour", Moment, nullable=False),
    # "name:value"; empty for all messages, tagged or not.
    sa.Column("tag", sa.Text, nullable=False),
    # The account's name; empty where no account was part of it.
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    # Of the time since the message was accepted: see services.gateway.latencies.
    sa.Column("bucket", sa.SmallInteger, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    # The hours of one tag stand together, and those of all messages, which are asked for the most.
    sa.PrimaryKeyConstraint("tenant", "tag", "hour", "provider", "event", "bucket"),
    sqlite_with_rowid=False,
)
# Which tags there were in some hours.
sa.Index("ix_statistics_tenant_hour", statistics.c.tenant, statistics.c.hour)

roll_ups = sa.Table(
    "roll_ups",
    metadata,
    # How far the counting of rows that are there already has come.
    sa.Column("subject", sa.Text, nullable=False),
    # Every message with an id below this is counted.
    sa.Column("below", sa.Uuid, nullable=False),
    sa.PrimaryKeyConstraint("subject"),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text, nullable=False),
    # A JSON array of the types that it is told of.
    sa.Column("events", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="enabled"),  # or "disabled"
    # Why it is disabled, where it was not a human who did it.
    sa.Column("disabled_reason", sa.Text),
    # "whsec_" and base64; and the one before it, for as long as that counts.
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("previous_secret", sa.Text),
    sa.Column("previous_secret_until", Moment),
    # Since when every attempt has failed; NULL after one that did not.
    sa.Column("failing_since", Moment),
    sa.Column("created_at", Moment, nullable=False),
)
sa.Index("ix_webhooks_tenant_id", webhooks.c.tenant, webhooks.c.id)

webhook_events = sa.Table(
    "webhook_events",
    metadata,
    # One event for one endpoint; the id is what the receiver tells repetitions by.
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("webhook_id", sa.Uuid, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("message_id", sa.Uuid),
    # The body to be posted, as JSON.
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    # "pending", "attempting", "success" or "failed", as Resend has it.
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # When the next attempt is to be published; NULL when there is none to come.
    sa.Column("due_at", Moment),
)
sa.Index("ix_webhook_events_webhook_id_id", webhook_events.c.webhook_id, webhook_events.c.id)
# What waits for its time stands apart from what waits for an answer: a million of those that a mailer
# will come to must not stand in front of one that is due.
sa.Index(
    "ix_webhook_events_status_due_at",
    *(webhook_events.c.status, webhook_events.c.due_at),
    postgresql_where=webhook_events.c.due_at.is_not(None),
    sqlite_where=webhook_events.c.due_at.is_not(None),
)
sa.Index("ix_webhook_events_created_at", webhook_events.c.created_at)

webhook_attempts = sa.Table(
    "webhook_attempts",
    metadata,
    sa.Column("id", sa.Uuid, nullable=False),
    sa.Column("webhook_event_id", sa.Uuid, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("sent_at", Moment, nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    # NULL where there was no answer; the reason then says why.
    sa.Column("status_code", sa.Integer),
    sa.Column("response", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.PrimaryKeyConstraint("webhook_event_id", "attempt"),
)
