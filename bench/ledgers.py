"""Ledgers that hold messages already: written by SQL once, and copied for every round."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.result import ROOT
from bench.stage import Stage
from services.gateway.states import progress

ROWS = 1_000_000
_SLICE = 100_000

# As a month of mail leaves them: sent, with the events of a message that went well and its lookups.
# Ids are UUIDv7 (RFC 9562): 48 bits of milliseconds, spread over the last four weeks.
_INSERT = """
WITH made AS (
    SELECT n,
           now() - interval '28 days' * (1 - n::float8 / {rows}) - interval '1 hour' AS at
    FROM generate_series({first}, {last}) AS n
), numbered AS (
    SELECT n, at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                   || '7' || lpad(to_hex(n % 4096), 3, '0')
                   || '8' || substr(md5(n::text), 1, 15))::uuid AS id
    FROM made
), stored AS (
    INSERT INTO messages (id, tenant, lane, task, accepted_at, status, progress, queued_at, publications,
                          attempts, provider, provider_message_id, arguments)
    SELECT id, 'default', 'transactional', 'mailer.send_email', at, 'sent', {progress}, at, 1,
           1, 'sendgrid', 'sg-' || n, convert_to(repeat('{{"text": "It works."}}', 40), 'UTF8')
    FROM numbered
), told AS (
    INSERT INTO events (message_id, tenant, key, event, actor, at, attempt, provider)
    SELECT id, 'default', event, event, actor, at, attempt, 'sendgrid' FROM numbered,
    (VALUES ('queued', 'gateway', 0), ('sending', 'mailer', 1), ('sent', 'mailer', 1))
        AS story (event, actor, attempt)
)
INSERT INTO lookups (tenant, kind, value, message_id)
SELECT 'default', 'recipient', 'user' || n % 100000 || '@recipients.example.org', id FROM numbered
"""

# Counted into the statistics already, as they are after a month.
_COUNTED = "INSERT INTO roll_ups SELECT 'messages', id FROM messages ORDER BY id DESC LIMIT 1"


@contextmanager
def with_rows(stage: Stage, rows: int) -> Iterator[str]:
    """Give the URL of a migrated ledger with so many messages that nothing more is awaited of."""
    template = _template(stage, rows)
    url = stage.postgresql.create_database()
    name, source = url.rpartition("/")[2], template.rpartition("/")[2]
    stage.postgresql.execute(f"DROP DATABASE {name}")
    stage.postgresql.execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")
    try:
        yield url
    finally:
        stage.postgresql.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _template(stage: Stage, rows: int) -> str:
    if rows not in stage.ledgers:
        url = stage.postgresql.create_database()
        subprocess.run(
            [sys.executable, "-m", "services.gateway", "migrate"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PILLARBOX_LEDGER_URL": url},
            check=True,
            capture_output=True,
        )
        if rows:
            _write(stage, url, rows)
        stage.ledgers[rows] = url
    return stage.ledgers[rows]


def _write(stage: Stage, url: str, rows: int) -> None:
    for first in range(1, rows + 1, _SLICE):
        last = min(first + _SLICE - 1, rows)
        sql = _INSERT.format(rows=rows, first=first, last=last, progress=progress("sent", 1))
        stage.postgresql.execute(sql, url)
    for statement in (_COUNTED, "VACUUM ANALYZE", "CHECKPOINT"):
        stage.postgresql.execute(statement, url)
