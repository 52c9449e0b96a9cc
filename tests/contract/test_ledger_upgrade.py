"""A ledger of version 0.2.0 is carried on: nothing in it is lost, and nothing moves back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from services.gateway.ledger import database
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from shared.signatures import Event
from tests.contract.ledgers import BEGINNING, Gateway, entry, event, gateway

SENT = 3_000_000_000_010
"""Progress of a message that was sent at its first attempt, as version 0.2.0 counted."""

INSERT = (
    sa.text(
        "INSERT INTO messages (id, tenant, lane, task, arguments, accepted_at, status, progress, attempts) "
        "VALUES (:id, :tenant, :lane, :task, :arguments, :accepted_at, :status, :progress, :attempts)"
    )
    .bindparams(sa.bindparam("id", type_=sa.Uuid), sa.bindparam("arguments", type_=sa.LargeBinary))
    .bindparams(sa.bindparam("accepted_at", type_=sa.DateTime(timezone=True)))
)
"""What version 0.2.0 knows of the table."""


async def put(box: Gateway, status: str, progress: int) -> Any:
    """Store a message as version 0.2.0 did."""
    message = entry()
    row = {
        **{name: getattr(message, name) for name in ("id", "tenant", "lane", "task", "arguments")},
        "accepted_at": BEGINNING,
        "status": status,
        "progress": progress,
        "attempts": 1,
    }
    async with box.engine.begin() as connection:
        await connection.execute(INSERT, row)
    return message


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A ledger as version 0.2.0 left it."""
    engine = open_engine(LedgerAddress.parse(database_url), 5)
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))

    def upgrade(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")

    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
    async with gateway(database_url) as box:
        yield box


def described(connection: sa.Connection) -> dict[str, Any]:
    """The table's columns in their order, and its indexes."""
    inspector = sa.inspect(connection)
    return {
        "columns": [column["name"] for column in inspector.get_columns("messages")],
        "indexes": {
            index["name"]: (
                index["column_names"],
                [str(o) for o in index.get("dialect_options", {}).values()],
            )
            for index in inspector.get_indexes("messages")
        },
    }


async def test_its_messages_are_in_their_first_series(box: Gateway) -> None:
    """All else of them is as it was, and the table has every index that it had."""
    before = [await put(box, "failed", 2_000_000_000_012), await put(box, "accepted", 0)]
    async with box.engine.connect() as connection:
        old = await connection.run_sync(described)
    await migrate(box.engine)
    async with box.engine.connect() as connection:
        new = await connection.run_sync(described)
    rows = [await box.row(message) for message in before]

    assert [(one.arguments, 0, None) for one in before] == [
        (row.arguments, row.series, row.trace) for row in rows
    ]
    assert ["failed", "accepted"] == [row.status for row in rows]
    assert old["indexes"].items() <= new["indexes"].items()
    assert {"series", "trace"} == {*new["columns"]} - {*old["columns"]}
    # SQLite reads a row from its beginning, and the arguments may be megabytes.
    assert "arguments" == new["columns"][-1] or box.engine.dialect.name != "sqlite"


@pytest.mark.parametrize("word", [word for word in Event if word is not Event.SENT])
async def test_what_was_sent_stays_sent(box: Gateway, word: str) -> None:
    """Although its progress is not what it would be today."""
    message = await put(box, "sent", SENT)
    await migrate(box.engine)
    await box.ledger.record([event(message.id, word, 900)])
    again = await box.replays.again(message.tenant, [message.id], "replayed")

    assert ["sent"] == [skipped.status for skipped in again.skipped]
    assert ("sent", SENT) == ((row := await box.row(message)).status, row.progress)


async def test_a_gateway_of_version_0_2_works_beside_it(box: Gateway) -> None:
    """It inserts without naming the column, and what it inserts goes its way here."""
    await migrate(box.engine)
    message = await put(box, "accepted", 0)
    await box.ledger.mark_queued([message.id])
    queued = await box.row(message)
    await box.ledger.record([event(message.id, "failed")])
    await box.replays.again(message.tenant, [message.id], "replayed")

    assert ("queued", 0) == (queued.status, queued.series)
    assert ("accepted", 1) == ((row := await box.row(message)).status, row.series)
