"""Two short storms: nothing is lost, doubled, or left lying.

What the long runs of ``make torture`` found stands in docs/reliability.md.  These two share kinds of fault
of every sort between them, and each demands that all of its own have happened.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.torture.plan import Plan
from tests.torture.run import Status, torture
from tests.torture.stage import Servers

FALLING = (
    "gateway_killed",
    "mailer_killed",
    "rabbitmq_killed",
    "postgresql_killed",
    "commit_unknown",
    "g.after_commit:kill9",
    "g.before_response:kill9",
    "r.after_publish:kill9",
    "w.after_claim:kill9",
    "w.after_response:kill9",
    "w.after_settle:kill9",
    "w.before_ack:kill9",
    "provider_silent",
    "provider_wrong_after_taking",
    "provider_link_torn",
    "queue_deleted",
    "same_key_at_once",
    "replayed_messages",
)
"""What dies, and what then comes again."""

STALLING = (
    "gateway_stopped_short",
    "mailer_stopped_short",
    "mailer_frozen_beyond_its_lease",
    "rabbitmq_frozen",
    "memory_alarm",
    "queues_purged",
    "connections_closed",
    "postgresql_frozen",
    "sessions_ended",
    "database_read_only",
    "table_locked",
    "claims_link_silent",
    "mailer_broker_link_silent",
    "name_unknown",
    "provider_throttles",
    "provider_dead",
    "mailers_clock_jumps",
    "unreadable_messages",
    "forged_events",
    "w.before_request:kill9",
)
"""What hangs, refuses, and lies."""


SHORT = Plan(messages=200, rate=8.0, gap=1.0, haste=2.0, storm=25.0, quiet=90.0)
PLANS = {
    "falling": replace(SHORT, seed=1, kinds=FALLING),
    "stalling": replace(SHORT, seed=2, kinds=STALLING, profile="none", on_uncertain="hold"),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", PLANS)
async def test_nothing_is_lost_and_nothing_doubled(
    rabbitmq: RabbitMQ, postgresql: PostgreSQL, tmp_path: Path, name: str
) -> None:
    """All invariants hold after the storm, and again after a cold restart."""
    plan = replace(PLANS[name], folder=tmp_path / "torture")

    result = await torture(plan, Servers(rabbitmq, postgresql), Console())

    assert Status.GREEN is result.status, f"{result.told}\n{plan.words}"
